/** The end of a domain (rules 16.7, RELINQUISH and DESTROY). */
import { BOTH, type Defect, on } from './defect.js';

const XSA_310 = {
  advisory: 'XSA-310',
  cve: 'CVE-2019-19580',
  versions: 'trees with the repair of XSA-299',
  arches: BOTH,
  class: 'P1',
  rules: '16.7',
} as const;

const CIRCULAR = {
  cause: 29,
  versions: 'development in October 2008',
  arches: BOTH,
  rules: '16.7',
} as const;

export const TEARDOWN: readonly Defect[] = [
  {
    id: 'relinquish-repin',
    cause: 21,
    advisory: 'XSA-299',
    cve: 'CVE-2019-18421',
    title: 'An interrupted teardown pins the table again that it has half taken apart',
    versions: 'to 4.12',
    fix: 'bf656e02d8',
    arches: BOTH,
    class: 'P1',
    story:
      'When unpinning a page of a dying domain was interrupted, the pin was put back so that the next attempt would find it, also where the page was partial by then and the pin’s reference stood for the partial mark. Pinned and partial at once, its references no longer added up.',
    rule: 'RELINQUISH sets the pin again after RESTART as it does after INTERRUPTED.',
    rules: '16.7',
    breaks: ['legal-state', 'reference-counts'],
    shortest: on('x86_64', 'destroy preempt=1 -> preempted'),
  },
  {
    ...XSA_310,
    id: 'relinquish-type-ref',
    cause: 22,
    title: 'A table taken apart by force is partial without a type reference',
    fix: '66bdc16aee',
    story:
      'Tables that only keep each other alive are taken apart by force. Interrupted in the middle, such a table was marked partial without the type reference that belongs to the mark; the count ran below zero later, and Xen stopped when the page was freed.',
    rule: 'RELINQUISH does not take the type reference for the partial mark after RESTART of a forced demotion.',
    breaks: ['reference-counts'],
    shortest: on(
      'x86_32',
      'mmu_update F1[3] B2|P -> ok',
      'update_va W1 0 -> ok',
      'pin L3 F1 -> EINVAL',
      'destroy preempt=5 -> preempted',
    ),
  },
  {
    ...XSA_310,
    id: 'destroy-vcpu-partial',
    cause: 24,
    title: 'The second attempt to drop a base pointer meets a partial table',
    fix: 'ececa12b2c',
    story:
      'An interrupted drop of a vCPU’s base pointer was simply tried again. Since XSA-299 a put must say that it finishes a partial table; this one did not, and Xen stops the host where a whole put meets a partial table.',
    rule: 'DESTROY leaves the base pointer in place and defers nothing after RESTART or INTERRUPTED; the next attempt drops it with a whole PUTTYPE.',
    breaks: ['loaded-base', 'owned-tables', 'assertion'],
    shortest: on('x86_64', 'unpin B4 -> ok', 'destroy preempt=0 -> preempted'),
  },
  {
    ...CIRCULAR,
    id: 'destroy-circular-no-put',
    title: 'Taking a table apart by force keeps its general reference',
    fix: '1cbcdec761, 889f104e6a, 9c171cc388, e96781896f',
    class: 'S',
    story:
      'When types became interruptible, every type reference left behind was given a general reference to go with it. The forced demotion at the end of a domain dropped the one and not the other: the page was never freed and the domain stayed behind as a zombie.',
    rule: 'RELINQUISH does not give back its own general reference after a forced demotion that has come to its end.',
    breaks: ['dead-domain', 'reference-counts'],
    shortest: on(
      'x86_32',
      'mmu_update F1[3] B2|P -> ok',
      'update_va W1 0 -> ok',
      'pin L3 F1 -> EINVAL',
      'destroy -> ok',
    ),
  },
  {
    ...CIRCULAR,
    id: 'destroy-circular-partial-type',
    title: 'Taking a partial table apart by force keeps its type reference',
    fix: '9c171cc388',
    class: 'P1',
    story:
      'A partial table of a dying domain is taken apart by force too. The type reference that belongs to the partial mark was left behind, so the page kept a table’s type with a count that nobody would drop.',
    rule: 'RELINQUISH does not drop the type reference of the partial mark after the forced demotion of a partial table.',
    breaks: ['dead-domain', 'reference-counts'],
    shortest: on('x86_64', 'update_va W1 0 -> ok', 'pin L2 F1 preempt=0 -> preempted', 'destroy -> ok'),
  },
];

/** The LDT (rules 3.10). */
import { type Defect, ONLY_32, ONLY_64, on } from './defect.js';

export const DESCRIPTORS: readonly Defect[] = [
  {
    id: 'ldt-beyond-limit',
    cause: 70,
    advisory: 'XSA-298',
    cve: 'CVE-2019-18425',
    title: 'Pages beyond the end of the LDT are taken for descriptors',
    versions: '32-bit guests, to 4.12',
    fix: '93021cbe88',
    arches: ONLY_32,
    class: 'S',
    story:
      'When Xen emulates an access to a descriptor it brings in the page of the LDT that should hold it, and did so without a look at the LDT’s length. User mode named a selector beyond it, and a page of its own choice became descriptors: with no LDT at all the page at address 0.',
    rule: 'access_ldt of a page beyond the LDT’s entries goes on as for one within.',
    rules: '3.10',
    breaks: ['agreement'],
    shortest: on('x86_32', 'update_va W2 F2|P -> ok', 'set_ldt W1 entries=1 -> ok', 'access_ldt 1 -> fault'),
  },
  {
    id: 'ldt-via-user-root',
    cause: 71,
    title: 'A page of the LDT is looked up in the user’s tables',
    versions: '4.15 in development',
    fix: '904148ecb4',
    arches: ONLY_64,
    class: 'S',
    story:
      'The LDT belongs to the kernel’s address space, but user mode uses it too. A page that was needed while the user’s tables were loaded was looked up in those, and another page, or none, was brought in.',
    rule: 'access_ldt on a vCPU that iret_user has left in user mode walks from the user base pointer.',
    rules: '3.10',
    breaks: ['agreement'],
    shortest: on(
      'x86_64',
      'update_va W2 F2|P -> ok',
      'set_ldt W2 entries=1 -> ok',
      'update_va W1 0 -> ok',
      'new_user_baseptr F1 -> ok',
      'multicall',
      '  iret_user -> ok',
      'end -> ok',
      'access_ldt 0 -> ok',
    ),
  },
];

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DEFECTS, type DefectId } from '../../models/defects/index.js';
import type { Court } from '../../src/fuzz/trials.js';
import { LINES_MAX, mailText } from '../../src/report/mail.js';
import { tellStory } from '../../src/report/story.js';
import { COLUMNS } from '../../src/report/words.js';
import { parseProgram } from '../../src/text/parse.js';
import { courtWith, zooProgram } from './zoo-programs.js';

function mailOf(operations: string, court: Partial<Court> = {}, machine = 'x86_64 frames=8'): string {
  const program = parseProgram(`pvmmu 1\n\nprogram p\nmachine ${machine}\n${operations}\n`);
  return mailText(tellStory(program, { ...courtWith(), ...court }));
}

function oneLine(mail: string): string {
  return mail.replaceAll(/\s+/g, ' ');
}

describe('the mail', () => {
  test.each(DEFECTS)('of $id has at most 60 lines of 72 ASCII columns', (defect) => {
    const mail = mailText(tellStory(zooProgram(defect), courtWith(defect.id)));
    expect(mail.endsWith('\n')).toBe(true);
    const lines = mail.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(LINES_MAX);
    for (const line of lines) {
      expect(line.length, line).toBeLessThanOrEqual(COLUMNS);
      expect(line).toMatch(/^[\x20-\x7e]*$/);
    }
    expect(mail).toContain(defect.id);
    expect(mail).toContain('END\n');
  });

  test('of XSA-182 names the violation, the path, the steps that led there and what Xen prints', () => {
    const mail = mailOf(
      'mmu_update B2[0] B2|P -> ok\nmmu_update B2[0] B2|P|RW -> ok',
      {
        defects: new Set<DefectId>(['fast-rw-l2']),
      },
      'x86_64 frames=8 domain=hardware',
    );
    expect(mail.replace(/pvmmu \d.*;/, 'pvmmu VERSION;')).toMatchInlineSnapshot(`
      "[pvmmu 253897a7] B4[511] -> B3[510] -> B2[0] -> B2[0] is writable and
      reaches B2, which the processor uses as a pagetable or descriptor table.

      Step 2 answers ok; Xen's rules say EINVAL. The processor lets the guest
      write what it uses itself as a pagetable or descriptor table. Such a
      guest maps all of the memory of the machine, the hypervisor included.

      Machine     x86_64, hardware domain (dom0), 1 vCPU, 8 frames, release
                  build
      Semantics   Xen 4.17, as shipped
      Defect      fast-rw-l2 (XSA-182, CVE-2016-6258): RW is set on a linear
                  L2 entry
      Takes       one vCPU, no interruption

      To repeat, paste into a shell. Comments say what each step changed: type
      and type count of frames, entries of tables.

      npx pvmmu report --defect fast-rw-l2 - <<'END'
      pvmmu 1
      program counterexample
      machine x86_64 frames=8 domain=hardware
      mmu_update B2[0] B2|P -> ok
      # 1. 0x108: L1 1 -> L1 0, refs 2 -> 1
      #    B2[0]: 0x108|P|RW|US|A|D -> B2|P|US
      mmu_update B2[0] B2|P|RW -> ok
      # 2. the rules say EINVAL
      #    B2[0]: B2|P|US -> B2|P|RW|US
      END

      Violated    hardware-walk: On no path from a base pointer that is
                  writable at every level does the processor reach a page that
                  it uses as a pagetable, or a frame of the GDT or LDT.
      Path        B4[511] -> B3[510] -> B2[0] -> B2[0]
      Also broken table-tree
      Because     start: B2 is a validated L2
                  step 1 set B2[0] = B2|P|US
                  step 2 set B2[0] = B2|P|RW|US, a writable mapping

      A debug build of Xen that keeps the rules prints at the last step:
        (XEN) Attempt to create linear p.t. with write perms

      pvmmu VERSION; id
      253897a7.
      A mistake of Xen's history, made on purpose; Xen fixed it in e1bff4c2ea.
      "
    `);
  });

  test('gives a command that, pasted into a shell, prints the same mail', () => {
    const mail = mailText(tellStory(zooProgram(DEFECTS[0]!), courtWith(DEFECTS[0]!.id)));
    const [command] = /^npx pvmmu [^]*?^END$/m.exec(mail)!;
    const pasted = `${command.replace('npx pvmmu', 'node dist/cli.js')}\n[ $? -eq 1 ]`;
    expect(execFileSync('bash', ['-c', pasted]).toString()).toBe(mail);
  });

  test('names of several mistakes the one that makes it fail', () => {
    const all = new Set<DefectId>(['fast-rw-l4', 'fast-rw-l3', 'fast-rw-l2']);
    const mail = mailOf('mmu_update B2[0] B2|P -> ok\nmmu_update B2[0] B2|P|RW -> ok', { defects: all });
    expect(mail).toContain('npx pvmmu report --defect fast-rw-l2 - <<');
  });

  test('in the README is what is printed today', () => {
    const mail = mailOf(
      'mmu_update B2[0] B2|P -> ok\nmmu_update B2[0] B2|P|RW -> ok',
      { defects: new Set<DefectId>(['fast-rw-l2']) },
      'x86_64 frames=8 domain=hardware',
    );
    const withoutVersions = (text: string) => text.replaceAll(/^pvmmu \d.*$/gm, '');
    expect(withoutVersions(readFileSync('README.md', 'utf8'))).toContain(withoutVersions(mail));
  });

  test('of a find in Xen itself says to send it to the security team first', () => {
    const mail = mailOf('pin L4 F1 -> ok\nupdate_va W2 F1|P|RW -> ok', { quirks: 'shipped' });
    expect(oneLine(mail)).not.toContain('security@');
    const lost = mailOf(LOSS, { quirks: 'shipped' }, 'x86_32 frames=8 domain=hardware');
    expect(oneLine(lost)).toContain('send it to security@xenproject.org first, not to a public list.');
  });

  test('of a program that does not fail says so', () => {
    expect(mailOf('pin L1 F0 -> EINVAL')).toContain('The program does not fail.');
  });

  test('of a long program has its last steps only, and says how to shrink it', () => {
    const many = Array.from({ length: 500 }, () => 'update_va W0 F0|P -> ok').join('\n');
    const mail = mailOf(`${many}\npin L4 B4 -> EINVAL`, {
      defects: new Set<DefectId>(['double-pin-keeps-ref']),
    });
    expect(mail.split('\n').length).toBeLessThanOrEqual(LINES_MAX);
    expect(oneLine(mail)).toContain('The program has 501 operations. Shrink it first');
  });
});

/** Rules 14.2: a slot-3 L2 that is shared loses the references just taken. */
const LOSS = `mmu_update F1[3] B2|P -> ok
update_va W1 0 -> ok
pin L3 F1 -> EINVAL`;

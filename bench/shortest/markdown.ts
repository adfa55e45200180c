/** docs/shortest.md: how short programs can be that show the zoo's mistakes. */
import { type DefectId, DEFECTS } from '../../models/defects/index.js';
import type { Arch } from '../../src/program/machine.js';

/** What came of running all programs shorter than the shortest known. */
export interface Proof {
  readonly id: DefectId;
  /** Operations of the shortest program known, and its text. */
  readonly known: number;
  readonly text: string;
  readonly arch: Arch;
  /** Frames, and slots of each table, that operations name; how many operations that are. */
  readonly frames: number;
  readonly slots: number;
  readonly operations: number;
  /** No program of up to so many operations fails. */
  readonly none: number;
  /** A shorter one that does. */
  readonly shorter?: string;
  readonly programs: number;
  readonly states: number;
  readonly seconds: number;
}

export function row(proof: Proof): string {
  const { id, arch, frames, slots, operations, known, none, programs, states, seconds } = proof;
  const scope = `${arch}, ${frames} × ${slots}`;
  const work = [operations, programs, states].map((count) => count.toLocaleString('en'));
  return `| ${[id, scope, known, provedIn(proof), ...work, `${seconds.toFixed(0)} s`].join(' | ')} |`;

  function provedIn({ shorter }: Proof): string {
    if (shorter !== undefined) return `**${none + 1}**`;
    return none === known - 1 ? `${known}` : `${none + 1} or more`;
  }
}

export function markdown(proofs: readonly Proof[]): string {
  const longer = proofs.filter(({ known }) => known > 1);
  const proved = longer.filter(
    ({ known, none, shorter }) => shorter !== undefined || none === known - 1,
  ).length;
  const single = proofs.length - longer.length;
  const shorter = longer.filter((proof) => proof.shorter !== undefined);
  const missing = DEFECTS.filter(({ id }) => !proofs.some((proof) => proof.id === id));
  return `# How short a program can be

Written by \`npm run shortest\`, with its figures in \`shortest.json\` beside it. The zoo's shortest programs (\`zoo.md\`) come from shrinking: nothing can be left out of them,
which does not say that no other program is shorter. Here every program is run that is shorter than the zoo's, shortest first, of what surrounds that one: on its machine, with frames
and windows, the boot tables, slots 0 and 1, and what else it names. Entries are zero or name any of these frames and tables, with \`P\`, \`P|RW\` and the flags that it has.

- Where the zoo's is short, with up to three operations, or four and neither an event nor a TLB: three frames; all operations on pagetables, base pointers, the GDT and single frames, the end
  of the domain, and the kinds that it has.
- Where it is longer: two frames; \`mmu_update\`, \`update_va\`, \`pin\`, \`unpin\`, \`new_baseptr\` and the kinds that it has.
- If something in it is interrupted, all that can be is run without an event and with one after 0 to 3 units of work (of longer ones 0 to 2); if a race is lost, with the first or the
  second one lost, too. What takes more than the zoo's (\`--defect fast-rw-l2\` shows with one operation and an event) is not looked for.
- On each vCPU of its machine. Lists and multicalls are left out; what they hold is run by itself.

What leads to a state that was reached before is not continued. A digest of all that a model can be asked tells states apart; after an operation of which models remember more (in an
interrupted call, a TLB, a vCPU that is down) each program counts as a state of its own. (Where the
zoo's has three operations, the same came out when every program was continued: 3,099,360 of them for \`no-progress\`.) Two optimized models run side by side, one with the mistake, and every invariant is asked after every
operation; what fails is run beside the reference model.

*Proved* is the length of the shortest program: no shorter one of these fails, and the zoo's does. In bold: shorter than the zoo's. "Or more": the time was up before all programs of
that length were run. Of the ${longer.length} defects below ${proved} are proved; ${single} more are shown by one operation, which nothing undercuts.

| defect | machine, frames × slots | zoo | proved | operations | programs | states | time |
| --- | --- | --- | --- | --- | --- | --- | --- |
${longer.map(row).join('\n')}
${shorter.map(({ id, shorter }) => `\nShorter than the zoo's, ${id}:\n\n\`\`\`\n${shorter}\n\`\`\`\n`).join('')}${
    missing.length === 0 ? '' : `\nNot run: ${missing.map(({ id }) => id).join(', ')}.\n`
  }`;
}

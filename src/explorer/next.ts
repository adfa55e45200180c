/** Operations that may come next, each with what both models answer and whether the invariants hold then. */
import { OptimizedModel } from '../../models/optimized/model.js';
import { INFO_PINNED } from '../../models/x86/page-type.js';
import { isValidatedTable } from '../../properties/frames.js';
import { type Court, trialsOf } from '../fuzz/trials.js';
import { drawOperation } from '../generate/operations.js';
import { Scene } from '../generate/scene.js';
import { stream } from '../generate/streams.js';
import { FIRST_FRAME_MFN } from '../program/machine.js';
import { RecordWriter } from '../program/writer.js';
import { operationStarts, RECORD } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { idOf } from '../shrink/identity.js';
import { candidateText } from '../shrink/text.js';
import { frameName } from '../text/naming.js';
import { parseProgram } from '../text/parse.js';
import { printOperation } from '../text/print.js';
import { printResult } from '../text/result.js';

export interface Next {
  /** One line of program text, without an answer. */
  readonly line: string;
  readonly answer: string;
  /** What is wrong after it, if anything is. */
  readonly failure: string | undefined;
}

export interface NextGroup {
  readonly title: string;
  readonly operations: readonly Next[];
}

/** Operations that the generator draws for this state. */
const DRAWN = 14;

export function nextOperations(program: Candidate, court: Court): NextGroup[] {
  const trials = trialsOf(court);
  const text = candidateText(program);
  const tried = (line: string): Next => {
    const longer = parseProgram(`${text}${line} -> ?\n`);
    // The same machine, so that the models are started once.
    const failure = trials.run({ machine: program.machine, code: longer.code });
    const at = operationStarts(longer.code).at(-1)!;
    const answer = failure?.kind === 'assertion' ? 'gave up' : printResult(trials.answers[at / RECORD]!);
    return { line, answer, failure: failure?.message };
  };
  return groupsOf(program, court).map(({ title, lines }) => ({
    title,
    operations: [...new Set(lines)].map(tried),
  }));
}

function groupsOf(program: Candidate, court: Court): { title: string; lines: string[] }[] {
  const { machine } = program;
  const model = stateAfter(program, court);
  const windows = Array.from({ length: machine.frames }, (_, i) => i);
  const frames = windows.map((i) => FIRST_FRAME_MFN + i);
  const name = (mfn: number) => frameName(mfn, machine);
  const tables = [...machine.start.tables.map(({ mfn }) => mfn), ...frames].filter(
    (mfn) => isValidatedTable(model.info(mfn)) && !name(mfn).startsWith('0x'),
  );
  const pinned = tables.filter((mfn) => (model.info(mfn) & INFO_PINNED) !== 0);
  const levels = machine.arch === 'x86_64' ? [1, 2, 3, 4] : [1, 2, 3];
  return [
    {
      title: 'Map a frame read-only, writable, not at all',
      lines: windows.flatMap((i) => [
        `update_va W${i} F${i}|P invlpg`,
        `update_va W${i} F${i}|P|RW invlpg`,
        `update_va W${i} 0 invlpg`,
      ]),
    },
    {
      title: 'Pin and unpin',
      lines: [
        ...frames.flatMap((mfn) => levels.map((level) => `pin L${level} ${name(mfn)}`)),
        ...pinned.map((mfn) => `unpin ${name(mfn)}`),
      ],
    },
    {
      title: 'Set an entry',
      lines: [...tables, ...frames].flatMap((table) => [
        ...[0, 1].flatMap((i) => [
          `mmu_update ${name(table)}[0] F${i}|P`,
          `mmu_update ${name(table)}[0] F${i}|P|RW`,
        ]),
        `mmu_update ${name(table)}[0] ${name(table)}|P`,
        `mmu_update ${name(table)}[0] ${name(table)}|P|RW`,
        `mmu_update ${name(table)}[0] 0`,
      ]),
    },
    {
      title: 'Base pointers',
      lines: tables.flatMap((mfn) => [`new_baseptr ${name(mfn)}`, `new_user_baseptr ${name(mfn)}`]),
    },
    { title: 'As the fuzzer draws them', lines: drawn(program, model) },
  ];
}

/** The model after the program, or where it gave up. */
function stateAfter({ machine, code }: Candidate, court: Court): OptimizedModel {
  const model = new OptimizedModel(court.defects);
  model.start(machine);
  const results = new Int32Array(code.length / RECORD);
  try {
    for (const at of operationStarts(code)) model.run(code, at, results);
  } catch {
    // What it would go on from is as good as any state.
  }
  return model;
}

/** The same for the same program. Lists take several lines and are left to the text field. */
function drawn(program: Candidate, model: OptimizedModel): string[] {
  const { machine } = program;
  const draw = stream(`explore ${idOf(program)}`);
  const writer = new RecordWriter();
  const scene = new Scene(draw, machine, model, writer);
  const lines: string[] = [];
  for (let i = 0; i < 4 * DRAWN && lines.length < DRAWN; i++) {
    writer.length = 0;
    drawOperation(scene);
    const line = printOperation(writer.code, 0, machine);
    if (!line.includes('\n') && !line.startsWith('fill')) lines.push(line);
  }
  return lines;
}

/** Looks for an operation after the program by whose answer a guest notices what is wrong. */
import { OptimizedModel } from '../../../models/optimized/model.js';
import { operationStarts, RECORD } from '../../program/record.js';
import type { Candidate } from '../../program/candidate.js';
import { candidateText } from '../../shrink/text.js';
import { parseProgram } from '../../text/parse.js';
import type { Story } from '../story.js';

/** Window that programs hardly use: its entry is zero at the start. */
const SPARE_WINDOW = 100;

/**
 * The program with one more operation, to which a Xen without the defect answers something else; nothing if
 * the program's own answers tell already, or no such operation is among those tried.
 */
export function probed(story: Story): Candidate | undefined {
  const { program, defects, steps } = story;
  if (defects.length === 0 || steps.some(({ rules }) => rules !== undefined)) return undefined;
  const text = candidateText(program);
  const [wrong, right] = [new OptimizedModel(story.court.defects), new OptimizedModel()];
  for (const line of probes(program)) {
    const longer = parseProgram(`${text}${line} -> ?\n`);
    if (lastAnswer(wrong, longer) !== lastAnswer(right, longer)) return longer;
  }
  return undefined;
}

function* probes({ machine }: Candidate): Generator<string> {
  const tables = machine.arch === 'x86_64' ? ['B1', 'B2', 'B3', 'B4'] : ['B1', 'B2', 'B3'];
  const frames = Array.from({ length: machine.frames }, (_, i) => `F${i}`);
  for (const frame of [...frames, ...tables]) yield `update_va W${SPARE_WINDOW} ${frame}|P|RW`;
  for (const frame of [...frames, ...tables])
    for (let level = tables.length; level > 0; level--) yield `pin L${level} ${frame}`;
  for (const frame of frames) yield `unpin ${frame}`;
  for (const frame of frames) yield `decrease_reservation ${frame}`;
  for (const frame of frames) for (const table of tables) yield `mmu_update ${table}[400] ${frame}|P`;
}

/** `gave up` where the model cannot go on. */
function lastAnswer(model: OptimizedModel, { machine, code }: Candidate): number | string {
  const results = new Int32Array(code.length / RECORD);
  const starts = operationStarts(code);
  try {
    model.start(machine);
    for (const at of starts) model.run(code, at, results);
  } catch {
    return 'gave up';
  }
  return results[starts.at(-1)! / RECORD]!;
}

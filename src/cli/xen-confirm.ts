import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type DefectId, defectsNamed } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { parseFind, type StoredFind } from '../database/find-text.js';
import { TextError } from '../text/error.js';
import type { LabAnswer, LabProgram } from '../xen/mailbox.js';
import { differences, Oracle } from '../xen/oracle.js';
import { buildName, type XenBuild } from '../xen/build.js';
import { whyNot } from '../xen/support.js';
import type { Farms } from './xen-farms.js';
import { messageLines } from './xen-run.js';

/** `pvmmu xen confirm`: one line for each find; exit status 1 if real Xen shows one of them. */
export async function confirmFinds(files: readonly string[], farms: Farms): Promise<void> {
  let shown = 0;
  for (const file of files) {
    const find = readFind(file);
    const { program } = find;
    const farm = await farms.of(program.machine.arch);
    const why = whyNot(program, farm.build);
    if (why !== undefined) throw new TextError(file, 0, 0, `real Xen cannot run this: the program ${why}`);
    const outcome = await farm.run({ ...program, marked: true });
    const name = nameOf(farm.build);
    if (outcome.kind !== 'answered') {
      shown++;
      console.log(
        `${find.id}: ${name} ${outcome.kind === 'crashed' ? 'crashes' : 'does not come back'} at operation ${outcome.operation + 1}`,
      );
      console.log(outcome.lines.slice(-PRINTED_LINES).join('\n'));
      continue;
    }
    const { shows, because } = verdict(find, outcome.answer);
    if (shows) shown++;
    console.log(`${find.id}: ${name} ${shows ? 'shows' : 'does not show'} it: ${because}`);
    for (const line of messageLines(outcome.answer.messages)) console.log(line);
  }
  process.exitCode = shown === 0 ? 0 : 1;
}

/** A crash with its registers and its stack. */
const PRINTED_LINES = 60;

export function nameOf({ version, debug }: XenBuild): string {
  return `Xen ${version}, ${buildName(debug)} build,`;
}

function readFind(file: string): StoredFind {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new TextError(file, 0, 0, 'cannot be read, expected a find');
  }
  return parseFind(text, basename(file, '.pvmmu'), file);
}

interface Verdict {
  readonly shows: boolean;
  readonly because: string;
}

/**
 * A find is a model with mistakes against one without, or a rule that does not hold in a model. Real Xen shows the
 * first if it does not answer as the reference model, the second if it answers as the model that was tested.
 */
function verdict({ program, kind, invariant, options }: StoredFind, answer: LabAnswer): Verdict {
  const { stopped, operations } = answer;
  if (stopped)
    return { shows: false, because: `operation ${operations + 1} cannot be run there (${stopped})` };
  const { code } = program;
  const shipped: LabProgram = { code, machine: { ...program.machine, quirks: 'shipped' } };
  const defects = new Set([...options.matchAll(/--defect (\S+)/g)].flatMap(([, id]) => idsOf(id!)));
  const reference = new Oracle(new ReferenceModel());
  const expected = reference.expect(shipped);
  const [other] = differences(shipped, expected, answer);
  if (kind === 'result' || kind === 'state') {
    return other
      ? {
          shows: true,
          because: `${other.what}: real Xen ${other.got}, the reference model ${other.expected}`,
        }
      : { shows: false, because: 'it answers and ends as the reference model does' };
  }
  if (invariant === 'lost-references' || expected.lost !== 0) {
    const shows = answer.lost !== 0;
    return { shows, because: shows ? 'a frame keeps a reference' : 'every frame can be used again' };
  }
  const tested = new Oracle(new OptimizedModel(defects));
  const [difference] = differences(shipped, tested.expect(shipped), answer);
  if (difference)
    return {
      shows: false,
      because: `${difference.what}: real Xen ${difference.got}, the model ${difference.expected}`,
    };
  return defects.size > 0 && !other
    ? { shows: false, because: 'it answers and ends as the reference model does' }
    : { shows: true, because: 'it answers and ends as the model that breaks the rule' };
}

function idsOf(word: string): DefectId[] {
  return defectsNamed(word).map(({ id }) => id);
}

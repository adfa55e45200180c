/** What earlier runs have kept, run again before anything new is drawn. */
import { FINDS_FOLDER, loadFinds, retireFind } from '../database/finds.js';
import type { StoredFind } from '../database/find-text.js';
import type { FuzzSettings } from '../fuzz/fuzzer.js';
import { courtText } from '../fuzz/trials.js';
import type { Failure } from '../lockstep/lockstep.js';
import type { Candidate } from '../program/candidate.js';

export interface Replayed {
  readonly find: StoredFind;
  /** Undefined if it fails no longer: then it has been moved aside. */
  readonly failure: Failure | undefined;
}

/**
 * The kept finds of runs that had the same options, in the order of their ids, judged once more.
 *
 * @throws TextError if the directory of finds cannot be read or written.
 */
export function* replayKept(
  settings: Pick<FuzzSettings, 'alone' | 'arches' | 'defects' | 'quirks'>,
  judge: (program: Candidate) => Failure | undefined,
): Generator<Replayed> {
  for (const find of loadFinds(FINDS_FOLDER)) {
    const { id, options, program } = find;
    if (options !== courtText(settings) || !settings.arches.includes(program.machine.arch)) continue;
    const failure = judge(program);
    if (!failure) retireFind(FINDS_FOLDER, id);
    yield { find, failure };
  }
}

export function retiredText(id: string): string {
  return `Find ${id} no longer fails: moved to ${FINDS_FOLDER}/fixed`;
}

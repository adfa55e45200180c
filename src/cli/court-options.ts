/** The options that decide what counts as a failure, the same for all commands that judge programs. */
import { InvalidArgumentError, Option } from 'commander';
import { type Defect, defectsNamed } from '../../models/defects/index.js';
import type { Court } from '../fuzz/trials.js';
import type { Arch } from '../program/machine.js';
import { CliCommand } from './command.js';

export interface CourtOptions {
  readonly quirks?: 'intended' | 'shipped';
  readonly defect?: readonly Defect[];
  readonly alone?: true;
}

export const ARCHES: readonly Arch[] = ['x86_64', 'x86_32'];

/** Adds the options that decide what counts as a failure. */
export function addCourtOptions(command: CliCommand): CliCommand {
  return command
    .addOption(
      new Option(
        '--quirks <which>',
        'shipped: Xen 4.17 with the references it loses, which are failures then; intended: without',
      )
        .choices(['intended', 'shipped'])
        .default('intended'),
    )
    .option(
      '--defect <id>',
      'a mistake that the optimized model makes: its id, or an advisory such as xsa-182; may be repeated',
      addDefects,
    )
    .option('--alone', 'without the reference model: the invariants alone judge');
}

/** Adds what one `--defect` names. */
export function addDefects(word: string, before: readonly Defect[] = []): readonly Defect[] {
  try {
    return [...before, ...defectsNamed(word)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

export function courtOf({ quirks = 'intended', defect = [], alone }: CourtOptions): Court {
  return {
    defects: new Set(defect.map(({ id }) => id)),
    alone: alone === true,
    quirks,
  };
}

/**
 * Architectures on which any of the defects can be made, or the one that was asked for.
 *
 * @throws InvalidArgumentError if none can be made on that one.
 */
export function archesFor({ defect = [] }: CourtOptions, arch: Arch | undefined): readonly Arch[] {
  const possible = ARCHES.filter(
    (one) => defect.length === 0 || defect.some(({ arches }) => arches.includes(one)),
  );
  if (arch === undefined) return possible;
  if (possible.includes(arch)) return [arch];
  const ids = defect.map(({ id }) => id).join(', ');
  throw new InvalidArgumentError(
    `defect ${ids} cannot be made on ${arch}, expected --arch ${possible.join(' or ')}`,
  );
}

/** The court that the words of a command line ask for, such as those that a kept find has. */
export function courtFromWords(words: string): Court {
  const command = addCourtOptions(new CliCommand('find')).exitOverride();
  return courtOf(command.parse(words.split(' ').filter(Boolean), { from: 'user' }).opts<CourtOptions>());
}

/** The table of commands: what can be asked of pvmmu. Help, suggestions, completion and the man page are made from it. */
import manifest from '../../package.json' with { type: 'json' };
import { bootCommand } from './boot.js';
import { campaignCommand } from './campaign.js';
import { CliCommand } from './command.js';
import { completionCommand } from './completion.js';
import { exploreCommand } from './explore.js';
import { fuzzCommand } from './fuzz.js';
import { importCommand } from './import.js';
import { manCommand } from './man.js';
import { reportCommand } from './report.js';
import { reduceCommand } from './reduce.js';
import { replayCommand } from './replay.js';
import { xenCommand } from './xen.js';
import { zooCommand } from './zoo.js';

export const program = new CliCommand('pvmmu')
  .description(
    'Checks the pagetable rules of Xen PV guests: two models in lockstep, and real recorded answers.',
  )
  .version(manifest.version)
  .example('half a minute of fuzzing', 'fuzz')
  .example('a first find, within a second', 'fuzz --defect xsa-182');

const COMMANDS = [
  bootCommand,
  campaignCommand,
  fuzzCommand,
  reduceCommand,
  reportCommand,
  exploreCommand,
  replayCommand,
  importCommand,
  xenCommand,
  zooCommand,
  completionCommand,
  manCommand,
];
for (const command of COMMANDS) program.addCommand(command);

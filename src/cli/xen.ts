/** `pvmmu xen`: the lab of `src/xen`, in which real Xen runs programs under QEMU. */
import { Argument, InvalidArgumentError, Option } from 'commander';
import { howToInstall, needs } from '../xen/installation.js';
import { CliCommand, wholeNumber } from './command.js';
import { addDefects, ARCHES } from './court-options.js';
import { confirmFinds } from './xen-confirm.js';
import { Farms, type XenCommandOptions } from './xen-farms.js';
import { fuzzXen } from './xen-fuzz.js';
import { recordPrograms, runPrograms } from './xen-run.js';

const ACTIONS = ['doctor', 'run', 'record', 'confirm', 'fuzz'] as const;
type Action = (typeof ACTIONS)[number];

const SECONDS_MAX = 31_536_000;
const LABS_MAX = 64;
const PROGRAMS_MAX = 2 ** 31;
/** Options that only some actions have. */
const ONLY: readonly (readonly [keyof XenCommandOptions, readonly Action[]])[] = [
  ['arch', ['fuzz']],
  ['seed', ['fuzz']],
  ['time', ['fuzz']],
  ['programs', ['fuzz']],
  ['defect', ['fuzz']],
  ['output', ['record']],
];

export const xenCommand = new CliCommand('xen')
  .description(
    'run programs on real Xen under QEMU: doctor says what is missing for that; run compares the answers with the ' +
      "texts' (and the models', where a text has none); record writes them down; confirm says whether real Xen shows a " +
      'find; fuzz holds Xen against both models',
  )
  .addArgument(new Argument('<action>', 'what to do').choices(ACTIONS))
  .addArgument(new Argument('[file...]', 'program texts for run, record and confirm'))
  .option('--xen <file>', 'image of Xen (default: the newest in /boot)')
  .option('--qemu <file>', 'QEMU (default: qemu-system-x86_64)')
  .option('--labs <count>', 'most QEMUs at once (default: one a processor)', wholeNumber('QEMUs', LABS_MAX))
  .addOption(new Option('--arch <arch>', 'fuzz: the architecture (default: x86_64)').choices(ARCHES))
  .option('--seed <seed>', 'fuzz: name of the random stream (default: a new one, printed)')
  .option('--time <seconds>', 'fuzz: how long (default: 30)', wholeNumber('seconds', SECONDS_MAX))
  .option('--programs <count>', 'fuzz: how many programs instead', wholeNumber('programs', PROGRAMS_MAX))
  .option(
    '--defect <id>',
    'fuzz: a mistake that the optimized model makes, by id or advisory; may be repeated',
    addDefects,
  )
  .option('-o, --output <file>', 'record: new file for the text (default: standard output)')
  .example('what is missing for the lab', 'xen doctor')
  .example('run a recording again', 'xen run vectors/xen-4.17-x86_64-a.pvmmu.gz')
  .example('whether real Xen shows a find', 'xen confirm .pvmmu/finds/253897a7-22ed.pvmmu')
  .example('fuzz real Xen for a minute', 'xen fuzz --time 60')
  .action(xen);

/**
 * Exit status 0 if all is equal, there or not shown; 1 otherwise; 130 after Ctrl-C.
 *
 * @throws InvalidArgumentError for options and files that do not go with the action; TextError if something is
 * missing or a file is malformed.
 */
async function xen(action: Action, files: string[], options: XenCommandOptions): Promise<void> {
  for (const [option, actions] of ONLY) {
    if (options[option] !== undefined && !actions.includes(action))
      throw new InvalidArgumentError(`--${option} goes with xen ${actions.join(', ')} only`);
  }
  const takesFiles = action !== 'doctor' && action !== 'fuzz';
  if (takesFiles !== files.length > 0)
    throw new InvalidArgumentError(
      takesFiles ? `missing files, expected xen ${action} FILE…` : `unexpected ${files[0]}, expected no file`,
    );
  if (action === 'doctor') return doctor(options);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const farms = new Farms(options, action !== 'fuzz');
  interruption.signal.addEventListener('abort', () => void (action === 'fuzz' || farms.close()));
  try {
    if (action === 'run') await runPrograms(files, farms);
    else if (action === 'record') await recordPrograms(files, options.output, farms);
    else if (action === 'confirm') await confirmFinds(files, farms);
    else await fuzzXen(await farms.of(options.arch ?? 'x86_64'), options, interruption.signal);
  } finally {
    await farms.close();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** `pvmmu xen doctor`. */
function doctor(options: XenCommandOptions): void {
  const all = needs(options);
  for (const { what, found } of all)
    console.log(`${found === undefined ? 'missing' : 'found  '}  ${what}${found ? `: ${found}` : ''}`);
  const install = howToInstall(all);
  if (install === undefined) console.log('All that `pvmmu xen` needs is there.');
  else console.log(`Get what is missing: ${install}`);
  process.exitCode = install === undefined ? 0 : 1;
}

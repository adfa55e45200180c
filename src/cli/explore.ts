import type { AddressInfo } from 'node:net';
import { InvalidArgumentError, Option } from 'commander';
import { explorerServer, LOOPBACK } from '../explorer/server.js';
import { TextError } from '../text/error.js';
import { CliCommand, wholeNumber } from './command.js';
import { addCourtOptions, ARCHES, courtOf } from './court-options.js';
import { type ExhaustiveOptions, exploreExhaustively } from './exhaustive.js';

export interface ExploreOptions extends ExhaustiveOptions {
  readonly serve?: true;
  readonly exhaustive?: true;
  readonly port?: number;
}

const PORT_DEFAULT = 4617;
const PORT_MAX = 65_535;
const FRAMES_MAX = 6;
const SLOTS_MAX = 4;
const JOBS_MAX = 256;
/** An array has no more words than such a table. */
const MEMORY_MAX = 2 ** 13;

export const exploreCommand = addCourtOptions(new CliCommand('explore'))
  .description(
    'try operations by hand in a browser, or all programs of a small scope: both models and the invariants after each',
  )
  .option('--serve', 'serve the explorer to browsers on this machine, until Ctrl-C')
  .option('--port <number>', `port of 127.0.0.1 (default: ${PORT_DEFAULT})`, wholeNumber('a port', PORT_MAX))
  .option('--exhaustive', 'run every program of a scope, shortest first, until one fails or all are done')
  .addOption(new Option('--arch <arch>', 'of the scope (default: x86_64)').choices(ARCHES))
  .option('--frames <count>', 'frames that operations name (default: 2)', wholeNumber('frames', FRAMES_MAX))
  .option(
    '--slots <count>',
    'slots of each frame that operations name (default: 1)',
    wholeNumber('slots', SLOTS_MAX),
  )
  .option('--boot-tables', 'operations name the boot tables too')
  .option(
    '--depth <operations>',
    'most operations of a program (default: any number)',
    wholeNumber('operations'),
  )
  .option('--jobs <count>', 'worker threads (default: one for each core)', wholeNumber('workers', JOBS_MAX))
  .option(
    '--memory <MiB>',
    'most memory for looking up states, which are on disk (default: 512)',
    wholeNumber('MiB', MEMORY_MAX),
  )
  .option('--no-symmetry', 'tell states apart that differ in the names of frames only')
  .option(
    '--no-reduction',
    'tell states apart by the contents of frames that are no table, too (always with --depth)',
  )
  .option('--json', 'the result as one JSON object')
  .example('all programs on two frames with one slot each', 'explore --exhaustive --frames 2 --slots 1')
  .example('the shortest program that shows XSA-182', 'explore --exhaustive --defect xsa-182')
  .example('click through Xen 4.17', 'explore --serve')
  .example('see XSA-182 happen', 'explore --serve --defect fast-rw-l2')
  .action(explore);

/**
 * `pvmmu explore`: runs until Ctrl-C, then exits with 0.
 *
 * @throws InvalidArgumentError if it is not said what to do; TextError if the port cannot be had.
 */
export async function explore(options: ExploreOptions): Promise<void> {
  if (options.exhaustive) return exploreExhaustively(options);
  if (!options.serve) throw new InvalidArgumentError('nothing to do, expected --serve or --exhaustive');
  const server = explorerServer(courtOf(options));
  await new Promise<void>((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) =>
      reject(new TextError(`port ${options.port ?? PORT_DEFAULT}`, 0, 0, `cannot listen (${error.code})`)),
    );
    server.listen(options.port ?? PORT_DEFAULT, LOOPBACK, () => {
      console.log(`Explorer: http://${LOOPBACK}:${(server.address() as AddressInfo).port}/ (Ctrl-C ends it)`);
    });
    process.once('SIGINT', () => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  });
}

import type { AddressInfo } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { explorerServer, LOOPBACK } from '../explorer/server.js';
import { TextError } from '../text/error.js';
import { CliCommand, wholeNumber } from './command.js';
import { addCourtOptions, courtOf, type CourtOptions } from './court-options.js';

export interface ExploreOptions extends CourtOptions {
  readonly serve?: true;
  readonly port?: number;
}

const PORT_DEFAULT = 4617;
const PORT_MAX = 65_535;

export const exploreCommand = addCourtOptions(new CliCommand('explore'))
  .description('try operations by hand in a browser: the state, both models and the invariants after each')
  .option('--serve', 'serve the explorer to browsers on this machine, until Ctrl-C')
  .option('--port <number>', `port of 127.0.0.1 (default: ${PORT_DEFAULT})`, wholeNumber('a port', PORT_MAX))
  .example('click through Xen 4.17', 'explore --serve')
  .example('see XSA-182 happen', 'explore --serve --defect fast-rw-l2')
  .action(explore);

/**
 * `pvmmu explore`: runs until Ctrl-C, then exits with 0.
 *
 * @throws InvalidArgumentError if it is not said what to do; TextError if the port cannot be had.
 */
export async function explore(options: ExploreOptions): Promise<void> {
  if (!options.serve) throw new InvalidArgumentError('nothing to do, expected --serve');
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

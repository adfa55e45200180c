/**
 * Boots random machines with every kernel on every architecture, in lockstep: how many are clean, and how long one takes.
 * `node dist/boots.js [MACHINES]`, 10,000 without a number.
 */
import '../src/engine.js';
import { KERNELS } from '../models/linux/kernels.js';
import { boot } from '../src/boot/boot.js';
import { machineOfRun } from '../src/boot/find.js';
import { Session } from '../src/boot/session.js';
import { numberOrExit } from './options.js';

const MACHINES = numberOrExit('boots', 'MACHINES', 10_000_000, 10_000);
const SEED = 'bench';

const session = new Session();
console.log('kernel     arch     machines   clean  operations/boot  ms/boot');
for (const family of KERNELS) {
  for (const arch of family.arches) {
    const guest = { family, defects: new Set<never>(), changes: {} };
    const begin = performance.now();
    let clean = 0;
    let operations = 0;
    for (let run = 0; run < MACHINES; run++) {
      const outcome = boot(session, guest, machineOfRun(SEED, run, arch));
      operations += session.operations;
      if (outcome === undefined) clean++;
      else if (family.broken !== arch) console.log(`  run ${run}: ${outcome.message}`);
    }
    const each = (performance.now() - begin) / MACHINES;
    const columns = [MACHINES, clean, Math.round(operations / MACHINES), each.toFixed(2)];
    const widths = [10, 8, 17, 9];
    const row = columns.map((column, i) => String(column).padStart(widths[i]!)).join('');
    console.log(`${family.id.padEnd(11)}${arch.padEnd(7)}${row}`);
  }
}

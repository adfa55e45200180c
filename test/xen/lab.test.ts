/** The lab itself, where QEMU and an image of Xen are installed (`npx pvmmu xen doctor`). */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { howToInstall, needs } from '../../src/xen/installation.js';
import { lastLine, pvmmu } from '../cli/run.js';

const VECTORS = resolve('vectors/xen-4.17-x86_64-a.pvmmu.gz');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pvmmu-lab-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** QEMUs whose files are in the folder. */
function qemus(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`-kernel\0${folder}`);
      } catch {
        return false; // gone in the meantime
      }
    })
    .map(Number);
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20);
}

describe.skipIf(howToInstall(needs({})) !== undefined)('real Xen', () => {
  test('answers as it was recorded, also where a QEMU is killed in between', async () => {
    let killed = 0;
    const run = await pvmmu(
      ['xen', 'run', VECTORS],
      (child) => {
        const kill = async () => {
          await until(() => qemus().length > 1);
          await sleep(500);
          for (const pid of qemus().slice(0, 1)) killed += process.kill(pid, 'SIGKILL') ? 1 : 0;
        };
        child.stdin!.end();
        void kill();
      },
      folder,
    );
    expect(run.err).toBe('');
    expect(lastLine(run.out)).toBe('xen: 5000 programs, 5000 equal; 102501 operations, 102501 equal');
    expect(killed).toBe(1);
    expect(run.status).toBe(0);
    expect(qemus()).toEqual([]);
  });

  test('leaves no process behind when pvmmu is killed', async () => {
    const child = spawn(process.execPath, [resolve('dist/cli.js'), 'xen', 'fuzz', '--time', '60'], {
      cwd: folder,
    });
    await until(() => qemus().length > 0);
    child.kill('SIGKILL');
    await until(() => qemus().length === 0);
  });

  test('disagrees with a model that makes a mistake of its history, which is shrunk, kept and confirmed not to be its own', async () => {
    const { status, out } = await pvmmu(
      ['xen', 'fuzz', '--defect', 'xsa-182', '--seed', 'lab', '--programs', '600'],
      undefined,
      folder,
    );
    expect(status).toBe(1);
    expect(out).toContain('real Xen answers EINVAL, the optimized model ok');
    const saved = /^Saved: (\S+)$/m.exec(out)![1]!;
    const confirmed = await pvmmu(['xen', 'confirm', saved], undefined, folder);
    expect(confirmed.out).toMatch(/ does not show it: it answers and ends as the reference model does\n$/);
    expect(confirmed.status).toBe(0);
  });

  test('fills in what a text does not say', async () => {
    const text = `pvmmu 1

program new
machine x86_64 frames=2 domain=hardware
update_va W1 F1|P -> ?
mmuext_op_list
  pin L1 F1
  pin L1 F0
  unpin F1
end -> ?
`;
    writeFileSync(join(folder, 'new.pvmmu'), text);
    const { status, out } = await pvmmu(['xen', 'record', 'new.pvmmu'], undefined, folder);
    expect(status).toBe(0);
    expect(out).toContain('end -> EINVAL done=1\n');
    expect(out).toContain('final F1 L1 pinned\n');
  });
});

test('the lab’s commands refuse options and files that do not go with them', async () => {
  for (const [args, said] of [
    [['xen', 'run'], 'error: missing files, expected xen run FILE…\n'],
    [['xen', 'fuzz', 'x'], 'error: unexpected x, expected no file\n'],
    [['xen', 'run', '--seed', 'x', 'y'], 'error: --seed goes with xen fuzz only\n'],
  ] as const) {
    const { status, err } = await pvmmu(args);
    expect(err).toBe(said);
    expect(status).toBe(2);
  }
});

/** Gives each run of the tests a folder of its own for temporary files, which goes when they end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function ownFolder(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'pvmmu-test-'));
  process.env['TMPDIR'] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

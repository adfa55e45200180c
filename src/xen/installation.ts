/** What the lab needs from the machine it runs on: QEMU, an image of Xen, and the tools that build the lab's kernel. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Arch } from '../program/machine.js';
import { TextError } from '../text/error.js';
import { type Exchanges, findExchanges } from './exchanges.js';
import { HEAD_BYTES, MAGIC, MODULE_BYTES, VERSION } from './mailbox.js';

export interface XenOptions {
  /** Image of Xen, gzipped or not; without it Debian's. */
  readonly xen?: string;
  readonly qemu?: string;
}

/** Files to boot: all are there. */
export interface BootFiles {
  readonly qemu: string;
  readonly xen: string;
  readonly kernel: string;
  readonly module: string;
  /** Where Xen takes and drops types, as far as the image shows it. */
  readonly exchanges: Exchanges | undefined;
}

export interface Need {
  readonly what: string;
  readonly found: string | undefined;
  /** Debian package that brings it. */
  readonly package: string;
}

const QEMU = 'qemu-system-x86_64';
const BOOT = '/boot';
const IMAGE = /^xen-(\d+(?:\.\d+)*)[\w.-]*\.gz$/;
/** Where the kernel is built and images are unpacked; nothing in it is worth keeping. */
const BUILD_FOLDER = join('.pvmmu', 'lab');
const GZIP = [0x1f, 0x8b];
const DEBIAN_XEN: Record<string, string> = { 12: '4.17', 13: '4.20' };

/** All that is needed, with where it was found. */
export function needs(options: XenOptions): Need[] {
  const tool = (name: string, debian: string): Need => ({ what: name, found: inPath(name), package: debian });
  return [
    tool(options.qemu ?? QEMU, 'qemu-system-x86'),
    { what: 'an image of Xen', found: xenImage(options), package: `xen-hypervisor-${debianXen()}-amd64` },
    tool('gcc', 'gcc'),
    tool('ld', 'binutils'),
    tool('make', 'make'),
    tool('setpriv', 'util-linux'),
  ];
}

/** The one line that brings what is missing; undefined if nothing is. */
export function howToInstall(all: readonly Need[]): string | undefined {
  const missing = [...new Set(all.filter(({ found }) => found === undefined).map((need) => need.package))];
  if (missing.length === 0) return undefined;
  const root = process.getuid?.() === 0 ? '' : 'sudo ';
  return `${root}apt-get update && ${root}apt-get install -y --no-install-recommends ${missing.join(' ')}`;
}

/**
 * Builds and unpacks what a lab boots from.
 *
 * @throws TextError if something is missing or the kernel cannot be built.
 */
export function bootFiles(arch: Arch, options: XenOptions): BootFiles {
  const all = needs(options);
  const install = howToInstall(all);
  if (install !== undefined) {
    const missing = all.filter(({ found }) => found === undefined).map(({ what }) => what);
    throw new TextError('xen', 0, 0, `missing: ${missing.join(', ')}; get it with: ${install}`);
  }
  const folder = resolve(BUILD_FOLDER);
  mkdirSync(folder, { recursive: true });
  const xen = unpacked(all[1]!.found!, folder);
  return {
    qemu: options.qemu ?? QEMU,
    xen,
    exchanges: findExchanges(xen),
    kernel: builtKernel(arch, folder),
    module: emptyModule(folder),
  };
}

function inPath(name: string): string | undefined {
  if (name.includes('/')) return existsSync(name) ? name : undefined;
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function xenImage({ xen }: XenOptions): string | undefined {
  if (xen !== undefined) return existsSync(xen) ? xen : undefined;
  if (!existsSync(BOOT)) return undefined;
  const newest = readdirSync(BOOT)
    .filter((name) => IMAGE.test(name))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0];
  return newest && join(BOOT, newest);
}

function debianXen(): string {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return DEBIAN_XEN[/^VERSION_ID="?(\d+)/m.exec(release)?.[1] ?? ''] ?? '4.17';
}

/** QEMU takes an image that is not compressed. */
function unpacked(image: string, folder: string): string {
  const bytes = readFileSync(image);
  if (!GZIP.every((byte, i) => bytes[i] === byte)) return resolve(image);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  const path = join(folder, `${basename(image, '.gz')}-${hash}`);
  if (!existsSync(path)) writeWhole(path, gunzipSync(bytes));
  return path;
}

/** The boot module as it is before the first batch. */
function emptyModule(folder: string): string {
  const path = join(folder, `module-${VERSION}`);
  if (existsSync(path)) return path;
  const bytes = Buffer.alloc(MODULE_BYTES);
  Buffer.from(Int32Array.of(MAGIC, VERSION).buffer).copy(bytes, 0, 0, HEAD_BYTES);
  writeWhole(path, bytes);
  return path;
}

/** Other runs may look at the file at any time. */
function writeWhole(path: string, bytes: Buffer): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, bytes);
  renameSync(temporary, path);
}

function builtKernel(arch: Arch, folder: string): string {
  const kernel = join(folder, `lab-${arch}`);
  const words = ['-s', '-C', labSources(), `BUILD=${folder}`, kernel];
  const { status, stderr } = spawnSync('make', words, { encoding: 'utf8' });
  if (status === 0) return kernel;
  const why = stderr.split('\n').find((line) => /error|\*\*\*/.test(line)) ?? stderr.trim();
  throw new TextError('lab', 0, 0, `the kernel cannot be built: ${why}`);
}

/** Beside the sources, or beside the folder of the built command. */
function labSources(): string {
  for (const up of ['../lab', '../../lab']) {
    const folder = fileURLToPath(new URL(up, import.meta.url));
    if (existsSync(join(folder, 'Makefile'))) return folder;
  }
  throw new TextError('lab', 0, 0, 'the sources of the kernel are not there');
}

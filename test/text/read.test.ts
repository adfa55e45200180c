import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TextError } from '../../src/text/error.js';
import { MAX_LINE } from '../../src/text/lines.js';
import { explained, readProgramText } from '../../src/text/read.js';
import { STANDARD_64 } from './refusal.js';

const TEXT = `${STANDARD_64}${'pin L1 F1 -> ok\n'.repeat(20_000)}`;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pvmmu-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Reads a file of these bytes and gives the number of operations. */
async function read(name: string, bytes: string | Uint8Array): Promise<number> {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  let operations = 0;
  await readProgramText(path, {
    begin: () => {},
    operation: () => operations++,
    final: () => {},
    end: () => {},
  });
  return operations;
}

/** The error's message, with the file's name instead of its path. */
async function refused(name: string, bytes: string | Uint8Array): Promise<string> {
  const error: unknown = await read(name, bytes).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TextError);
  return (error as TextError).message.replace(`${folder}/`, '');
}

function damaged(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 0xff;
  return copy;
}

describe('readProgramText', () => {
  it('reads plain and gzipped files by what is in them', async () => {
    expect(await read('plain.pvmmu', TEXT)).toBe(20_000);
    expect(await read('zipped.pvmmu.gz', gzipSync(TEXT))).toBe(20_000);
    expect(await read('zipped.pvmmu', gzipSync(TEXT))).toBe(20_000);
  });

  it('reads gzip files that were joined', async () => {
    expect(await read('joined.gz', Buffer.concat([gzipSync(TEXT), gzipSync(TEXT)]))).toBe(40_000);
  });

  it('names line and column of what it refuses', async () => {
    expect(await refused('bad.pvmmu', `${TEXT}pin L1\n`)).toBe(
      'bad.pvmmu:20004:7: the line ends, expected a frame',
    );
    expect(await refused('bad.gz', gzipSync(`${TEXT}pin L1\n`))).toBe(
      'bad.gz:20004:7: the line ends, expected a frame',
    );
  });

  it('refuses an empty file', async () => {
    expect(await refused('empty.pvmmu', '')).toBe('empty.pvmmu: the file is empty, expected program text');
  });

  it('refuses a plain file with the name of a gzip file', async () => {
    expect(await refused('plain.gz', TEXT)).toBe('plain.gz: not a gzip file, expected one by its name');
  });

  it('refuses a truncated gzip file after the last line that is there', async () => {
    const zipped = gzipSync(TEXT);
    expect(await refused('cut.gz', zipped.subarray(0, zipped.length - 4))).toBe(
      'cut.gz:20003:1: not a complete gzip file: the compressed data ends early; this is the last line read',
    );
    expect(await refused('cut.gz', zipped.subarray(0, 12))).toBe(
      'cut.gz: not a complete gzip file: the compressed data ends early',
    );
  });

  it('refuses a damaged gzip file', async () => {
    const zipped = gzipSync(STANDARD_64);
    expect(await refused('damaged.gz', damaged(zipped, zipped.length - 6))).toBe(
      'damaged.gz: not a complete gzip file: the compressed data is damaged (incorrect data check)',
    );
    expect(await refused('damaged.gz', damaged(zipped, 2))).toBe(
      'damaged.gz: not a complete gzip file: the compressed data is damaged (unknown compression method)',
    );
  });

  it('refuses an endless line early, compressed or not', async () => {
    const endless = Buffer.alloc(MAX_LINE * 4, 'x');
    const message = ':1:1048577: the line goes on, expected at most 1 MiB in a line';
    expect(await refused('endless.pvmmu', endless)).toBe(`endless.pvmmu${message}`);
    expect(await refused('endless.gz', gzipSync(endless))).toBe(`endless.gz${message}`);
  });

  it.each([
    ['binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46]), ':1:1: control character \\x7f, expected text'],
    ['nul', Buffer.from('pvmmu\0 1\n'), ':1:6: control character \\x00, expected text'],
    ['latin1', Buffer.from('pvmmu 1\n# caf\xe9 au lait\n', 'latin1'), ':2:6: invalid UTF-8, expected text'],
  ])('refuses a file that is no text: %s', async (name, bytes, message) => {
    expect(await refused(name, bytes)).toBe(name + message);
  });

  it('refuses a directory and a file that is not there', async () => {
    const handler = { begin: () => {}, operation: () => {}, final: () => {}, end: () => {} };
    await expect(readProgramText(folder, handler)).rejects.toThrow(
      `${folder}: this is a directory, expected a file`,
    );
    const missing = join(folder, 'missing');
    await expect(readProgramText(missing, handler)).rejects.toThrow(`${missing}: no such file`);
  });

  it.each(['stop.pvmmu', 'stop.gz'])('stops with the error that its handler throws, in %s', async (name) => {
    const path = join(folder, name);
    writeFileSync(path, name.endsWith('.gz') ? gzipSync(TEXT) : TEXT);
    let operations = 0;
    const operation = () => {
      if (++operations === 10) throw new RangeError('enough');
    };
    await expect(
      readProgramText(path, { begin: () => {}, operation, final: () => {}, end: () => {} }),
    ).rejects.toThrow(new RangeError('enough'));
    expect(operations).toBe(10);
  });
});

describe('explained', () => {
  const fileError = (code: string) => Object.assign(new Error('raw'), { code, syscall: 'open' });

  it.each([
    ['EACCES', 'f: no permission to read the file'],
    ['EIO', 'f: cannot read the file (EIO)'],
  ])('says what %s means', (code, message) => {
    expect(explained(fileError(code), 'f', 3)).toStrictEqual(new TextError('f', 0, 0, message.slice(3)));
  });

  it('leaves other errors alone', () => {
    const errors = [
      new Error('x'),
      new TextError('f', 1, 1, 'x'),
      Object.assign(new Error('x'), { code: 'ERR_X' }),
      'x',
    ];
    for (const error of errors) expect(explained(error, 'f', 3)).toBe(error);
  });
});

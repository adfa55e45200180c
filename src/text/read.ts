import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import { TextError } from './error.js';
import { LineSplitter, type LineTaker } from './lines.js';
import { ProgramReader, type ProgramHandler } from './program-reader.js';

const CHUNK = 2 ** 18;
const GZIP_MAGIC = [0x1f, 0x8b];
const STDIN = '-';

/**
 * Reads the programs of a file, plain or gzipped, or of standard input (`-`), in constant memory however long
 * the file and its programs are.
 *
 * @throws TextError if the file cannot be read or its text is malformed; and whatever the handler throws.
 */
export async function readProgramText(path: string, handler: ProgramHandler): Promise<void> {
  const reader = new ProgramReader(path === STDIN ? 'standard input' : path, handler);
  const lines = await readLines(path, 'program text', (bytes, start, end, line) =>
    reader.line(bytes, start, end, line),
  );
  reader.finish(lines);
}

/**
 * Hands on the lines of a file, plain or gzipped, or of standard input (`-`); gives how many there are. `what` is
 * expected of it.
 *
 * @throws TextError if the file cannot be read or is empty; and whatever `take` throws.
 */
export async function readLines(path: string, what: string, take: LineTaker): Promise<number> {
  const file = path === STDIN ? 'standard input' : path;
  const lines = new LineSplitter(file, take);
  const source = path === STDIN ? process.stdin : createReadStream(path, { highWaterMark: CHUNK });
  try {
    await readChunks(file, what, source, (chunk) => lines.push(chunk));
  } catch (error) {
    throw explained(error, file, lines.lines);
  } finally {
    source.destroy();
  }
  lines.finish();
  return lines.lines;
}

/** Hands over all chunks, decompressed where the file is gzipped. */
async function readChunks(
  file: string,
  what: string,
  source: AsyncIterable<Buffer>,
  take: (chunk: Buffer) => void,
): Promise<void> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await firstBytes(chunks);
  if (first.length === 0) throw new TextError(file, 0, 0, `the file is empty, expected ${what}`);
  const all = joined(first, chunks);
  const gzipped = GZIP_MAGIC.every((byte, i) => first[i] === byte);
  if (!gzipped && file.endsWith('.gz'))
    throw new TextError(file, 0, 0, 'not a gzip file, expected one by its name');
  const consume = async (part: AsyncIterable<Buffer>) => {
    for await (const chunk of part) take(chunk);
  };
  if (gzipped) await pipeline(all, createGunzip({ chunkSize: CHUNK }), consume);
  else await consume(all);
}

/** At least two bytes, if there are as many: enough to tell a gzip file. */
async function firstBytes(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  let first = Buffer.alloc(0);
  while (first.length < GZIP_MAGIC.length) {
    const { done, value } = await chunks.next();
    if (done) break;
    first = Buffer.concat([first, value]);
  }
  return first;
}

async function* joined(first: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first;
    for (;;) {
      const { done, value } = await chunks.next();
      if (done) return;
      yield value;
    }
  } finally {
    // Closes the file where the reading ends early.
    await chunks.return?.();
  }
}

const FILE_ERRORS = new Map([
  ['ENOENT', 'no such file'],
  ['EACCES', 'no permission to read the file'],
  ['EPERM', 'no permission to read the file'],
  ['EISDIR', 'this is a directory, expected a file'],
]);

/** The error as the user should see it: errors of the file and of its compression become TextErrors. */
export function explained(error: unknown, file: string, lines: number): unknown {
  if (!(error instanceof Error) || error instanceof TextError || !('code' in error)) return error;
  const code = String(error.code);
  if (code.startsWith('Z_')) {
    const damage = code === 'Z_BUF_ERROR' ? 'ends early' : `is damaged (${error.message})`;
    const good = lines > 0 ? '; this is the last line read' : '';
    return new TextError(file, lines, 1, `not a complete gzip file: the compressed data ${damage}${good}`);
  }
  if ('syscall' in error)
    return new TextError(file, 0, 0, FILE_ERRORS.get(code) ?? `cannot read the file (${code})`);
  return error;
}

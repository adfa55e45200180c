import { describe, expect, it } from 'vitest';
import { fc } from '../../src/fastcheck/index.js';
import { LineSplitter, MAX_LINE } from '../../src/text/lines.js';

/** Lines with their numbers, of a text that comes in these chunks. */
function split(...chunks: Buffer[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter('f', (bytes, start, end, line) => {
    lines.push(`${line} ${Buffer.from(bytes.subarray(start, end)).toString('latin1')}`);
  });
  for (const chunk of chunks) splitter.push(chunk);
  splitter.finish();
  return lines;
}

describe('LineSplitter', () => {
  it('hands on each line with its number, the last one without a newline too', () => {
    expect(split(Buffer.from('a\n\nbc\nd'))).toStrictEqual(['1 a', '2 ', '3 bc', '4 d']);
  });

  it('gives the same lines wherever the chunks begin', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 60 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(60), { maxLength: 8 }), (whole, cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), whole.length];
        const chunks = places.slice(1).map((place, i) => Buffer.from(whole.slice(places[i], place)));
        expect(split(...chunks)).toStrictEqual(split(Buffer.from(whole)));
      }),
      { seed: 20_260_304, numRuns: 200 },
    );
  });

  it('takes a line of 1 MiB and refuses a longer one before it ends', () => {
    const longest = Buffer.alloc(MAX_LINE, 'x');
    expect(split(Buffer.from('a\n'), longest)[1]).toHaveLength(MAX_LINE + 2);
    const message = 'f:2:1048577: the line goes on, expected at most 1 MiB in a line';
    expect(() => split(Buffer.from('a\n'), longest, Buffer.from('x'))).toThrow(message);
    expect(() => split(Buffer.concat([Buffer.from('a\n'), longest, Buffer.from('x\n')]))).toThrow(message);
  });

  it('leaves a byte order mark out at the beginning only', () => {
    const mark = Buffer.from([0xef, 0xbb, 0xbf]);
    expect(split(mark, Buffer.from('a\n'), mark)).toStrictEqual(['1 a', '2 ï»¿']);
  });
});

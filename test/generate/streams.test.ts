import seedrandom from 'seedrandom';
import { expect, test } from 'vitest';
import { stream } from '../../src/generate/streams.js';

test.each(['', 'a', 'x86_64 spring.17', 'Straße'])(
  'the stream "%s" chooses as alea of seedrandom does',
  (name) => {
    const random = seedrandom.alea(name);
    const draw = stream(name);
    for (let i = 0; i < 1000; i++) {
      const limit = 1 + (i % 1000);
      const expected = Math.floor(((random.int32() >>> 0) / 0x1_0000_0000) * limit);
      expect(draw.below(limit)).toBe(expected);
    }
  },
);

import { expect, test } from 'vitest';
import { classOf } from '../../src/fuzz/class.js';
import { parseProgram } from '../../src/text/parse.js';

const PIN = 'pin L1 F1 -> ?';

test.each([
  ['S', [PIN, 'resume -> ?']],
  ['S+T', [PIN, 'touch W1 -> ?']],
  ['S+T', ['store.cached W1[0] 0 -> ?']],
  ['P1', ['touch W1 -> ?', 'pin L2 F1 preempt=0 -> ?']],
  ['P2', [PIN, 'cpu1: pin L2 F1 preempt=0 -> ?']],
  ['S', ['cpu1: pin L2 F1 -> ?', 'cpu1: unpin F1 -> ?']],
  ['K', ['cpu1: pin L2 F1 contend=0 -> ?', 'unpin F1 preempt=3 -> ?']],
] as const)('a program is of class %s with %j', (expected, operations) => {
  const text = `pvmmu 1\nprogram p\nmachine x86_64 frames=8 vcpus=2\n${operations.join('\n')}\n`;
  expect(classOf(parseProgram(text))).toBe(expected);
});

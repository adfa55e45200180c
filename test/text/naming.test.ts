import { describe, expect, it } from 'vitest';
import type { Naming } from '../../src/text/naming.js';
import { frameName, windowOf } from '../../src/text/naming.js';
import { PROGRAM, refusal, STANDARD_32, STANDARD_64 } from './refusal.js';

const LAYOUT_64: Naming = { arch: 'x86_64', frames: 8 };
const LAYOUT_32: Naming = { arch: 'x86_32', frames: 8 };
const SPELLED_OUT: Naming = { arch: 'x86_64', frames: 0 };

describe('frameName', () => {
  it.each([
    [0x200, LAYOUT_64, 'F0'],
    [0x207, LAYOUT_64, 'F7'],
    [0x208, LAYOUT_64, '0x208'],
    [0x1ff, LAYOUT_64, '0x1ff'],
    [0x101, LAYOUT_64, 'B1'],
    [0x104, LAYOUT_64, 'B4'],
    [0x104, LAYOUT_32, '0x104'],
    [0x105, LAYOUT_64, '0x105'],
    [0x105, LAYOUT_32, 'K0'],
    [0x107, LAYOUT_32, 'K3'],
    [0xffffffff, LAYOUT_64, 'BAD'],
    [0xfffff, LAYOUT_64, '0xfffff'],
    [0xfffff, LAYOUT_32, 'BAD'],
    [0, LAYOUT_64, '0x0'],
    [0x200, SPELLED_OUT, '0x200'],
    [0xffffffff, SPELLED_OUT, '0xffffffff'],
  ])('calls frame %i with %o %s', (mfn, naming, name) => {
    expect(frameName(mfn, naming)).toBe(name);
  });
});

describe('windowOf', () => {
  it.each([
    [{ low: 0x80200000 | 0, high: -1 }, LAYOUT_64, 0],
    [{ low: 0x803fffff | 0, high: -1 }, LAYOUT_64, 511],
    [{ low: 0x80400000 | 0, high: -1 }, LAYOUT_64, -1],
    [{ low: 0x801fffff | 0, high: -1 }, LAYOUT_64, -1],
    [{ low: 0x80200000 | 0, high: 0 }, LAYOUT_64, -1],
    [{ low: 0xc0201008 | 0, high: 0 }, LAYOUT_32, 1],
    [{ low: 0x80200000 | 0, high: -1 }, SPELLED_OUT, -1],
  ])('finds %o with %o in window %i', (va, naming, window) => {
    expect(windowOf(va, naming)).toBe(window);
  });
});

const FRAMES_64 = 'expected F0 to F7, B1, B2, B3, B4, BAD or 0x1a2b';

describe('a frame in the text', () => {
  it.each([
    ['F8', `f:4:7: unknown frame "F8", ${FRAMES_64}`],
    ['F01', `f:4:7: unknown frame "F01", ${FRAMES_64}`],
    ['F', `f:4:7: unknown frame "F", ${FRAMES_64}`],
    ['F1x', `f:4:7: unknown frame "F1x", ${FRAMES_64}`],
    ['F9999999999', `f:4:7: unknown frame "F9999999999", ${FRAMES_64}`],
    ['K0', `f:4:7: unknown frame "K0", ${FRAMES_64}`],
    ['12', `f:4:7: unknown frame "12", ${FRAMES_64}`],
    ['00', `f:4:7: unknown frame "00", ${FRAMES_64}`],
    ['[1]', `f:4:7: unexpected "[1]", ${FRAMES_64}`],
    ['0x', `f:4:7: "0x" is not a number, expected a frame number`],
    ['0xfg', `f:4:7: "0xfg" is not a number, expected a frame number`],
    ['0x100000000', `f:4:7: "0x100000000" is too large, expected a frame number up to 0xffffffff`],
    [
      `0x${'f'.repeat(400)}`,
      `f:4:7: "0x${'f'.repeat(38)}…" is too large, expected a frame number up to 0xffffffff`,
    ],
    ['\u202eF1', `f:4:7: unexpected "\\u{202e}F1", ${FRAMES_64}`],
  ])('is refused when it is %s', (frame, message) => {
    expect(refusal(`${STANDARD_64}unpin ${frame} -> ok`)).toBe(message);
  });

  it('has the names of its architecture only', () => {
    expect(refusal(`${STANDARD_32}unpin B4 -> ok`)).toBe(
      'f:4:7: unknown frame "B4", expected F0 to F7, B1, B2, B3, K0, K2, K3, BAD or 0x1a2b',
    );
  });

  it('has the one name of a machine with one frame', () => {
    expect(refusal(`${PROGRAM}machine x86_64 frames=1\nunpin F1 -> ok`)).toBe(
      'f:4:7: unknown frame "F1", expected F0, B1, B2, B3, B4, BAD or 0x1a2b',
    );
  });

  it('has no name where the start state is spelled out', () => {
    expect(refusal(`${PROGRAM}machine x86_64\nbase B4`)).toBe(
      'f:4:6: unknown frame "B4", expected a frame number as 0x1a2b (names need a machine with frames=)',
    );
  });

  it.each(['F0', 'F7', 'BAD', '0', '0x0', '0xFFFFFFFF', '0x1a2b'])('is accepted when it is %s', (frame) => {
    expect(refusal(`${STANDARD_64}unpin ${frame} -> ok`)).toBe('accepted');
  });
});

describe('a window in the text', () => {
  it.each([
    ['W512', 'f:4:11: unknown window "W512", expected W0 to W511'],
    ['W', 'f:4:11: unknown window "W", expected W0 to W511'],
    ['W1[2]', 'f:4:13: unexpected "[2]", expected a blank'],
  ])('is refused when it is %s', (window, message) => {
    expect(refusal(`${STANDARD_64}update_va ${window} 0 -> ok`)).toBe(message);
  });

  it('is refused where the start state is spelled out', () => {
    const text = `${PROGRAM}machine x86_64\nram 0x2+0x1\ntable L4 0x2 pinned\nbase 0x2\nupdate_va W1 0 -> ok`;
    expect(refusal(text)).toBe(
      'f:7:11: unknown window "W1", expected an address as 0x1a2b000 (windows need a machine with frames=)',
    );
  });
});

import { describe, expect, it } from 'vitest';
import { fc } from '../../src/fastcheck/index.js';
import { standardMachines } from '../../src/fastcheck/machines.js';
import { printMachineLine } from '../../src/text/machine-line.js';
import { parseProgram } from '../../src/text/parse.js';
import { PROGRAM, refusal } from './refusal.js';

const KEYS = 'frames=, domain=, assists=, pae_xen_slot=, build=, quirks=, vcpus= or linear=';

describe('the machine line', () => {
  it('means an ordinary domain on a release build where it says nothing else', () => {
    expect(parseProgram(`${PROGRAM}machine x86_32 frames=2`).machine).toMatchObject({
      arch: 'x86_32',
      frames: 2,
      hardwareDomain: false,
      writablePagetables: false,
      paeXenSlot: 428,
      debugBuild: false,
      quirks: 'shipped',
      vcpus: 1,
      linear: true,
    });
  });

  it.each([
    'machine x86_32 frames=512 domain=hardware assists=writable_pagetables pae_xen_slot=510 build=debug quirks=intended',
    'machine x86_64 frames=1 build=debug',
    'machine x86_64 frames=1 quirks=intended vcpus=4 linear=off',
    'machine x86_32 frames=1 linear=off',
    'machine x86_64 frames=8 domain=hardware assists=writable_pagetables',
  ])('is printed as it was: %s', (line) => {
    expect(printMachineLine(parseProgram(PROGRAM + line).machine)).toBe(line);
  });

  it('leaves out what is default', () => {
    const { machine } = parseProgram(
      `${PROGRAM}machine x86_32 pae_xen_slot=428 domain=guest vcpus=1 frames=8`,
    );
    expect(printMachineLine(machine)).toBe('machine x86_32 frames=8');
  });

  it('gives every machine back', () => {
    fc.assert(
      fc.property(standardMachines(), (machine) => {
        expect(parseProgram(PROGRAM + printMachineLine(machine)).machine).toStrictEqual(machine);
      }),
      { seed: 20_260_303, numRuns: 50 },
    );
  });

  it.each([
    ['', 'f:3:8: the line ends, expected x86_64 or x86_32'],
    [' x86', 'f:3:9: unknown architecture "x86", expected x86_64 or x86_32'],
    [' x86_64 frames=0', 'f:3:23: "0" is too small, expected a number of frames from 1'],
    [' x86_64 frames=513', 'f:3:23: "513" is too large, expected a number of frames up to 512'],
    [' x86_64 frames=8 frames=9', 'f:3:25: key "frames" given twice, expected it once'],
    [' x86_64 fames=8', 'f:3:16: unknown key "fames", expected perhaps frames='],
    [' x86_64 colour=8', `f:3:16: unknown key "colour", expected ${KEYS}`],
    [' x86_64 =8', `f:3:16: unexpected "=8", expected ${KEYS}`],
    [' x86_64 frames', 'f:3:16: unexpected "frames", expected frames='],
    [' x86_64 frames=', 'f:3:23: the line ends, expected a number of frames'],
    [' x86_64 frames=8x', 'f:3:23: "8x" is not a number, expected a number of frames'],
    [' x86_64 frames=8,domain=guest', 'f:3:24: unexpected ",domain=guest", expected a blank'],
    [' x86_64 domain=dom0', 'f:3:23: unknown value "dom0", expected hardware or guest'],
    [' x86_64 domain=', 'f:3:23: the line ends, expected hardware or guest'],
    [' x86_64 assists=none', 'f:3:24: unknown value "none", expected writable_pagetables'],
    [' x86_64 pae_xen_slot=428', 'f:3:29: pae_xen_slot on x86_64, expected it on x86_32 only'],
    [' x86_32 pae_xen_slot=3', 'f:3:29: "3" is too small, expected a slot from 4'],
    [' x86_32 pae_xen_slot=512', 'f:3:29: "512" is too large, expected a slot up to 511'],
    [' x86_64 build=release', 'f:3:22: unknown value "release", expected debug'],
    [' x86_64 vcpus=0', 'f:3:22: "0" is too small, expected a number of vCPUs from 1'],
    [' x86_64 vcpus=5', 'f:3:22: "5" is too large, expected a number of vCPUs up to 4'],
    [' x86_64 vcpus', 'f:3:16: unexpected "vcpus", expected vcpus='],
    [' x86_64 linear=on', 'f:3:23: unknown value "on", expected off'],
    [' x86_64 linear=off linear=off', 'f:3:27: key "linear" given twice, expected it once'],
    [' x86_64 quirks=shipped', 'f:3:23: unknown value "shipped", expected intended'],
  ])('is refused when it goes on with %j', (rest, message) => {
    expect(refusal(`${PROGRAM}machine${rest}`)).toBe(message);
  });
});

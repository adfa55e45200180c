import { describe, expect, test } from 'vitest';
import { type Debugger, DebuggerGone, type Register, type Registers } from '../../src/xen/debugger.js';
import type { Exchanges } from '../../src/xen/exchanges.js';
import { loseRaces } from '../../src/xen/races.js';

const RACE = 1n;
const GET = 0x100n;
const PUT = 0x200n;
const EXCHANGES: Exchanges = {
  get: GET,
  put: PUT,
  all: [
    { address: 0x110n, page: 'rbx' },
    { address: 0x210n, page: 'rbp' },
  ],
};

type Stop = Partial<Record<Register, bigint>> & { readonly rip: bigint };
const getting = (preemptible: boolean): Stop => ({ rip: GET, rdx: preemptible ? 0xff01n : 0xff00n });
const putting = (flags: bigint): Stop => ({ rip: PUT, rsi: flags });

/** A machine that comes by these instructions and stops at those that have a breakpoint; QEMU ends after the last. */
class Machine {
  readonly breakpoints = new Set<bigint>();
  readonly done: string[] = [];
  constructor(private readonly path: Stop[]) {}

  stop = async () => {};
  step = async () => void this.done.push('step');
  breakAt = async (address: bigint) => void this.breakpoints.add(address);
  passBy = async (address: bigint) => void this.breakpoints.delete(address);
  write = async (address: bigint, value: bigint) => void this.done.push(`${address.toString(16)}=${value}`);
  go = async (): Promise<Registers> => {
    for (;;) {
      const at = this.path.shift();
      if (!at) throw new DebuggerGone();
      if (this.breakpoints.has(at.rip)) return at as Registers;
    }
  };
}

/** What was done to the machine while an operation with `contend=` that number came by these instructions. */
async function lost(number: number, ...path: Stop[]): Promise<string[]> {
  const numbers = [number, -1];
  const machine = new Machine([{ rip: RACE }, ...path, { rip: RACE }, ...path]);
  await loseRaces(machine as unknown as Debugger, EXCHANGES, {
    race: RACE,
    contended: () => numbers.shift() ?? -1,
    sendEvent: () => void machine.done.push('event'),
  });
  expect([...machine.breakpoints]).toEqual([RACE]);
  return machine.done;
}

const FIRST: Stop = { rip: 0x110n, rbx: 0x1000n, rax: 7n };
const SECOND: Stop = { rip: 0x210n, rbp: 0x2000n, rax: 9n };

describe('a lost race', () => {
  test('is one instruction that finds another type than before and after, and an event', async () => {
    expect(await lost(0, getting(true), FIRST)).toEqual(['1010=8', 'step', '1010=7', 'event']);
  });

  test('is the one of that number among those that can be lost', async () => {
    const path = [getting(false), FIRST, getting(true), FIRST, putting(1n), SECOND, putting(5n), SECOND];
    expect(await lost(0, ...path)).toEqual(['1010=8', 'step', '1010=7', 'event']);
    expect(await lost(1, ...path)).toEqual(['2010=10', 'step', '2010=9', 'event']);
  });

  test('does not come about where there are fewer', async () => {
    expect(await lost(2, getting(true), FIRST, putting(4n), SECOND)).toEqual([]);
  });

  test('is not found at a function that is left before its exchange', async () => {
    expect(await lost(0, getting(true), putting(0n), SECOND)).toEqual([]);
  });
});

/**
 * Lost races (rules 16.1, `contend=`): while the lab runs such an operation, the machine stops at every exchange by which Xen takes
 * or drops a type. Before the one that is to be lost another CPU seems to write the page's type, and afterwards to have it as it
 * was; an event becomes pending in the same moment. Xen's code is as it always is.
 */
import { type Debugger, DebuggerGone, type Registers } from './debugger.js';
import type { Exchange, Exchanges } from './exchanges.js';
import { TYPE_INFO } from './frame-table.js';

/** What the lab says of the operation that runs. */
export interface Contest {
  /** Where its kernel comes to before and after such an operation. */
  readonly race: bigint;
  /** Number of the contended reference, from 0, that the operation which begins is to lose; negative when it is over. */
  contended(): number;
  /** Makes an event pending for the vCPU that runs it. */
  sendEvent(): void;
}

/** mm.c: PTF_preemptible, in the flags of `_put_page_type`. */
const PREEMPTIBLE = 1n << 2n;

/** Serves the lab, one operation after another, until QEMU is gone. */
export async function loseRaces(machine: Debugger, exchanges: Exchanges, contest: Contest): Promise<void> {
  try {
    await machine.stop();
    await machine.breakAt(contest.race);
    for (;;) {
      await machine.go();
      const number = contest.contended();
      if (number >= 0) await loseOne(machine, exchanges, contest, number);
    }
  } catch (error) {
    if (!(error instanceof DebuggerGone)) throw error;
  }
}

/** From the operation's beginning until it has lost its race, or is over. */
async function loseOne(
  machine: Debugger,
  { get, put, all }: Exchanges,
  contest: Contest,
  number: number,
): Promise<void> {
  const stops = [get, put, ...all.map(({ address }) => address)];
  let left = number;
  let isPreemptible = false;
  for (const address of stops) await machine.breakAt(address);
  for (;;) {
    const registers = await machine.go();
    const { rip } = registers;
    if (rip === contest.race) break;
    const exchange = all.find(({ address }) => address === rip);
    if (rip === get) isPreemptible = (registers.rdx & 0xffn) !== 0n;
    else if (rip === put) isPreemptible = (registers.rsi & PREEMPTIBLE) !== 0n;
    else if (exchange && isPreemptible && left-- === 0) {
      await lose(machine, exchange, registers);
      contest.sendEvent();
      break;
    }
  }
  for (const address of stops) await machine.passBy(address);
}

/** Xen finds another type than it expects. */
async function lose(machine: Debugger, { page }: Exchange, registers: Registers): Promise<void> {
  const type = registers.rax;
  const address = registers[page] + TYPE_INFO;
  await machine.write(address, type + 1n);
  await machine.step();
  await machine.write(address, type);
}

// struct vcpu (rules 16.1, 16.4), and the event that may interrupt what it runs.
import type { Environment } from '../../src/program/operation.js';
import { type Page, vcpuHolder } from './page.js';
import { Tlb } from './tlb.js';

// What goes no further than the hypercall: nothing is done (EINTR), or a part (ERESTART), as an event waits.
export const [INTERRUPTED, RESTART] = [4, 85];
export const isError = (code: number): boolean => code !== 0 && code !== INTERRUPTED && code !== RESTART;
export const restartable = (code: number): number => (code === INTERRUPTED ? RESTART : code);

export const NO_LDT = { low: 0, high: 0, entries: 0 };

// old_guest_table, old_guest_table_partial (the opposite of `whole`) and old_guest_ptpg.
export interface Deferred {
  readonly table: Page;
  readonly whole: boolean;
  readonly parent: Page | undefined;
  held: boolean; // its general reference is there; a table that is about to fail brings it later
}

export class Vcpu {
  state: 'up' | 'in reset' | 'down' = 'up';
  inUserMode = false;
  userBase = 0; // frame numbers, 0 for none
  gdt: readonly number[] = [];
  ldt = NO_LDT;
  ldtFrames = new Map<number, number>();
  deferred: Deferred | undefined;
  interrupted: (() => number) | undefined; // what `resume` goes on with
  readonly tlb = new Tlb();
  constructor(
    readonly id: number,
    public kernelBase: number,
  ) {}
  as(holder: number): number {
    return vcpuHolder(this.id, holder);
  }
}

/** When hypercall_preempt_check() says yes, and which compare-and-exchange is too late. */
export class PreemptCheck {
  pending: boolean;
  private units = 0;
  private references = 0;
  constructor(private readonly environment: Environment) {
    this.pending = environment.preempt === 0;
  }
  unitDone(): void {
    if (++this.units === this.environment.preempt) this.pending = true;
  }
  isContended(): boolean {
    const isLate = this.references++ === this.environment.contend;
    this.pending ||= isLate;
    return isLate;
  }
}

import type { LockstepMode } from '../fuzz/panel.js';
import type { Arch } from '../program/machine.js';
import type { CourtOptions } from './court-options.js';
import type { RunReportOptions } from './run-reports.js';

const SECONDS_DEFAULT = 30;
export const EXIT_FOUND = 1;
export const EXIT_INTERRUPTED = 130;

/** The options of `pvmmu fuzz`. */
export interface FuzzOptions extends CourtOptions, RunReportOptions {
  readonly arch?: Arch;
  readonly seed?: string;
  /** Seconds. */
  readonly time?: number;
  readonly ops?: number;
  readonly lockstep?: LockstepMode;
  readonly jobs?: number;
  readonly stats?: true;
  readonly json?: true;
  /** File for the campaign's page. */
  readonly html?: string;
}

/** When a run ends: after so many seconds or operations. */
export function limitsOf({ time, ops }: FuzzOptions): { seconds: number; operations: number } {
  return { seconds: time ?? (ops === undefined ? SECONDS_DEFAULT : Infinity), operations: ops ?? Infinity };
}

/** The last line, for scripts. */
export function sumsLine(operations: number, programs: number, finds: number, seconds: number): string {
  return `fuzz: ${operations} operations, ${programs} programs, ${finds} finds, ${seconds.toFixed(1)} s`;
}

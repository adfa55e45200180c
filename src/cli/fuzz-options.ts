import type { LockstepMode } from '../fuzz/panel.js';
import type { Arch } from '../program/machine.js';
import type { CourtOptions } from './court-options.js';
import type { RunReportOptions } from './run-reports.js';

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

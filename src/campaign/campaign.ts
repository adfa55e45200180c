/** A campaign: a run of so many programs, cut into shards that any number of machines do, and where its state is kept. */
import type { DefectId } from '../../models/defects/index.js';
import type { FuzzSettings } from '../fuzz/fuzzer.js';
import { TextError } from '../text/error.js';
import type { Shard, ShardResult } from './shard.js';
import type { Union } from './union.js';

/** Tries of a shard that fail before it is set aside. */
export const TRIES = 3;
/**
 * Times that the whole process of a shard's worker may end under it before it is set aside. A process is killed for
 * many reasons that are none of the shard's, so these are more than tries that fail.
 */
export const DEATHS = 10;
/** Seconds for which operations are summed up in a campaign's pace. */
export const PACE_SECONDS = 10;

export interface Campaign {
  /** Of pvmmu: another version may draw other programs from the same seed. */
  readonly version: string;
  readonly programs: number;
  /** Programs of a shard; the last one may have fewer. */
  readonly shard: number;
  readonly settings: Omit<FuzzSettings, 'defects'> & { readonly defects: readonly DefectId[] };
}

/** A shard that failed as often as it may. */
export interface Poisoned {
  readonly from: number;
  readonly reason: string;
}

/** How far a campaign is, in numbers that cost little to ask for. */
export interface Tally {
  /** Shards. */
  readonly done: number;
  readonly running: number;
  readonly setAside: number;
  readonly operations: number;
  readonly finds: number;
  /** Cells that were met (`src/fuzz/cells.ts`). */
  readonly cells: number;
  readonly stopped: boolean;
}

/** Operations of the shards that were answered in the PACE_SECONDS from `at` on, a time in seconds since 1970. */
export interface Pace {
  readonly at: number;
  readonly operations: number;
}

/** Where a campaign's state is: a folder, or Redis. Whoever is killed while he uses it leaves it whole. */
export interface Store {
  /** What messages call it. */
  readonly place: string;
  /** Begins the campaign, or goes on with it. @throws TextError if another one is there. */
  start(campaign: Campaign): Promise<void>;
  /** @throws TextError if there is none. */
  campaign(): Promise<Campaign>;
  /** What all shards have given that are done. */
  union(): Promise<Union>;
  tally(): Promise<Tally>;
  /** In the order of time; nothing for times in which no shard was answered. */
  pace(): Promise<readonly Pace[]>;
  /** In the order of shards. */
  poisoned(): Promise<readonly Poisoned[]>;
  /** Lets no further shard begin. */
  stop(): Promise<void>;
  /** Does shards until none is left, the campaign is stopped or the signal comes. */
  work(work: Work): Promise<void>;
  close(): Promise<void>;
}

export interface Work {
  readonly run: (shard: Shard) => Promise<ShardResult>;
  /** Shards at a time. */
  readonly workers: number;
  readonly signal: AbortSignal;
  /** Told now and then how far the campaign is. */
  readonly show: (tally: Tally) => void;
}

export function shardsOf({ programs, shard }: Campaign): Shard[] {
  return Array.from({ length: Math.ceil(programs / shard) }, (_, i) => ({
    from: i * shard,
    count: Math.min(shard, programs - i * shard),
  }));
}

export function settingsOf({ settings }: Campaign): FuzzSettings {
  return { ...settings, defects: new Set(settings.defects), corpus: true };
}

/** @throws TextError if what is kept is another campaign. */
export function mustBeSame(kept: Campaign, wanted: Campaign, place: string): void {
  if (JSON.stringify(kept) === JSON.stringify(wanted)) return;
  throw new TextError(
    place,
    0,
    0,
    'holds a campaign with other settings, expected the same or another --name',
  );
}

export function noCampaign(place: string): TextError {
  return new TextError(place, 0, 0, 'holds no campaign, expected one begun with: pvmmu campaign start');
}

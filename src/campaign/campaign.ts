/** A campaign: a run of so many programs, cut into shards that any number of machines do, and where its state is kept. */
import type { DefectId } from '../../models/defects/index.js';
import type { FuzzSettings } from '../fuzz/fuzzer.js';
import { TextError } from '../text/error.js';
import type { Shard, ShardResult } from './shard.js';

/** Tries of a shard before it is set aside. */
export const TRIES = 3;

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

/** Where a campaign's state is: a folder, or Redis. Whoever is killed while he uses it leaves it whole. */
export interface Store {
  /** What messages call it. */
  readonly place: string;
  /** Begins the campaign, or goes on with it. @throws TextError if another one is there. */
  start(campaign: Campaign): Promise<void>;
  /** @throws TextError if there is none. */
  campaign(): Promise<Campaign>;
  results(): Promise<ShardResult[]>;
  poisoned(): Promise<Poisoned[]>;
  isStopped(): Promise<boolean>;
  /** Lets no further shard begin. */
  stop(): Promise<void>;
  /** Does shards until none is left, the campaign is stopped or the signal comes. */
  work(run: (shard: Shard) => Promise<ShardResult>, workers: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export function shardsOf({ programs, shard }: Campaign): Shard[] {
  return Array.from({ length: Math.ceil(programs / shard) }, (_, i) => ({
    from: i * shard,
    count: Math.min(shard, programs - i * shard),
  }));
}

export function settingsOf({ settings }: Campaign): FuzzSettings {
  return { ...settings, defects: new Set(settings.defects) };
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

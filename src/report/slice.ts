/** The causal slice: which steps brought about what the violation is about. */
import type { EntryPlace, Violation } from '../../properties/index.js';
import { decode } from '../program/codec.js';
import { operationStarts } from '../program/record.js';
import { frameName, windowOf } from '../text/naming.js';
import { BOOT_MFN } from '../program/machine.js';
import type { EntryChange, FrameChange } from './changes.js';
import type { Step, Story } from './story.js';

export interface Cause {
  /** 0: it was so in the start state. */
  readonly step: number;
  readonly what: string;
}

/** Frames and entries that something is about. */
interface Concern {
  readonly frames: Set<number>;
  readonly entries: Map<string, { readonly mfn: number; readonly slot: number }>;
}

/** In the order of the steps. Nothing where nothing failed. */
export function causalSlice(story: Story): Cause[] {
  if (!story.failure) return [];
  const concern = concernOf(story);
  const [violation] = story.broken;
  const causes = [
    ...[...concern.frames].flatMap((mfn) => typeCause(story.steps, mfn)),
    ...[...concern.entries.values()].flatMap((place) => entryCauses(story.steps, place, violation?.entry)),
    ...(violation && COUNTED.has(violation.invariant) ? countCauses(story.steps, violation.frame) : []),
    ...cpuCauses(story.steps),
  ];
  const told = new Map(causes.map((cause) => [`${cause.step} ${cause.what}`, cause]));
  const start =
    violation && !causes.some(({ what }) => what.startsWith(`made ${nameOf(story, violation.frame)} `));
  return [
    ...(start ? startCause(story, violation) : []),
    ...[...told.values()].sort((a, b) => a.step - b.step),
  ];
}

/** Invariants about a frame's counts: every step that changed them matters. */
const COUNTED = new Set(['reference-counts', 'linear-counts', 'legal-state', 'dead-domain', 'nothing-lost']);

function nameOf({ program: { machine } }: Story, mfn: number): string {
  return frameName(mfn, machine);
}

/** What the frame was from the start, where no step gave it its type. */
function startCause(story: Story, { frame }: Violation): Cause[] {
  const { tables } = story.program.machine.start;
  const table = tables.find(({ mfn }) => mfn === frame);
  return table ? [{ step: 0, what: `${nameOf(story, frame)} is a validated L${table.level}` }] : [];
}

function countCauses(steps: readonly Step[], mfn: number): Cause[] {
  return steps.flatMap(({ number, frames }) =>
    frames
      .filter((one) => one.mfn === mfn)
      .flatMap(({ name, before, after }) => {
        const counts = [
          ...(before.typeCount === after.typeCount
            ? []
            : [`type count ${before.typeCount} -> ${after.typeCount}`]),
          ...(before.references === after.references
            ? []
            : [`general count ${before.references} -> ${after.references}`]),
        ];
        return counts.length === 0 ? [] : [{ step: number, what: `gave ${name} ${counts.join(', ')}` }];
      }),
  );
}

function concernOf(story: Story): Concern {
  const concern: Concern = { frames: new Set(), entries: new Map() };
  const [violation] = story.broken;
  if (violation) addViolation(concern, violation);
  else addOperation(concern, story);
  for (const { mfn, slot } of [...concern.entries.values()]) {
    const last = lastEntryChange(story.steps, mfn, slot);
    if (last?.change.after.present) concern.frames.add(last.change.after.target);
    concern.frames.add(mfn);
  }
  return concern;
}

function addViolation(concern: Concern, { frame, entry, path = [] }: Violation): void {
  concern.frames.add(frame);
  for (const place of entry ? [...path, entry] : path)
    concern.entries.set(`${place.mfn} ${place.slot}`, place);
}

/** Without an invariant that tells, what the last step names and changes. */
function addOperation(concern: Concern, { steps, program, failure }: Story): void {
  const { code, machine } = program;
  const at = operationStarts(code)[failure!.operation];
  if (at === undefined) return;
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('mfn' in value && typeof value.mfn === 'number') {
      concern.frames.add(value.mfn);
      if ('slot' in value && typeof value.slot === 'number')
        concern.entries.set(`${value.mfn} ${value.slot}`, { mfn: value.mfn, slot: value.slot });
    }
    if ('low' in value && 'high' in value) {
      const slot = windowOf(value as { low: number; high: number }, machine);
      if (slot >= 0) concern.entries.set(`${BOOT_MFN.B1} ${slot}`, { mfn: BOOT_MFN.B1, slot });
    }
    for (const part of Object.values(value)) collect(part);
  };
  collect(decode(code, at));
  for (const { mfn } of steps.at(-1)?.frames ?? []) concern.frames.add(mfn);
}

function typeCause(steps: readonly Step[], mfn: number): Cause[] {
  const last = steps.findLast((step) => step.frames.some((one) => one.mfn === mfn && isRetyped(one)));
  const change = last?.frames.find((one) => one.mfn === mfn);
  if (!last || !change) return [];
  const { type, contents } = change.after;
  const state = contents === '' ? type : `${article(contents)} ${type}`;
  return [{ step: last.number, what: `made ${change.name} ${state}` }];
}

function isRetyped({ before, after }: FrameChange): boolean {
  return before.type !== after.type || before.contents !== after.contents;
}

/** The step that wrote the entry last; of the violation's own entry all of its history. */
function entryCauses(
  steps: readonly Step[],
  { mfn, slot }: EntryPlace,
  own: EntryPlace | undefined,
): Cause[] {
  const isOwn = own !== undefined && own.mfn === mfn && own.slot === slot;
  const changes = steps.flatMap((step) =>
    step.entries
      .filter((one) => one.mfn === mfn && one.slot === slot)
      .map(({ name, before, after }) => {
        const why = !before.writable && after.writable ? ', a writable mapping' : '';
        return { step: step.number, what: `set ${name} = ${after.text}${why}` };
      }),
  );
  return isOwn ? changes : changes.slice(-1);
}

function lastEntryChange(
  steps: readonly Step[],
  mfn: number,
  slot: number,
): { step: Step; change: EntryChange } | undefined {
  for (const step of steps.toReversed()) {
    const change = step.entries.find((one) => one.mfn === mfn && one.slot === slot);
    if (change) return { step, change };
  }
  return undefined;
}

/** Base pointers, descriptor tables and what waits or is interrupted: the last change of each. */
function cpuCauses(steps: readonly Step[]): Cause[] {
  const last = new Map<string, Cause>();
  for (const { number, cpus } of steps)
    for (const { what, after } of cpus) last.set(what, { step: number, what: `${what} = ${after}` });
  return [...last.values()];
}

function article(word: string): string {
  return `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`;
}

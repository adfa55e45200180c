/** What a drawing shows: some frames, the entries between them, and how both are after each step of a window. */
import type { ModelState } from '../../../models/model.js';
import { OptimizedModel } from '../../../models/optimized/model.js';
import { SLOTS } from '../../../models/x86/entry.js';
import { isTable, TYPE_L1 } from '../../../models/x86/page-type.js';
import { isValidatedTable, typeOf } from '../../../properties/frames.js';
import { scanAll } from '../../../properties/index.js';
import { FIRST_FRAME_MFN } from '../../program/machine.js';
import { operationStarts, RECORD } from '../../program/record.js';
import { frameName } from '../../text/naming.js';
import { entryFacts, frameFacts, type EntryFacts, type FrameFacts } from '../changes.js';
import type { Step, Story, Window } from '../story.js';

export interface SceneFrame {
  readonly mfn: number;
  readonly name: string;
  /** 4..1: the highest level it has; 0: a page; -1: a descriptor table. */
  readonly column: number;
}

/** An entry of one shown frame that names another, at some time. */
export interface SceneEdge {
  readonly from: number;
  readonly to: number;
  readonly slot: number;
  readonly name: string;
}

export interface SceneState {
  /** By frame. */
  readonly frames: readonly FrameFacts[];
  /** By edge; nothing where there is no such entry now. */
  readonly edges: readonly (EntryFacts | undefined)[];
  /** Names of the invariants that do not hold, with what is said of them. */
  readonly broken: readonly (readonly [name: string, message: string])[];
  readonly bases: readonly (readonly [what: string, frame: string])[];
}

export interface Scene extends Window {
  readonly frames: readonly SceneFrame[];
  readonly edges: readonly SceneEdge[];
  /** Before the first step, then after each. */
  readonly states: readonly SceneState[];
  readonly steps: readonly Step[];
}

/** More would be a drawing that nobody reads. */
const FRAMES_MAX = 28;
const EDGES_MAX = 80;
/** Invariants are asked after every step where that is cheap; else the lockstep has asked them. */
const SCAN_FRAMES_MAX = 4096;

/** A scene for each of the story's windows; it has the frames that the steps concern, or all that are under test. */
export function scenesOf(story: Story, withAllFrames = false): Scene[] {
  const { machine, code } = story.program;
  const model = new OptimizedModel(story.court.defects);
  model.start(machine);
  const starts = operationStarts(code);
  const results = new Int32Array(code.length / RECORD);
  const scenes: Scene[] = [];
  let number = 0;
  const runTo = (last: number) => {
    while (number < last) {
      try {
        model.run(code, starts[number]!, results);
      } catch {
        // The last step, where the model gave up: its state is shown as it is.
      }
      number++;
    }
  };
  for (const window of story.windows) {
    runTo(window.first - 1);
    const recorder = new Recorder(story, window, model, withAllFrames);
    recorder.record();
    for (let step = window.first; step <= window.last; step++) {
      runTo(step);
      recorder.record();
    }
    scenes.push(recorder.scene());
  }
  return scenes;
}

interface Moment {
  readonly facts: readonly FrameFacts[];
  readonly entries: ReadonlyMap<string, { from: number; slot: number; facts: EntryFacts }>;
  readonly broken: SceneState['broken'];
  readonly bases: SceneState['bases'];
}

class Recorder {
  private readonly steps: readonly Step[];
  private readonly mfns: readonly number[];
  private readonly moments: Moment[] = [];
  /** `mfn slot` of entries that a step of the window changes. */
  private readonly changed: ReadonlySet<string>;
  private readonly parents: ReadonlyMap<number, number>;

  constructor(
    private readonly story: Story,
    private readonly window: Window,
    private readonly model: OptimizedModel,
    private readonly withAllFrames: boolean,
  ) {
    this.steps = story.steps.filter(({ number }) => number >= window.first && number <= window.last);
    this.changed = new Set(
      this.steps.flatMap(({ entries }) => entries.map(({ mfn, slot }) => `${mfn} ${slot}`)),
    );
    this.parents = parentsOf(model);
    this.mfns = this.concernedFrames();
  }

  /** The tables on a way from a table to its root. */
  private ancestorsOf(mfn: number): number[] {
    const found: number[] = [];
    if (!isTable(typeOf(this.model.info(mfn)))) return found;
    for (
      let one = this.parents.get(mfn);
      one !== undefined && !found.includes(one);
      one = this.parents.get(one)
    )
      found.push(one);
    return found;
  }

  record(): void {
    const { model, mfns } = this;
    const shown = new Set(mfns);
    const entries: Moment['entries'] = new Map(
      mfns.flatMap((mfn) =>
        entriesOf(model, mfn, shown).map((one) => [`${mfn} ${one.slot} ${one.facts.target}`, one]),
      ),
    );
    const isScanned = model.frameLimit <= SCAN_FRAMES_MAX;
    this.moments.push({
      facts: mfns.map((mfn) => frameFacts(model, mfn)),
      entries,
      broken: isScanned ? scanAll(model).map(({ invariant, message }) => [invariant, message]) : [],
      bases: basesOf(model),
    });
  }

  scene(): Scene {
    const { mfns, moments, window, steps } = this;
    const { machine } = this.story.program;
    const index = new Map(mfns.map((mfn, i) => [mfn, i]));
    const found = new Map<string, SceneEdge>();
    for (const { entries } of moments) {
      for (const [key, { from, slot, facts }] of entries) {
        const name = `${frameName(from, machine)}[${slot}]`;
        found.set(key, { from: index.get(from)!, to: index.get(facts.target)!, slot, name });
      }
    }
    const keys = this.keptEdges([...found.keys()]);
    return {
      ...window,
      frames: mfns.map((mfn, i) => ({
        mfn,
        name: frameName(mfn, machine),
        column: Math.max(...moments.map(({ facts }) => columnOf(facts[i]!))),
      })),
      edges: keys.map((key) => found.get(key)!),
      states: moments.map(({ facts, entries, broken, bases }) => ({
        frames: facts,
        edges: keys.map((key) => entries.get(key)?.facts),
        broken,
        bases,
      })),
      steps,
    };
  }

  /** Entries that change come first where there are too many. */
  private keptEdges(keys: string[]): string[] {
    const isChanged = (key: string) => this.changed.has(key.split(' ').slice(0, 2).join(' '));
    const ordered = [...keys.filter(isChanged), ...keys.filter((key) => !isChanged(key))];
    return ordered.slice(0, EDGES_MAX);
  }

  /** What the steps change and the violation is about, the boot tables and the base pointers; most important first. */
  private concernedFrames(): number[] {
    const { story, model, steps } = this;
    const { machine } = story.program;
    const wanted = new Set<number>();
    for (const { frame, entry, path = [] } of story.broken.slice(0, 1)) {
      if (frame > 1) wanted.add(frame);
      for (const { mfn } of entry ? [...path, entry] : path) wanted.add(mfn);
    }
    if (machine.frames > 0)
      for (const { mfn } of machine.start.tables) if (!isUnnamed(mfn, story)) wanted.add(mfn);
    for (let i = 0; this.withAllFrames && i < machine.frames; i++) wanted.add(FIRST_FRAME_MFN + i);
    for (let cpu = 0; cpu < machine.vcpus; cpu++)
      for (const mfn of [model.kernelBase(cpu), model.userBase(cpu)]) if (mfn !== 0) wanted.add(mfn);
    for (const { frames, entries } of steps) {
      for (const { mfn } of frames) wanted.add(mfn);
      for (const { mfn, before, after } of entries) {
        wanted.add(mfn);
        for (const one of [before, after])
          if (one.present && one.target < model.frameLimit) wanted.add(one.target);
      }
    }
    for (const mfn of [...wanted]) for (const parent of this.ancestorsOf(mfn)) wanted.add(parent);
    const isShown = (mfn: number) => mfn > 1 && frameFacts(model, mfn).guests;
    return [...wanted]
      .filter(isShown)
      .slice(0, FRAMES_MAX)
      .sort((a, b) => a - b);
  }
}

/** For each table that another names, the first that does. */
function parentsOf(state: ModelState): ReadonlyMap<number, number> {
  const parents = new Map<number, number>();
  for (let mfn = 0; mfn < state.frameLimit; mfn++) {
    const info = state.info(mfn);
    if (!isValidatedTable(info) || typeOf(info) === TYPE_L1) continue;
    for (let slot = state.nextUsed(mfn, 0); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1)) {
      const { present, target } = entryFacts(state, mfn, slot);
      if (present && target !== mfn && !parents.has(target)) parents.set(target, mfn);
    }
  }
  return parents;
}

/** Tables of the standard layout that no text names: the kernel's own. */
function isUnnamed(mfn: number, { program: { machine } }: Story): boolean {
  return frameName(mfn, machine).startsWith('0x');
}

function entriesOf(
  state: ModelState,
  mfn: number,
  shown: ReadonlySet<number>,
): { from: number; slot: number; facts: EntryFacts }[] {
  const found = [];
  if (!/^L[1-4]/.test(frameFacts(state, mfn).type)) return [];
  for (let slot = state.nextUsed(mfn, 0); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1)) {
    const facts = entryFacts(state, mfn, slot);
    // Xen's own entry to the table itself is no business of the guest's.
    if (facts.present && shown.has(facts.target) && !(slot === 258 && facts.target === mfn))
      found.push({ from: mfn, slot, facts });
  }
  return found;
}

function columnOf({ type, typeCount }: FrameFacts): number {
  const level = /^L([1-4])/.exec(type)?.[1];
  if (level !== undefined) return Number(level);
  return type === 'seg_desc' && typeCount > 0 ? -1 : 0;
}

function basesOf(state: ModelState): [string, string][] {
  const bases: [string, string][] = [];
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
    const of = state.machine.vcpus > 1 ? ` of vCPU ${cpu}` : '';
    const named = (what: string, mfn: number) => {
      if (mfn !== 0) bases.push([what + of, frameName(mfn, state.machine)]);
    };
    named('base pointer', state.kernelBase(cpu));
    named('user base pointer', state.userBase(cpu));
    named('waiting for its cleanup', state.deferred(cpu));
  }
  return bases;
}

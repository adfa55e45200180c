import { describe, expect, test } from 'vitest';
import { P, RW, entry } from '../../models/x86/entry.js';
import { stream } from '../../src/generate/streams.js';
import { BOOT_MFN } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import type { Candidate } from '../../src/program/candidate.js';
import { candidateOf, type Draft, draftOf, wordsOf } from '../../src/shrink/draft.js';
import { ofFrames, renamed } from '../../src/shrink/names.js';
import { isSmaller } from '../../src/shrink/order.js';
import { reduce, Reducer, type Reduction } from '../../src/shrink/reduce.js';
import { machineOf } from '../properties/fake-state.js';
import { BUGS, embedding, F, failureOf, runOf, update, updateVa, type Bug } from './bugs.js';

const SEEDS = Array.from({ length: 40 }, (_, seed) => String(seed));
const machine = machineOf('x86_64', 8);

const reductions = new Map<string, Reduction>();

function reduceEmbedding(bug: Bug, seed: string): Reduction {
  const key = `${bug.name} ${seed}`;
  const program = embedding(bug, seed);
  const run = runOf(bug);
  const reduction = reductions.get(key) ?? reduce(program, run(program)!, run);
  reductions.set(key, reduction);
  return reduction;
}

/** The program without one operation, and without one element of a list. */
function* withoutOne({ operations }: { operations: readonly Operation[] }): Generator<Operation[]> {
  for (const [i, operation] of operations.entries()) {
    yield operations.toSpliced(i, 1);
    if (operation.kind !== 'mmuext_op_list') continue;
    for (let k = 0; k < operation.items.length; k++)
      yield operations.with(i, { ...operation, items: operation.items.toSpliced(k, 1) });
  }
}

describe.each(BUGS)('of programs in which $name', (bug) => {
  test('every one shrinks to the same few operations on the plain machine', () => {
    for (const seed of SEEDS) {
      const { program, minimal } = reduceEmbedding(bug, seed);
      expect(draftOf(program).operations, seed).toEqual(bug.smallest);
      expect(program.machine, seed).toEqual(machine);
      expect(minimal).toBe(true);
    }
    expect(new Set(SEEDS.map((seed) => reduceEmbedding(bug, seed).id)).size).toBe(1);
  });

  test('the shrunk one no longer fails without any one operation or element, and the proof says so', () => {
    const { program, proof } = reduceEmbedding(bug, 'minimal');
    const smaller = [...withoutOne(draftOf(program))];
    for (const operations of smaller)
      expect(runOf(bug)(candidateOf({ machine, operations }))).toBeUndefined();
    expect(proof).toHaveLength(smaller.length);
    expect(proof.every(({ failure }) => failure === undefined)).toBe(true);
  });

  // What an event interrupts has more forms that may be simpler.
  const isInterrupted = bug.smallest.some(({ preempt }) => preempt !== undefined);
  const mostRuns = isInterrupted ? 20_000 : 1_200;

  test('half of all shrinkings take 1,200 runs or less, 20,000 where something is interrupted', () => {
    const runs = SEEDS.map((seed) => reduceEmbedding(bug, seed).runs).sort((a, b) => a - b);
    expect(runs[SEEDS.length / 2]).toBeLessThanOrEqual(mostRuns);
  });

  test('a shrunk one stays as it is', () => {
    const first = reduceEmbedding(bug, 'again');
    const again = reduce(first.program, first.failure, runOf(bug));
    expect({ ...again, runs: 0 }).toEqual({ ...first, runs: 0 });
    expect(again.runs).toBeLessThan(mostRuns);
  });

  test('the same failure under other names of frames and windows has the same id', () => {
    const { id } = reduceEmbedding(bug, 'names');
    for (const by of [1, 3, 6]) {
      const name = (index: number) => (index < 8 ? (index + by) % 8 : index);
      const program = candidateOf(
        renamed(draftOf(embedding(bug, 'names')), { frame: ofFrames(name), window: name }),
      );
      expect(reduce(program, runOf(bug)(program)!, runOf(bug)).id).toBe(id);
    }
  });
});

const [PINNED, CYCLE] = BUGS as [Bug, Bug];

describe('reduce', () => {
  test('finds the same form whatever the order of operations that do not depend on one another', () => {
    const tables = [F(4), F(2), F(7)];
    const run = ({ code, machine }: Candidate) => {
      const { operations } = draftOf({ code, machine });
      const pinned = new Set(operations.flatMap((o) => (o.kind === 'pin' ? [o.mfn] : [])));
      const cleared = new Set(operations.flatMap((o) => (o.kind === 'clear_page' ? [o.mfn] : [])));
      const both = [...pinned].filter((mfn) => cleared.has(mfn));
      return both.length === 3 ? failureOf('three tables', operations.length - 1) : undefined;
    };
    const operations: Operation[] = tables.flatMap((mfn) => [
      { kind: 'clear_page', mfn },
      { kind: 'pin', level: 2, mfn },
    ]);
    const ids = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const draw = stream(`order ${seed}`);
      const shuffled = [...operations];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = draw.below(i + 1);
        [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
      }
      const program = candidateOf({ machine, operations: shuffled });
      ids.add(reduce(program, run(program)!, run).id);
    }
    expect(ids.size).toBe(1);
  });

  test('runs no more programs than the budget says, and goes on with its own result', () => {
    const complete = reduceEmbedding(CYCLE, 'budget');
    const begun = embedding(CYCLE, 'budget');
    let best = reduce(begun, runOf(CYCLE)(begun)!, runOf(CYCLE), { budget: 60 });
    expect(best).toMatchObject({ runs: 60, minimal: false, proof: [] });
    for (let i = 0; i < 5 && !best.minimal; i++) {
      best = reduce(best.program, best.failure, runOf(CYCLE), { budget: 1_000 });
      expect(best.runs).toBeLessThanOrEqual(1_000);
    }
    expect(best.minimal).toBe(true);
    expect(best.id).toBe(complete.id);
  });

  test('with no budget left gives the program back as it is', () => {
    const program = embedding(CYCLE, 'none');
    const failure = runOf(CYCLE)(program)!;
    expect(reduce(program, failure, runOf(CYCLE), { budget: 0 })).toMatchObject({
      program,
      failure,
      runs: 0,
    });
  });

  test('tells of every step, each smaller than the one before', () => {
    const program = embedding(PINNED, 'steps');
    const steps: Candidate[] = [program];
    const reduction = reduce(program, runOf(PINNED)(program)!, runOf(PINNED), {
      onStep: (best, runs) => {
        expect(runs).toBeGreaterThan(0);
        expect(isSmaller(draftOf(best), draftOf(steps.at(-1)!))).toBe(true);
        steps.push(best);
      },
    });
    expect(steps.at(-1)).toEqual(reduction.program);
  });

  test('drops at once what comes after the operation that fails', () => {
    const program = embedding(PINNED, 'tail');
    const failure = runOf(PINNED)(program)!;
    const steps: Candidate[] = [];
    reduce(program, failure, runOf(PINNED), { budget: 1, onStep: (best) => steps.push(best) });
    expect(steps).toHaveLength(1);
    expect(draftOf(steps[0]!).operations).toHaveLength(failure.operation + 1);
  });

  test('keeps to its own failure and hands back the first program of every other', () => {
    const run = (candidate: Candidate) => runOf(PINNED)(candidate) ?? runOf(CYCLE)(candidate);
    const program = candidateOf({
      machine,
      operations: [
        { kind: 'pin', level: 1, mfn: F(3) },
        update(F(5), 7, entry(F(6), P)),
        updateVa(2, entry(F(3), P | RW)),
        update(F(6), 7, entry(F(5), P)),
      ],
    });
    const cyclic = reduce(program, failureOf(CYCLE.name, 3), run);
    expect(cyclic.program).toEqual(candidateOf({ machine, operations: CYCLE.smallest }));
    expect(cyclic.others.map(({ failure }) => failure.violation?.invariant)).toEqual([PINNED.name]);
    for (const other of cyclic.others) expect(run(other.program)).toEqual(other.failure);

    const pinned = reduce(program, run(program)!, run);
    expect(pinned.program).toEqual(candidateOf({ machine, operations: PINNED.smallest }));
    expect(pinned.failure.violation?.invariant).toBe(PINNED.name);
  });

  test('says in the proof which other failure is met without an operation', () => {
    const smallest = candidateOf({ machine, operations: PINNED.smallest });
    const run = (candidate: Candidate) =>
      runOf(PINNED)(candidate) ??
      (wordsOf(draftOf(candidate).operations) > 0 ? failureOf('other', 0) : undefined);
    const { proof } = reduce(smallest, run(smallest)!, run);
    expect(proof.map(({ path, failure }) => [path, failure?.message])).toEqual([
      [[0], 'other at operation 0'],
      [[1], 'other at operation 0'],
    ]);
  });

  test('leaves out two operations that only make up for one another', () => {
    const run = ({ code }: Candidate) => {
      const { operations } = draftOf({ machine, code });
      const taken = operations.filter(({ kind }) => kind === 'release').length;
      const given = operations.filter(({ kind }) => kind === 'receive').length;
      const last = operations.findIndex(({ kind }) => kind === 'destroy');
      return last >= 0 && taken === given ? failureOf('balanced', last) : undefined;
    };
    const program = candidateOf({
      machine,
      operations: [
        { kind: 'release', mfn: F(1) },
        { kind: 'receive', mfn: F(2), count: 1 },
        { kind: 'destroy' },
      ],
    });
    expect(draftOf(reduce(program, run(program)!, run).program).operations).toEqual([{ kind: 'destroy' }]);
  });

  test('takes a sibling that is smaller and fails the same way, and hands back what it has taken the place of', () => {
    const sibling = { machine, operations: [{ kind: 'copy_page', mfn: F(0), source: F(0) }] as const };
    const larger = { machine, operations: [...own.operations, ...own.operations] };
    const other = { machine, operations: [update(F(0), 0, entry(F(1), P))] };
    const program = candidateOf(own);
    const siblings = function* () {
      for (const draft of [larger, other, sibling]) yield draft;
    };
    const alone = reduce(program, runEither(program)!, runEither);
    expect(alone).toMatchObject({ program, replaced: undefined });
    const reduction = reduce(program, runEither(program)!, runEither, { siblings });
    expect(reduction).toMatchObject({ program: candidateOf(sibling), minimal: true });
    expect(reduction.replaced).toEqual({ program, failure: runEither(program) });
  });

  test('hands back what it was before the first sibling, where another one takes the place of that', () => {
    const copies = [1, 2].map((index): Operation => ({ kind: 'copy_page', mfn: F(index), source: F(0) }));
    const middle = { machine, operations: copies };
    const value = { low: 5, high: 0 };
    const smallest = { machine, operations: [{ kind: 'machphys', mfn: F(0), value }] as const };
    const known = [own, middle, smallest].map((draft) => candidateOf(draft).code.join());
    const run = ({ code }: Candidate) =>
      known.includes(code.join())
        ? failureOf('any', draftOf({ machine, code }).operations.length - 1)
        : undefined;
    const siblings = function* ({ operations }: Draft) {
      yield operations.length === 3 ? middle : smallest;
    };
    const program = candidateOf(own);
    const reduction = reduce(program, run(program)!, run, { siblings });
    expect(reduction).toMatchObject({ program: candidateOf(smallest), replaced: { program } });
  });

  test('gives the event of a list to one of its elements, at another time', () => {
    const pin: Operation = { kind: 'pin', level: 2, mfn: F(0) };
    const unpin: Operation = { kind: 'unpin', mfn: F(0), preempt: 1 };
    const options = { fd: 'self', badList: false } as const;
    const items = [pin, { kind: 'unpin', mfn: F(0) } as const];
    const list: Operation = { kind: 'mmuext_op_list', items, options, preempt: 3 };
    const known = [[list], [pin, unpin]].map((operations) => candidateOf({ machine, operations }).code);
    const run = ({ code }: Candidate) =>
      known.some((one) => one.join() === code.join())
        ? failureOf('interrupted', draftOf({ machine, code }).operations.length - 1)
        : undefined;
    const program = candidateOf({ machine, operations: [list] });
    expect(draftOf(reduce(program, run(program)!, run).program).operations).toEqual([pin, unpin]);
  });

  test('says store, update_va and fill by the hypercall that does the same', () => {
    const wanted = new Set([`${BOOT_MFN.B1} 0`, `${F(0)} 1`, `${F(0)} 0`]);
    const run = ({ code }: Candidate) => {
      const { operations } = draftOf({ machine, code });
      const written = new Set(operations.flatMap(writesOf));
      return [...wanted].every((place) => written.has(place))
        ? failureOf('written', operations.length - 1)
        : undefined;
    };
    const { low, high } = { low: 0x80200000 | 0, high: -1 };
    const program = candidateOf({
      machine,
      operations: [
        { kind: 'fill', mfn: F(0), entries: [{ slot: 1, entry: entry(F(0), P) }] },
        { kind: 'store', va: { low, high }, part: 'low', entry: entry(F(0), P) },
        { ...updateVa(0, entry(F(0), P)), flush: 'invlpg', fd: 'own' } as Operation,
      ],
    });
    expect(draftOf(reduce(program, run(program)!, run).program).operations).toEqual([
      update(F(0), 0, entry(0, 0)),
      update(F(0), 1, entry(0, 0)),
      update(BOOT_MFN.B1, 0, entry(0, 0)),
    ]);
  });
});

/** Two ways to the same failure that no pass leads between. */
const own = {
  machine,
  operations: [0, 1, 2].map((index): Operation => ({ kind: 'clear_page', mfn: F(index) })),
};

function runEither({ code }: Candidate) {
  const { operations } = draftOf({ machine, code });
  const text = operations.map((operation) => JSON.stringify(operation)).join();
  const isOwn = text === own.operations.map((operation) => JSON.stringify(operation)).join();
  const isCopy = operations.length === 1 && operations[0]!.kind === 'copy_page';
  return isOwn || isCopy ? failureOf('either', operations.length - 1) : undefined;
}

function writesOf(operation: Operation): string[] {
  switch (operation.kind) {
    case 'mmu_update':
    case 'store_frame':
      return [`${operation.mfn} ${operation.slot}`];
    case 'fill':
      return operation.entries.map(({ slot }) => `${operation.mfn} ${slot}`);
    case 'store':
      return [`${F((operation.va.low >> 12) & 0xff)} ${(operation.va.low & 0xfff) >> 3}`];
    case 'update_va':
      return [`${BOOT_MFN.B1} ${(operation.va.low >> 12) & 0xff}`];
    default:
      return [];
  }
}

describe('a Reducer', () => {
  test('done bit by bit comes to what is found in one go', () => {
    const program = embedding(CYCLE, 'bits');
    const reducer = new Reducer(program, runOf(CYCLE)(program)!, runOf(CYCLE));
    let slices = 0;
    while (!reducer.advance(7)) slices++;
    expect(slices).toBeGreaterThan(3);
    expect(reducer.result()).toEqual(reduceEmbedding(CYCLE, 'bits'));
  });
});

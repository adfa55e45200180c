import { describe, expect, test } from 'vitest';
import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { P, RW, US, entry } from '../../models/x86/entry.js';
import { EINVAL, OK, PREEMPTED } from '../../models/x86/result.js';
import { compareStates } from '../../properties/agreement.js';
import {
  failedCallChangesNothing,
  mapThenUnmapIsIdentity,
  pinProbe,
  resumedEqualsUninterrupted,
} from '../../properties/metamorphic.js';
import { checkProperty } from '../../src/fastcheck/check.js';
import { programs } from '../../src/fastcheck/generated.js';
import { FIRST_FRAME_MFN, WINDOW_0, type Machine } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { decode } from '../../src/program/codec.js';
import {
  ENVIRONMENT_MASK,
  RECORD,
  W_FRAME,
  W_LOW,
  W_OPCODE,
  operationStarts,
} from '../../src/program/record.js';
import { B1, F0, machineOf } from './fake-state.js';

const file = 'test/properties/metamorphic.test.ts';
const ARCHES = ['x86_64', 'x86_32'] as const;

function window(machine: Machine, index: number) {
  const { low, high } = WINDOW_0[machine.arch];
  return { low: (low + index * 4096) | 0, high };
}

describe.each(ARCHES)('after any program on %s', (arch) => {
  describe.each([
    ['reference', () => new ReferenceModel()],
    ['optimized', () => new OptimizedModel()],
  ] as const)('in the %s model', (kind, create: () => Model) => {
    const named = (name: string) => ({
      file,
      name: `after any program on ${arch} in the ${kind} model ${name}`,
    });
    const failing = 'a call that fails changes nothing but what the rules say';
    test(failing, () => {
      const model = create();
      checkProperty(named(failing), 150, programs(arch, 100), ({ machine, code }) => {
        model.start(machine);
        for (const at of operationStarts(code)) {
          const violation = failedCallChangesNothing(model, decode(code, at));
          if (violation) return violation.message;
        }
        return undefined;
      });
    });

    const mapping = 'a frame that is mapped and unmapped again is as it was';
    test(mapping, () => {
      const model = create();
      checkProperty(named(mapping), 100, programs(arch, 60), ({ machine, code }) => {
        model.start(machine);
        const results = new Int32Array(code.length / RECORD);
        for (const at of operationStarts(code)) model.run(code, at, results);
        for (let i = 0; i <= machine.frames; i++) {
          for (const flags of [P | US, P | RW | US]) {
            const mapped = entry(FIRST_FRAME_MFN + i, flags);
            const violation = mapThenUnmapIsIdentity(model, window(machine, 100 + i), mapped);
            if (violation) return violation.message;
          }
        }
        return undefined;
      });
    });

    const probing = 'the type L1 is refused where it must be, and given back';
    test(probing, () => {
      const model = create();
      checkProperty(
        named(probing),
        100,
        programs(arch, 100),
        ({ machine, code }) => pinProbe(model, machine, code)?.message,
      );
    });

    const resuming = 'an operation that is interrupted and goes on ends as one that is not';
    test(resuming, () => {
      const models = [create(), create()] as const;
      checkProperty(named(resuming), 100, programs(arch, 40), ({ machine, code }) => {
        const last = operationStarts(code).at(-1)!;
        return resumedEqualsUninterrupted(models, machine, code.slice(0, last), decode(code, last))?.message;
      });
    });
  });
});

/** A model with a mistake that shows from some operation on. */
class Mistaken extends OptimizedModel {
  protected mistaken = false;
}

function started<T extends Model>(model: T): T {
  model.start(machineOf('x86_64'));
  return model;
}

const MAP_B1: Operation = {
  kind: 'update_va',
  va: window(machineOf('x86_64'), 1),
  entry: entry(B1, P | RW | US),
  flush: 'none',
  badBitmap: false,
  fd: 'self',
};

test('a reference that a failed call keeps is found', () => {
  class Leaking extends Mistaken {
    override run(code: Int32Array, at: number, results: Int32Array): void {
      super.run(code, at, results);
      this.mistaken = true;
    }
    override generalCount(mfn: number): number {
      return super.generalCount(mfn) + (this.mistaken && mfn === B1 ? 1 : 0);
    }
  }
  expect(failedCallChangesNothing(started(new OptimizedModel()), MAP_B1)).toBeUndefined();
  expect(failedCallChangesNothing(started(new Leaking()), MAP_B1)).toEqual({
    invariant: 'failed-call-changes-nothing',
    message: 'B1 has general count 3, 2 before, after update_va was refused with EBUSY.',
    frame: B1,
  });
});

test('an entry that a failed call stores is found', () => {
  class Storing extends Mistaken {
    override run(code: Int32Array, at: number, results: Int32Array): void {
      super.run(code, at, results);
      this.mistaken = true;
    }
    override low(mfn: number, slot: number): number {
      return this.mistaken && mfn === B1 && slot === 1 ? P : super.low(mfn, slot);
    }
  }
  expect(failedCallChangesNothing(started(new Storing()), MAP_B1)?.message).toBe(
    'B1 holds another entry in B1[1], after update_va was refused with EBUSY.',
  );
});

describe('an interrupted operation', () => {
  /** Answers `preempted` where an event comes within so many units, and runs the operation when it is resumed. */
  class Interruptible extends OptimizedModel {
    private waiting: Int32Array | undefined;
    constructor(
      private readonly units: number,
      private readonly turns: number,
      private readonly forgets: boolean,
    ) {
      super();
    }
    private turn = 0;
    override run(code: Int32Array, at: number, results: Int32Array): void {
      const operation = decode(code, at);
      const resumed = operation.kind === 'resume';
      if (!resumed) {
        this.waiting = code.slice(at);
        this.waiting[W_OPCODE]! &= ~ENVIRONMENT_MASK;
        this.turn = 0;
      }
      const interrupted = operation.preempt !== undefined && operation.preempt < this.units;
      if (interrupted && this.turn++ < this.turns) results[at / RECORD] = PREEMPTED;
      else if (resumed && this.forgets) results[at / RECORD] = OK;
      else super.run(this.waiting!, 0, results.subarray(at / RECORD));
    }
  }
  const machine = machineOf('x86_64');
  const operation: Operation = { ...MAP_B1, entry: entry(B1, P | US), preempt: 9 };

  test.each([1, 3])('that goes on, and is interrupted up to %i times, gives no violation', (turns) => {
    const models = [new Interruptible(3, turns, false), new Interruptible(3, turns, false)] as const;
    expect(resumedEqualsUninterrupted(models, machine, new Int32Array(0), operation)).toBeUndefined();
  });

  test('that is forgotten is found', () => {
    const models = [new Interruptible(3, 1, true), new Interruptible(3, 1, true)] as const;
    const found = resumedEqualsUninterrupted(models, machine, new Int32Array(0), operation);
    expect(found?.invariant).toBe('resumed-equals-uninterrupted');
    expect(found?.message).toBe(
      'B1 ends with general count 2 instead of 3, where update_va was interrupted after 0 units of work.',
    );
  });

  test('that never ends is found by its answer', () => {
    const models = [new Interruptible(3, Infinity, false), new Interruptible(3, Infinity, false)] as const;
    expect(resumedEqualsUninterrupted(models, machine, new Int32Array(0), operation)?.message).toBe(
      'B4 is the base when the answer is preempted instead of ok, where update_va was interrupted after 0 units of work.',
    );
  });
});

describe('mapping and unmapping', () => {
  const machine = machineOf('x86_64');

  test('finds a type reference that the entry keeps when it goes', () => {
    class Keeping extends Mistaken {
      override run(code: Int32Array, at: number, results: Int32Array): void {
        super.run(code, at, results);
        this.mistaken = code[at + W_LOW] === 0;
      }
      override typeCount(mfn: number): number {
        return super.typeCount(mfn) + (this.mistaken && mfn === F0 ? 1 : 0);
      }
    }
    const leaf = entry(F0, P | RW | US);
    expect(mapThenUnmapIsIdentity(started(new Keeping()), window(machine, 9), leaf)).toEqual({
      invariant: 'map-then-unmap-is-identity',
      message: 'F0 has type count 2, 1 before, after it was mapped and unmapped.',
      frame: F0,
    });
  });

  test('says nothing of a window in use, and of an address without an L1 table', () => {
    const model = started(new OptimizedModel());
    const leaf = entry(F0, P | RW | US);
    expect(mapThenUnmapIsIdentity(model, window(machine, 1), leaf)).toBeUndefined();
    expect(mapThenUnmapIsIdentity(model, { low: 0, high: 0 }, leaf)).toBeUndefined();
    expect(compareStates(model, started(new ReferenceModel()))).toBeUndefined();
  });
});

describe('the pin probe', () => {
  const machine = machineOf('x86_64');
  const nothing = new Int32Array(0);

  test('finds a frame that is mapped writable and can be pinned', () => {
    class Careless extends Mistaken {
      override run(code: Int32Array, at: number, results: Int32Array): void {
        super.run(code, at, results);
        if (code[at + W_FRAME] === F0 + 1) results[at / RECORD] = OK;
      }
    }
    expect(pinProbe(new Careless(), machine, nothing)).toEqual({
      invariant: 'pin-probe',
      message: 'F1 is pinned as L1, but was mapped writable.',
      frame: F0 + 1,
    });
  });

  test('finds a frame whose pin cannot be taken back', () => {
    class Sticky extends Mistaken {
      override run(code: Int32Array, at: number, results: Int32Array): void {
        if (decode(code, at).kind === 'unpin') results[at / RECORD] = EINVAL;
        else super.run(code, at, results);
      }
    }
    expect(pinProbe(new Sticky(), machine, nothing)?.message).toBe('B1 cannot be unpinned again (error 22).');
  });

  test('finds a count that is not restored', () => {
    class Losing extends Mistaken {
      override run(code: Int32Array, at: number, results: Int32Array): void {
        super.run(code, at, results);
        if (decode(code, at).kind === 'unpin') this.mistaken = true;
      }
      override generalCount(mfn: number): number {
        return super.generalCount(mfn) - (this.mistaken && mfn === B1 ? 1 : 0);
      }
    }
    expect(pinProbe(new Losing(), machine, nothing)?.message).toBe(
      'B1 has general count 1, 2 before, after B1 was probed.',
    );
  });
});

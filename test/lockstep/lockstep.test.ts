import { describe, expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { EBUSY, EINVAL, OK } from '../../models/x86/result.js';
import { Lockstep } from '../../src/lockstep/lockstep.js';
import { encode } from '../../src/program/codec.js';
import { OP_MMU_UPDATE, OP_PIN, W_OPCODE } from '../../src/program/record.js';
import { parseProgram } from '../../src/text/parse.js';
import { B1, F0, machineOf } from '../properties/fake-state.js';
import { RandomOperations } from '../properties/random-operations.js';

const machine = machineOf('x86_64', 8);

/** Takes F0's window away and pins it as an L1 table. */
function pinF0(): Int32Array {
  const code: number[] = [];
  encode({ kind: 'mmu_update', command: 'normal', mfn: B1, slot: 0, entry: { mfn: 0, flags: 0 } }, code);
  encode({ kind: 'pin', level: 1, mfn: F0 }, code);
  return Int32Array.from(code);
}

function randomProgram(name: string): Int32Array {
  const random = new RandomOperations(name, machine);
  const code: number[] = [];
  for (const operation of random.opening()) encode(operation, code);
  for (let i = 0; i < 50; i++) encode(random.next(), code);
  return Int32Array.from(code);
}

test('a table that one list drops and takes anew, its child now of another level, breaks no invariant', () => {
  const { machine: pae, code } = parseProgram(`pvmmu 1
program dropped-and-taken-anew
machine x86_32 frames=8 domain=hardware
update_va W3 0 -> ok
pin L2 F3 -> ok
update_va W1 0 -> ok
mmu_update F1[0] F3|P -> ok
pin L2 F1 -> ok
unpin F3 -> ok
mmuext_op_list
  unpin F1
  pin L2 F1
end -> ok done=2
`);
  expect(new Lockstep(new ReferenceModel(), new OptimizedModel()).run(pae, code)).toBeUndefined();
});

describe('a model in lockstep with', () => {
  test('itself never fails, one program after another', () => {
    const lockstep = new Lockstep(new OptimizedModel(), new OptimizedModel());
    for (let i = 0; i < 100; i++)
      expect(lockstep.run(machine, randomProgram(`lockstep ${i}`))).toBeUndefined();
    expect(lockstep.run(machineOf('x86_32', 8), randomProgram('lockstep 100'))).toBeUndefined();
  });

  test('one that answers otherwise fails at that operation', () => {
    class Busy extends OptimizedModel {
      override run(code: Int32Array, at: number, results: Int32Array): void {
        super.run(code, at, results);
        if ((code[at + W_OPCODE] & 0xff) === OP_PIN)
          results[at / 8] = results[at / 8] === OK ? EINVAL : EBUSY;
      }
    }
    expect(new Lockstep(new OptimizedModel(), new Busy()).run(machine, pinF0())).toEqual({
      kind: 'result',
      operation: 1,
      message: 'The reference model answers ok, the optimized one EINVAL.',
    });
  });

  test('one that gives up fails at that operation, and can be run again', () => {
    class GivingUp extends OptimizedModel {
      override run(code: Int32Array, at: number, results: Int32Array): void {
        if ((code[at + W_OPCODE] & 0xff) === OP_PIN) throw new Error('no reference to drop');
        super.run(code, at, results);
      }
    }
    const lockstep = new Lockstep(new OptimizedModel(), new GivingUp());
    for (let i = 0; i < 2; i++) {
      expect(lockstep.run(machine, pinF0())).toEqual({
        kind: 'assertion',
        operation: 1,
        message: 'Error: no reference to drop',
      });
    }
    expect(lockstep.run(machine, pinF0().slice(0, 8))).toBeUndefined();
  });

  test('one in another state fails, with what differs', () => {
    class Miscounting extends OptimizedModel {
      override typeCount(mfn: number): number {
        const count = super.typeCount(mfn);
        return mfn === F0 && count === 2 ? 3 : count === 0 && mfn === F0 ? 1 : count;
      }
    }
    expect(new Lockstep(new OptimizedModel(), new Miscounting()).run(machine, pinF0())).toMatchObject({
      kind: 'state',
      operation: 0,
      message: 'F0: type count is 0 in the reference model, 1 in the optimized one.',
    });
  });

  test('one that makes the same mistake fails by the invariant', () => {
    /** After an update of an entry, both forget the type of F0, which is pinned. */
    class Forgetful extends OptimizedModel {
      private forgotten = false;

      override run(code: Int32Array, at: number, results: Int32Array): void {
        super.run(code, at, results);
        this.forgotten = (code[at + W_OPCODE] & 0xff) === OP_MMU_UPDATE && at > 8;
      }

      override reset(): void {
        super.reset();
        this.forgotten = false;
      }

      override typeCount(mfn: number): number {
        return this.forgotten && mfn === F0 ? 0 : super.typeCount(mfn);
      }
    }
    const code = [...pinF0()];
    encode({ kind: 'mmu_update', command: 'normal', mfn: B1, slot: 1, entry: { mfn: F0, flags: 5 } }, code);
    const failure = new Lockstep(new Forgetful(), new Forgetful()).run(machine, Int32Array.from(code));
    expect(failure).toMatchObject({
      kind: 'invariant',
      operation: 2,
      message: 'F0 has type count 0, but its holders add up to 1.',
      violation: { invariant: 'reference-counts', frame: F0 },
    });
  });
});

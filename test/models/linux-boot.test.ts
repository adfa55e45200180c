import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { compareChanges, compareStates } from '../../properties/agreement.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import { scanAll } from '../../properties/index.js';
import { finalFrameOf, sameFinal } from '../../src/replay/final-frame.js';
import { readProgramText } from '../../src/text/read.js';
import { isTable, INFO_TYPE, INFO_VALIDATED } from '../../models/x86/page-type.js';
import { OK } from '../../models/x86/result.js';
import { OP_FILL, W_OPCODE } from '../../src/program/record.js';

const BOOT = 'vectors/linux-6.1-dom0-boot-x86_64.pvmmu.gz';
const IN_LOCKSTEP = 20_000;
const SCANNED_EVERY = 20_000;

test('the recorded Linux boot keeps every invariant, gets the recorded answers and ends with the recorded tables', async () => {
  const model = new OptimizedModel();
  const tracker = new Tracker(model);
  const results = new Int32Array(1024);
  const wrong: string[] = [];
  const finals = new Set<number>();
  let operations = 0;
  await readProgramText(BOOT, {
    begin(_name, machine) {
      model.start(machine);
      expect(tracker.start()).toBeUndefined();
    },
    operation(code, expected, line) {
      model.run(code, 0, results);
      operations++;
      const answer = (code[W_OPCODE]! & 0xff) === OP_FILL ? OK : expected[0];
      if (results[0] !== answer) wrong.push(`line ${line}: got ${results[0]}`);
      const violation = tracker.step();
      if (violation) wrong.push(`line ${line}: ${violation.message}`);
      if (operations % SCANNED_EVERY === 0) wrong.push(...scanAll(model).map(({ message }) => message));
    },
    final(expected, line) {
      finals.add(expected.mfn);
      if (!sameFinal(expected, finalFrameOf(model, expected.mfn, true))) wrong.push(`line ${line}: final`);
    },
    end() {
      wrong.push(...scanAll(model).map(({ message }) => message));
    },
  });
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(operations).toBe(143_893);
  expect(finals.size).toBe(508);
  const tables = Array.from({ length: model.frameLimit }, (_, mfn) => mfn).filter(
    (mfn) => isTable(model.info(mfn) & INFO_TYPE) && (model.info(mfn) & INFO_VALIDATED) !== 0,
  );
  expect(tables.filter((mfn) => !finals.has(mfn))).toEqual([]);
});

test('both models go through the first part of the recorded Linux boot in lockstep', async () => {
  const reference = new ReferenceModel();
  const optimized = new OptimizedModel();
  const expected = new Int32Array(1024);
  const found = new Int32Array(1024);
  let operations = 0;
  let difference: string | undefined;
  await readProgramText(BOOT, {
    begin(_name, machine) {
      reference.start(machine);
      optimized.start(machine);
      difference = compareStates(reference, optimized)?.message;
    },
    operation(code, _expected, line) {
      if (operations === IN_LOCKSTEP || difference) return;
      operations++;
      reference.run(code, 0, expected);
      optimized.run(code, 0, found);
      if (expected[0] !== found[0]) difference = `line ${line}: ${expected[0]} and ${found[0]}`;
      difference ??= compareChanges(reference, optimized)?.message;
      if (operations === IN_LOCKSTEP) difference ??= compareStates(reference, optimized)?.message;
    },
    final() {},
    end() {},
  });
  expect(difference).toBeUndefined();
  expect(operations).toBe(IN_LOCKSTEP);
});

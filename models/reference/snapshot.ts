// A state to come back to, for whoever tries operation after operation in it. It costs what changes, as reset() does.
import type { Page } from './page.js';
import type { ReferenceModel } from './model.js';
import { Vcpu } from './vcpu.js';

export class Snapshot {
  private starts: Page[] = []; // of the pages that are not as they were at the start
  private vcpus: readonly Vcpu[] = [];
  constructor(private readonly model: ReferenceModel) {}
  // Keeps the state as it is; `leave` has to come before anything else is done with the model.
  take(): void {
    const { model } = this;
    this.starts = model.touched.map(({ atStart }) => atStart!);
    this.vcpus = model.vcpus.map(copied);
    forgetTouched(model);
  }
  // Undoes the operations that were run since.
  restore(): void {
    const { model } = this;
    for (const { mfn, atStart } of model.touched) model.pages[mfn] = atStart;
    model.touched = [];
    model.vcpus = this.vcpus.map(copied);
    model.curr = model.vcpus[0]!;
  }
  // Goes back to the start state.
  leave(): void {
    const { model } = this;
    this.restore();
    for (const start of this.starts) model.pages[start.mfn] = start;
    this.starts = [];
    model.reset();
  }
}
function forgetTouched(model: ReferenceModel): void {
  for (const page of model.touched) page.atStart = undefined;
  model.touched = [];
}
// No operation without a TLB changes anything of a vCPU but what it is assigned.
function copied(vcpu: Vcpu): Vcpu {
  return Object.assign(new Vcpu(vcpu.id, vcpu.kernelBase), vcpu);
}

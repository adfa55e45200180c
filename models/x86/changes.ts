/** Slot number that stands for all slots of the frame. */
export const WHOLE_FRAME = -1;

/**
 * What the last operation may have changed: frames whose information or counts, and slots whose contents.
 * A model appends while it works; entries may repeat and may turn out unchanged. Whoever follows the model
 * step by step (lockstep, invariants) looks at these only.
 */
export class Changes {
  frames = new Int32Array(1024);
  frameCount = 0;
  /** Pairs of frame and slot. */
  slots = new Int32Array(1024);
  slotCount = 0;
  /** Base pointers, deferred table, descriptor tables or TLB of a vCPU, or that the domain dies; true of a model that does not tell. */
  vcpus = true;

  clear(): void {
    this.frameCount = 0;
    this.slotCount = 0;
  }

  frame(mfn: number): void {
    if (this.frameCount === this.frames.length) this.frames = doubled(this.frames);
    this.frames[this.frameCount++] = mfn;
  }

  slot(mfn: number, slot: number): void {
    if (this.slotCount * 2 === this.slots.length) this.slots = doubled(this.slots);
    this.slots[this.slotCount * 2] = mfn;
    this.slots[this.slotCount * 2 + 1] = slot;
    this.slotCount++;
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}

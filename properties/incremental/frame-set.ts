/** A set of frames that is emptied in constant time: a frame is in it if it carries the present stamp. */
export class FrameSet {
  /** The frames in it are the first `size` of these. */
  readonly list: Int32Array;
  size = 0;
  private readonly stamps: Int32Array;
  private stamp = 1;

  constructor(frames: number) {
    this.list = new Int32Array(frames);
    this.stamps = new Int32Array(frames);
  }

  /** False if the frame is in it already. */
  add(mfn: number): boolean {
    if (this.stamps[mfn] === this.stamp) return false;
    this.stamps[mfn] = this.stamp;
    this.list[this.size++] = mfn;
    return true;
  }

  clear(): void {
    this.size = 0; // without a look whether it is 0 already, which cannot be predicted
    if (++this.stamp === 0x7fffffff) {
      this.stamps.fill(0);
      this.stamp = 1;
    }
  }
}

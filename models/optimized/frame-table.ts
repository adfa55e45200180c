/** What is known of every frame, in typed arrays by frame number (Xen: struct page_info), and how it was at the start. */
export class FrameTable {
  limit = 0;
  /** Layout: `x86/page-type.ts`. */
  info = new Int32Array(0);
  typeCount = new Int32Array(0);
  generalCount = new Int32Array(0);
  linear = new Int16Array(0);
  /** nr_validated_ptes of a partial table. */
  from = new Int16Array(0);
  lostTypes = new Int32Array(0);
  lostGenerals = new Int32Array(0);
  m2pLow = new Int32Array(0);
  m2pHigh = new Int32Array(0);
  private startInfo = new Int32Array(0);
  private startTypeCount = new Int32Array(0);
  private startGeneralCount = new Int32Array(0);

  protected clearFrames(limit: number): void {
    this.limit = limit;
    this.info = new Int32Array(limit);
    this.typeCount = new Int32Array(limit);
    this.generalCount = new Int32Array(limit);
    this.linear = new Int16Array(limit);
    this.from = new Int16Array(limit);
    this.lostTypes = new Int32Array(limit);
    this.lostGenerals = new Int32Array(limit);
    this.m2pLow = new Int32Array(limit).fill(-1);
    this.m2pHigh = new Int32Array(limit).fill(-1);
  }

  protected keepFrames(): void {
    this.startInfo = this.info.slice();
    this.startTypeCount = this.typeCount.slice();
    this.startGeneralCount = this.generalCount.slice();
  }

  protected restoreFrame(mfn: number): void {
    this.info[mfn] = this.startInfo[mfn]!;
    this.typeCount[mfn] = this.startTypeCount[mfn]!;
    this.generalCount[mfn] = this.startGeneralCount[mfn]!;
    this.linear[mfn] = 0;
    this.from[mfn] = 0;
    this.lostTypes[mfn] = 0;
    this.lostGenerals[mfn] = 0;
    this.m2pLow[mfn] = -1;
    this.m2pHigh[mfn] = -1;
  }
}

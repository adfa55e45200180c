/**
 * The corpus of a run: of each cell (`cells.ts`) the shortest way in which one of its programs met it. Ways are merged in
 * any order, as often as one likes: the shortest stays, and of the shortest that of the first program.
 */

/** The first `operations` of the run's program of this number; the last of them meets the cell. */
export interface Way {
  readonly cell: number;
  readonly operations: number;
  readonly program: number;
}

export class Corpus {
  private readonly byCell = new Map<number, Way>();

  get size(): number {
    return this.byCell.size;
  }

  /** In the order of cells. */
  get ways(): readonly Way[] {
    return [...this.byCell.values()].sort((a, b) => a.cell - b.cell);
  }

  /** Keeps the way if it is better than the one that is known. */
  see(cell: number, operations: number, program: number): void {
    if (this.isBetter(cell, operations, program)) this.byCell.set(cell, { cell, operations, program });
  }

  merge(ways: readonly Way[]): void {
    for (const { cell, operations, program } of ways) this.see(cell, operations, program);
  }

  /** Those of the ways that are better than what is known. */
  better(ways: readonly Way[]): readonly Way[] {
    return ways.filter(({ cell, operations, program }) => this.isBetter(cell, operations, program));
  }

  private isBetter(cell: number, operations: number, program: number): boolean {
    const known = this.byCell.get(cell);
    if (known === undefined || operations < known.operations) return true;
    return operations === known.operations && program < known.program;
  }
}

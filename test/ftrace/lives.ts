/** What traced kernels do in tests. */
import { type Mm, mmAt, TracedKernel } from './kernel.js';

export const mm = mmAt(0x100);
/** Another root, which the trace does not build. */
export const SWAPPER = 0x50;

/** A process from fork to exit. */
export function life(kernel: TracedKernel): void {
  kernel.build(mm, 0x200);
  kernel.pgd_pin(mm);
  kernel.write_cr3(mm.pgd, mm.user);
  kernel.set_pte(mm.pte, 6, 0x201);
  kernel.set_pte(mm.pte, 7, 0x202, 0x67n, true);
  kernel.set_pte(mm.pte, 8, 0x203, 0x67n, true);
  kernel.issue();
  kernel.alloc_ptpage(mm, 0x204, 1, true);
  kernel.set_pmd(mm.pmd, 1, 0x204, true);
  kernel.set_pte(0x204, 0, 0x205);
  kernel.set_pmd(mm.pmd, 1, 0, true, 0n);
  kernel.release_ptpage(0x204, 1, true);
  kernel.write_cr3(SWAPPER, 0);
  kernel.pgd_unpin(mm);
}

/** Processes that are forked, run, changed and ended in any order on two CPUs. */
export function lives(draw: () => number): string {
  const below = (n: number) => Math.floor(draw() * n);
  const kernel = new TracedKernel();
  const [free, live]: [number[], Mm[]] = [Array.from({ length: 12 }, (_, i) => 0x100 + i * 8), []];
  const loaded = new Map<number, Mm>();
  for (let i = 0; i < 150; i++) {
    kernel.cpu = below(2);
    const one = live[below(live.length)];
    const dice = below(6);
    if (one === undefined || (dice === 0 && free.length > 0)) {
      const next = mmAt(free.splice(below(free.length), 1)[0]!);
      live.push(next);
      kernel.build(next, 0x200 + below(64));
      kernel.pgd_pin(next);
    } else if (dice === 1) {
      kernel.write_cr3(one.pgd, one.user);
      loaded.set(kernel.cpu, one);
    } else if (dice === 2) {
      for (const [cpu, running] of loaded) {
        if (running !== one) continue;
        kernel.cpu = cpu;
        kernel.write_cr3(SWAPPER, 0);
        loaded.delete(cpu);
      }
      kernel.pgd_unpin(one);
      live.splice(live.indexOf(one), 1);
      free.push(one.pgd);
    } else {
      const lazy = below(2) === 0;
      for (let n = below(3) + 1; n > 0; n--)
        kernel.set_pte(one.pte, below(512), 0x200 + below(64), 0x67n, lazy);
      if (lazy) kernel.issue();
    }
  }
  return kernel.text;
}

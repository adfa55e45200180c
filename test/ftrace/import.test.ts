import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import seedrandom from 'seedrandom';
import { afterAll, describe, expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { type Imported, importFtrace } from '../../src/ftrace/import.js';
import { replayFile, type Tally } from '../../src/replay/replay.js';
import { type Style, TracedKernel } from './kernel.js';
import { life, lives, mm, SWAPPER } from './lives.js';

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(content: string | Buffer): string {
  const path = join(folder, `${files++}.txt`);
  writeFileSync(path, content);
  return path;
}

/** Imports the trace; both models give every answer that the program has. */
async function imported(trace: string | Buffer): Promise<Imported> {
  const result = await importFtrace(file(trace));
  const tally: Tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
  const differences: unknown[] = [];
  await replayFile(file(result.text), [new ReferenceModel(), new OptimizedModel()], tally, (one) =>
    differences.push(one),
  );
  expect(differences).toEqual([]);
  expect(tally.operations).toBe(result.operations);
  return result;
}

/** Operations of the program, without the lines of the trace. */
function operations({ text }: { readonly text: string }): string[] {
  const lines = text.split('\n');
  return lines
    .slice(lines.findIndex((line) => line.startsWith('base')) + 1)
    .filter((line) => /^[^#]/.test(line));
}

const LIFE = readFileSync('test/ftrace/traces/life-6.1.pvmmu', 'utf8');

describe('an imported trace', () => {
  test.each<[string, Style]>([
    ['with the header of the tracing folder', { header: true }],
    ['without it', {}],
    ['of trace-cmd report', { traceCmd: true }],
    ['of trace-cmd report where it prints the fields', { traceCmd: true, fields: true }],
    ['in the latency format', { latency: true, header: true }],
    ['of a kernel before 4.12', { early: true }],
  ])('%s has the life of a process in it, which breaks no rule', async (_, style) => {
    const kernel = new TracedKernel(style);
    life(kernel);
    const result = await imported(kernel.text);
    expect(result.missing).toEqual([]);
    expect(result.findings).toEqual([]);
    expect(operations(result)).toEqual(operations({ text: LIFE }));
  });

  test('becomes the whole text of a program, the same each time', async () => {
    expect((await imported(readFileSync('test/ftrace/traces/life-6.1.txt'))).text).toBe(LIFE);
  });

  test('may be gzipped, and end its lines as Windows does', async () => {
    const kernel = new TracedKernel();
    life(kernel);
    const result = await imported(gzipSync(kernel.text.replaceAll('\n', '\r\n')));
    expect(result).toMatchObject({ missing: [], findings: [] });
  });

  test('of a 32-bit guest has its four-entry roots and their kernel L2s', async () => {
    const result = await imported(readFileSync('test/ftrace/traces/pae-3.2.txt'));
    expect(result).toMatchObject({ missing: [], findings: [] });
    expect(operations(result)).toEqual([
      'mmu_update 0x903[72] 0x910|P|RW|US|A|D|NX -> ok',
      'fill 0x901 [0]=0x903|P|RW|US|A|D',
      'fill 0x903 [72]=0x910|P|RW|US|A|D|NX',
      'fill 0x900 [0]=0x901|P [3]=0x902|P',
      'fill 0x902 [120]=0x100|P|RW|US|A|D',
      'multicall',
      '  update_va 0xcf001000 0x901|P|A|D|G -> ok',
      '  update_va 0xcf003000 0x903|P|A|D|G -> ok',
      '  pin L1 0x903 -> ok',
      '  update_va 0xcf000000 0x900|P|A|D|G flush -> ok',
      '  update_va 0xcf002000 0x902|P|A|D|G -> ok',
      '  pin L3 0x900 -> ok',
      'end -> ok',
      'new_baseptr 0x900 -> ok',
      'store 0x903[73] 0x911|P|RW|US|A|D|NX -> ok',
      'mmu_update 0x903[72] 0 -> ok',
    ]);
  });

  test('with hashed pointers says so, and keeps what has none', async () => {
    const result = await imported(readFileSync('test/ftrace/traces/hashed-5.10.txt'));
    expect(result.findings).toEqual([]);
    expect(result.missing.map(({ line, text }) => [line, text.includes('is a hash')])).toEqual([[6, true]]);
    expect(operations(result)).toEqual([
      'fill 0x100',
      'multicall',
      '  update_va 0xffff88801a2b3000 0x100|P|A|D|NX -> ok',
      '  pin L1 0x100 -> ok',
      'end -> ok',
      'multicall',
      '  unpin 0x100 -> ok',
      '  update_va 0xffff88801a2b3000 0x100|P|RW|A|D|NX -> ok',
      'end -> ok',
    ]);
    expect(result.text).toContain('# 0x100 is mfn 0x123456\n');
  });

  test('may end a process from before it', async () => {
    const kernel = new TracedKernel();
    kernel.set_pte(mm.pte, 3, 0x300);
    kernel.write_cr3(SWAPPER, 0);
    kernel.pgd_unpin(mm);
    kernel.build(mm, 0x300);
    kernel.pgd_pin(mm);
    const result = await imported(kernel.text);
    expect(result).toMatchObject({ missing: [], findings: [] });
    // Root, the user's root, swapper_pg_dir, and a table of each level.
    expect(result.assumed[0]!.text).toMatch(/^6 pages are tables when the trace begins/);
  });

  test('keeps the queues of several CPUs apart', async () => {
    const kernel = new TracedKernel();
    kernel.build(mm, 0x200);
    kernel.pgd_pin(mm);
    kernel.cpu = 3;
    kernel.write_cr3(mm.pgd, mm.user);
    kernel.set_pte(mm.pte, 7, 0x202, 0x67n, true);
    kernel.cpu = 9;
    kernel.set_pte(mm.pte, 9, 0x203, 0x67n, true);
    kernel.issue();
    kernel.cpu = 3;
    kernel.issue();
    const result = await imported(kernel.text);
    expect(result).toMatchObject({ missing: [], findings: [] });
    expect(operations(result).slice(-2)).toEqual([
      'cpu2: mmu_update 0xd1c[9] 0x1415|P|RW|US|A|D -> ok',
      'cpu1: mmu_update 0xd1c[7] 0x140e|P|RW|US|A|D -> ok',
    ]);
  });

  test('of more CPUs than a program has leaves the base pointers of the others out', async () => {
    const kernel = new TracedKernel();
    kernel.build(mm, 0x200);
    kernel.pgd_pin(mm);
    for (kernel.cpu = 0; kernel.cpu < 6; kernel.cpu++) kernel.write_cr3(mm.pgd, mm.user);
    const result = await imported(kernel.text);
    expect(result.missing).toEqual([{ line: 0, text: expect.stringContaining('CPUs 4, 5 are left out') }]);
    expect(operations(result).filter((line) => line.includes('new_baseptr'))).toHaveLength(4);
  });

  test('maps I/O as the hardware domain does', async () => {
    const kernel = new TracedKernel();
    kernel.build(mm, 0x200);
    kernel.pgd_pin(mm);
    const fb = '80000000000e0073';
    kernel.event('xen_mmu_set_pte', `ptep ${kernel.address(mm.pte, 9)} pteval ${fb} (raw ${fb})`);
    const result = await imported(kernel.text);
    expect(result.findings).toEqual([]);
    expect(result.text).toContain('machine x86_64 domain=hardware');
    expect(result.text).toContain('io 0xe0+0x1');
  });

  test.each(['a', 'b', 'c', 'd', 'e', 'f'])(
    'of a kernel without mistakes breaks no rule (seed %s)',
    async (seed) => {
      expect(await imported(lives(seedrandom(`ftrace ${seed}`)))).toMatchObject({
        missing: [],
        findings: [],
      });
    },
  );

  test.each(['a', 'b', 'c', 'd'])(
    'with lines that are gone, repeated or cut becomes a program all the same (seed %s)',
    async (seed) => {
      const draw = seedrandom(`damage ${seed}`);
      const damaged = lives(draw)
        .split('\n')
        .flatMap((line) => {
          const dice = draw();
          if (dice < 0.03) return [];
          if (dice < 0.04) return [line, line];
          return dice < 0.05 ? [line.slice(0, Math.floor(draw() * line.length))] : [line];
        });
      const { missing } = await imported(damaged.join('\n'));
      expect(missing).not.toEqual([]);
    },
  );
});

describe('an import assumes', () => {
  test('that entries without an event are cleared when their page becomes a table', async () => {
    const kernel = new TracedKernel();
    kernel.build(mm, 0x200);
    kernel.pgd_pin(mm);
    kernel.set_pte(mm.pte, 7, 0x204);
    kernel.alloc_ptpage(mm, 0x204, 1, true);
    const result = await imported(kernel.text);
    expect(result).toMatchObject({ missing: [], findings: [] });
    expect(result.assumed).toEqual([
      {
        line: expect.any(Number),
        text: expect.stringMatching(
          /^pfn 0x204 .* becomes a table; pfn 0x104 .*\[7\] maps it writable since line/,
        ),
      },
    ]);
    expect(operations(result)).toContain('store 0xd1c[7] 0 -> ok');
  });
});

describe('an import finds', () => {
  async function findings(act: (kernel: TracedKernel) => void): Promise<string[]> {
    const kernel = new TracedKernel();
    kernel.build(mm, 0x200);
    kernel.pgd_pin(mm);
    act(kernel);
    return (await imported(kernel.text)).findings.map(({ text }) => text);
  }

  test('an entry of a pinned table that makes a pagetable page writable', async () => {
    expect(await findings((kernel) => kernel.set_pte(mm.pte, 6, mm.pmd))).toEqual([
      'mmu_update 0xd1c[6] 0xd15|P|RW|US|A|D: EBUSY, expected ok (pfn 0x104 (frame 0xd1c), to pfn 0x103 (frame 0xd15))',
    ]);
  });

  test('a plain store to an upper table that is in use', async () => {
    expect(await findings((kernel) => kernel.set_pmd(mm.pmd, 3, 0x210))).toEqual([
      expect.stringMatching(/^store 0xd15\[3\] .*: fault, expected ok \(pfn 0x103 /),
    ]);
  });

  test('a second pin', async () => {
    expect(await findings((kernel) => kernel.pgd_pin(mm))).toEqual([
      expect.stringMatching(/^pin L1 0xd1c: EINVAL.*pfn 0x104/),
      expect.stringMatching(/^pin L4 0xd00: EINVAL.*pfn 0x100/),
      expect.stringMatching(/^pin L4 0xd07: EINVAL.*pfn 0x101/),
    ]);
  });

  test('an unpin of what is not pinned', async () => {
    const found = await findings((kernel) => {
      kernel.pgd_unpin(mm);
      kernel.pgd_unpin(mm);
    });
    expect(found[0]).toMatch(/^unpin 0xd00: EINVAL.*pfn 0x100/);
  });

  test('a base pointer that is still loaded when its root becomes writable', async () => {
    const found = await findings((kernel) => {
      kernel.cpu = 1;
      kernel.write_cr3(mm.pgd, mm.user);
      kernel.cpu = 0;
      kernel.pgd_unpin(mm);
    });
    expect(found).toContainEqual(
      expect.stringMatching(/^update_va 0xffff888000100000 .*: E\w+, expected ok/),
    );
  });

  test('a base pointer that is no root', async () => {
    const found = await findings((kernel) => kernel.write_cr3(mm.pmd, 0));
    expect(found).toEqual([expect.stringMatching(/^new_baseptr 0xd15: EINVAL, expected ok \(pfn 0x103/)]);
  });

  test('a page that Linux takes for unpinned while it is a table', async () => {
    expect(await findings((kernel) => kernel.release_ptpage(mm.pte, 1, false))).toEqual([
      expect.stringMatching(/^the kernel takes pfn 0x104 .* for unpinned/),
    ]);
  });
});

describe('an import says what is missing', () => {
  async function missing(act: (kernel: TracedKernel) => void): Promise<string[]> {
    const kernel = new TracedKernel();
    kernel.build(mm, 0x200);
    kernel.pgd_pin(mm);
    act(kernel);
    return (await imported(kernel.text)).missing.map(({ text }) => text);
  }

  test('where a line is none of a trace', async () => {
    expect(await missing((kernel) => kernel.lines.push('Segmentation fault'))).toEqual([
      '"Segmentation fault" is no line of a trace, expected TASK-PID [CPU] TIME: EVENT: FIELDS; skipped',
    ]);
  });

  test('where trace-cmd prints fields that are none of the event', async () => {
    const damaged = (kernel: TracedKernel) => kernel.event('xen_mmu_set_pte', '[FAILED TO PARSE] ptep=0x12');
    expect(await missing(damaged)).toEqual([
      expect.stringMatching(/^xen_mmu_set_pte: .* or its fields; skipped$/),
    ]);
  });

  test("where an event's fields are not as expected", async () => {
    expect(await missing((kernel) => kernel.event('xen_mmu_pgd_pin', 'mm 12 pgd'))).toEqual([
      'xen_mmu_pgd_pin: "mm 12 pgd", expected mm POINTER pgd POINTER; skipped',
    ]);
  });

  test('where events are lost, without taking the next flush for wrong', async () => {
    const lost = await missing((kernel) => {
      kernel.set_pte(mm.pte, 7, 0x202, 0x67n, true);
      kernel.lines.push('CPU:0 [LOST 12 EVENTS]');
      kernel.event('xen_mc_flush', 'flushing 9 hypercalls, 0 arg bytes, 0 callbacks');
    });
    expect(lost).toEqual(['events of CPU 0 are lost here']);
  });

  test('where a flush has more hypercalls than the trace', async () => {
    const flush = (kernel: TracedKernel) =>
      kernel.event('xen_mc_flush', 'flushing 3 hypercalls, 0 arg bytes, 0 callbacks');
    expect(await missing(flush)).toEqual([
      'CPU 0 flushes 3 hypercalls, the trace shows 0 (events are missing)',
    ]);
  });

  test('where hypercalls are queued at the end', async () => {
    expect(await missing((kernel) => kernel.set_pte(mm.pte, 7, 0x202, 0x67n, true))).toEqual([
      '1 hypercalls of CPU 0 are queued at the end, left out',
    ]);
  });

  test('where the time goes back', async () => {
    expect(await missing((kernel) => kernel.lines.push(kernel.lines[0]!))).toEqual([
      'the time goes back, expected the events of all CPUs in one order',
    ]);
  });

  test.each([
    ['nothing', '', 'the file is empty, expected the text of ftrace'],
    ['no event of Xen', '# tracer: nop\n', 'no event xen_mmu_* or xen_mc_*, expected the text of ftrace'],
    [
      'no event of the multicall buffer',
      ' a-1 [000] 1.0: xen_mmu_write_cr3: kernel cr3 1000\n',
      'no event xen_mc_flush, expected the xen_mc_* events besides xen_mmu_* (record all of xen:*)',
    ],
  ])('and refuses a file with %s', async (_, content, message) => {
    await expect(importFtrace(file(content))).rejects.toThrow(message);
  });
});

/**
 * Where an image of Xen takes and drops types: in the compare-and-exchanges of a page's type_info in _get_page_type and
 * _put_page_type (rules 16.2). An image has no symbols, but these are the only two functions that answer EINTR after one.
 */
import { readFileSync } from 'node:fs';
import type { Register } from './debugger.js';
import { TYPE_INFO } from './frame-table.js';

export interface Exchange {
  readonly address: bigint;
  /** Points to the page's struct page_info. */
  readonly page: Register;
}

export interface Exchanges {
  /** Where `_get_page_type(page, type, preemptible)` and `_put_page_type(page, flags, parent)` begin. */
  readonly get: bigint;
  readonly put: bigint;
  readonly all: readonly Exchange[];
}

/** Where Xen maps the image, whose addresses are those it is loaded at. */
const XEN_VIRT_START = 0xffff82d040000000n;
/** lock cmpxchg r64, TYPE_INFO(r64): lock, REX.W, opcode, ModRM with a displacement of 8 bits. */
const LOCK = 0xf0;
const REX_W = 0x48;
const CMPXCHG = [0x0f, 0xb1];
const SIB = 4;
/** In the order of their numbers in instructions. */
const NUMBERED: readonly Register[] = [
  ...(['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const),
];
const CALL = 0xe8;
/** What looks like a call may be part of something else; what is called so often is a function. */
const CALLS_MIN = 3;
const EINTR = Buffer.from(Int32Array.of(-4).buffer);

/** The exchanges of an image that is not compressed; undefined where they cannot be told, as in a debug build. */
export function findExchanges(image: string): Exchanges | undefined {
  const { code, address } = loaded(readFileSync(image));
  const starts = functionStarts(code);
  const found = new Map<number, (Exchange & { readonly offset: number })[]>();
  for (const exchange of exchangesIn(code, address)) {
    const next = starts.findIndex((start) => start > exchange.offset);
    const [begin, end] = [starts[next - 1] ?? 0, starts[next] ?? code.length];
    if (code.subarray(begin, end).includes(EINTR)) found.set(begin, [...(found.get(begin) ?? []), exchange]);
  }
  const beginOf = (count: number) => [...found.keys()].find((begin) => found.get(begin)!.length === count);
  const [get, put] = [beginOf(1), beginOf(2)];
  if (found.size !== 2 || get === undefined || put === undefined) return undefined;
  const all = [...found.values()].flat().map(({ address: at, page }) => ({ address: at, page }));
  return { get: address + BigInt(get), put: address + BigInt(put), all };
}

/** The one segment of the image's ELF file, which has 32 bits for the boot loader's sake, and where it runs. */
function loaded(file: Buffer): { code: Buffer; address: bigint } {
  const header = file.readUInt32LE(28);
  const [offset, address, size] = [4, 8, 16].map((at) => file.readUInt32LE(header + at)) as [
    number,
    number,
    number,
  ];
  return { code: file.subarray(offset, offset + size), address: XEN_VIRT_START + BigInt(address) };
}

function functionStarts(code: Buffer): number[] {
  const calls = new Uint8Array(code.length);
  for (let at = code.indexOf(CALL); at >= 0 && at + 5 <= code.length; at = code.indexOf(CALL, at + 1)) {
    const target = at + 5 + code.readInt32LE(at + 1);
    if (target >= 0 && target < code.length && calls[target]! < CALLS_MIN) calls[target]!++;
  }
  return [...calls.keys()].filter((at) => calls[at] === CALLS_MIN);
}

function* exchangesIn(code: Buffer, address: bigint): Generator<Exchange & { readonly offset: number }> {
  for (let at = code.indexOf(LOCK); at >= 0 && at + 6 <= code.length; at = code.indexOf(LOCK, at + 1)) {
    const [, rex, first, second, modrm, displacement] = code.subarray(at, at + 6) as unknown as number[];
    if ((rex! & 0xf8) !== REX_W || first !== CMPXCHG[0] || second !== CMPXCHG[1]) continue;
    if (modrm! >> 6 !== 1 || (modrm! & 7) === SIB || BigInt(displacement!) !== TYPE_INFO) continue;
    const page = NUMBERED[(modrm! & 7) | ((rex! & 1) << 3)]!;
    yield { offset: at, address: address + BigInt(at), page };
  }
}

/**
 * trace-cmd cannot evaluate the print formats that call functions of the kernel (pte_val, xen_hypercall_name) and prints the
 * recorded fields instead: `[FAILED TO PARSE] ptep=0xffff… pteval=1234`, pointers and longs in hexadecimal, other numbers in
 * decimal, an array byte by byte (libtraceevent, tep_print_field). An entry is as stored then; its pfn is not there.
 */
import type { XenEvent } from './event.js';

export const FAILED = '[FAILED TO PARSE]';
const FIELD = /(\w+)=(ARRAY\[[^\]]*\]|\S+)/g;
const NUMBER = /^(?:0x[0-9a-f]+|\d+)$/;
const ARGUMENTS = 6;
const FITS = 0n;

/** Level of the entry, and what a set of one is called in the fields. */
const SETS = [
  [1, 'pte'],
  [2, 'pmd'],
  [3, 'pud'],
  [4, 'p4d'],
  [4, 'pgd'],
] as const;

/** The event; undefined where the fields are not those of the event. */
export function readFields(event: string, text: string): XenEvent | undefined {
  const fields = new Map([...text.matchAll(FIELD)].map(([, name, value]) => [name!, value!]));
  const number = (name: string) => {
    const value = fields.get(name);
    return value !== undefined && NUMBER.test(value) ? BigInt(value) : undefined;
  };
  const op = number('op');
  if (event === 'xen_mc_entry') {
    const args = argumentsOf(fields.get('args') ?? '');
    return op === undefined || args === undefined ? undefined : { kind: 'entry', op: Number(op), args };
  }
  if (event === 'xen_mc_extend_args') {
    const result = number('res');
    if (op === undefined || result === undefined) return undefined;
    return { kind: 'extend', op: Number(op), fits: result === FITS };
  }
  for (const [level, name] of SETS) {
    const [pointer, raw] = [number(`${name}p`), number(`${name}val`)];
    if (pointer === undefined || raw === undefined) continue;
    const how = event.endsWith('_commit') ? 'preserve_ad' : event.endsWith('_atomic') ? 'store' : 'set';
    return { kind: 'set', level, pointer, user: number(`user_${name}p`) ?? 0n, value: undefined, raw, how };
  }
  return undefined;
}

/** `ARRAY[0b, 00, …]`: six longs, the lowest byte first. */
function argumentsOf(array: string): bigint[] | undefined {
  const bytes = /^ARRAY\[((?:[0-9a-f]{2}(?:, )?)+)\]$/.exec(array)?.[1]?.split(', ');
  if (bytes === undefined || (bytes.length !== ARGUMENTS * 4 && bytes.length !== ARGUMENTS * 8))
    return undefined;
  const size = bytes.length / ARGUMENTS;
  return Array.from({ length: ARGUMENTS }, (_, i) =>
    BigInt(
      `0x${bytes
        .slice(i * size, (i + 1) * size)
        .toReversed()
        .join('')}`,
    ),
  );
}

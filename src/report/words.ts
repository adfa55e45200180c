/** How reports say things in plain text. */
import type { Violation } from '../../properties/index.js';
import { INVARIANTS } from '../../properties/index.js';
import { entryName } from '../../properties/wording.js';
import type { Machine } from '../program/machine.js';
import { losesCount } from '../fuzz/trials.js';
import { frameName } from '../text/naming.js';
import { printOperation } from '../text/print.js';
import { operationStarts } from '../program/record.js';
import type { EntryChange, FrameChange, FrameFacts } from './changes.js';
import type { Step, Story } from './story.js';

export const COLUMNS = 72;

/** The text in lines of at most so many columns; a word that is longer stands alone. */
export function wrap(text: string, first = '', rest = first, columns = COLUMNS): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line.trimEnd());
      line = rest;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  lines.push(line.trimEnd());
  return lines;
}

const ASCII: readonly (readonly [from: string, to: string])[] = [
  ['→', '->'],
  ['’', "'"],
  ['‘', "'"],
  ['“', '"'],
  ['”', '"'],
  ['…', '...'],
  ['–', '-'],
  ['—', '-'],
];

/** Mail goes through many hands: plain ASCII. */
export function ascii(text: string): string {
  return ASCII.reduce((plain, [from, to]) => plain.replaceAll(from, to), text);
}

/** `L2 1 partial pinned`: type, type count, and what is unusual. */
export function factsText({ type, typeCount, contents, pinned, guests }: FrameFacts): string {
  const words = [type, String(typeCount)];
  if (contents === 'partial' || (contents === 'unvalidated' && typeCount > 0)) words.push(contents);
  if (pinned) words.push('pinned');
  if (!guests) words.push("not the guest's");
  return words.join(' ');
}

/** The changes of a step, a line each: `F1: writable 1 -> L1 1 pinned`. What several have in common is said once. */
export function changeLines({ frames, entries, cpus }: Step): string[] {
  return [
    ...joined(frames, ({ name }) => splitName(name), frameText),
    ...joined(entries, ({ mfn, slot, name }) => [`${mfn}`, slot, name.replace(/\[\d+\]$/, '[')], entryText),
    ...cpus.map(({ what, before, after }) => `${what}: ${before} -> ${after}`),
  ];
}

function frameText({ before, after }: FrameChange): string {
  const [old, now] = [factsText(before), factsText(after)];
  return [
    old === now ? now : `${old} -> ${now}`,
    ...(before.references === after.references ? [] : [`refs ${before.references} -> ${after.references}`]),
    ...(before.linear === after.linear ? [] : [`linear ${before.linear} -> ${after.linear}`]),
  ].join(', ');
}

function entryText({ before, after }: EntryChange): string {
  return `${before.text} -> ${after.text}`;
}

/** What a number is counted in, the number, and how its name begins. */
type Place = readonly [group: string, number: number, begin: string];

/** `F12` begins with F; a frame without a name is alone. */
function splitName(name: string): Place {
  const [, letter, number] = /^([FK])(\d+)$/.exec(name) ?? [];
  return letter === undefined ? [name, 0, name] : [letter, Number(number), letter];
}

/** A line each; neighbours of which the same is said share one, `F0..F7: …`. */
function joined<T>(items: readonly T[], placeOf: (item: T) => Place, textOf: (item: T) => string): string[] {
  const runs: { place: Place; last: number; text: string }[] = [];
  for (const item of items.toSorted((a, b) => placeOf(a)[1] - placeOf(b)[1])) {
    const [group, number] = placeOf(item);
    const text = textOf(item);
    const run = runs.find((one) => one.place[0] === group && one.last === number - 1 && one.text === text);
    if (run) run.last = number;
    else runs.push({ place: placeOf(item), last: number, text });
  }
  return runs.map(({ place: [, first, begin], last, text }) => {
    const isEntry = begin.endsWith('[');
    const number = isEntry || /^[FK]$/.test(begin) ? String(first) : '';
    const range = last > first ? `..${isEntry ? '' : begin}${last}` : '';
    return `${begin}${number}${range}${isEntry ? ']' : ''}: ${text}`;
  });
}

/** The operation that failed, in one line and without its answer. */
function failedOperation({ program: { code, machine }, failure }: Story): string {
  const at = operationStarts(code)[failure!.operation];
  if (at === undefined) return 'the start';
  const [first, ...more] = printOperation(code, at, machine).split('\n');
  return more.length > 0 ? `${first} (with ${more.length - 1} elements)` : first!;
}

/** One sentence that names what is wrong. */
export function titleOf(story: Story): string {
  const { failure, broken, steps } = story;
  if (!failure) return 'The program does not fail.';
  const [violation] = broken;
  if (violation) return violation.message;
  const step = steps.at(-1);
  if (failure.kind === 'result' && step?.rules !== undefined)
    return `"${failedOperation(story)}" answers ${step.answer}, but the rules say ${step.rules}.`;
  if (failure.kind === 'assertion') return `At "${failedOperation(story)}" ${assertionText(story)}.`;
  return `After "${failedOperation(story)}": ${failure.message}`;
}

/** What a model says that gave up, with frames by their names. */
export function assertionText({ failure, program }: Story): string {
  return failure!.message
    .replace(/^(?:\w*Error: )+/, '')
    .replaceAll(/\bframe 0x([0-9a-f]+)/g, (_, mfn: string) => frameName(parseInt(mfn, 16), program.machine))
    .replace(/\.$/, '');
}

/** What it means for who has never seen the tool. */
export function meaningOf(story: Story): string {
  const { failure, broken, steps } = story;
  if (!failure) return 'Both models answer alike, and every invariant holds after every step.';
  const step = steps.at(-1);
  const parts: string[] = [];
  if (step?.rules !== undefined && broken.length > 0)
    parts.push(`Step ${step.number} answers ${step.answer}; Xen's rules say ${step.rules}.`);
  const what = broken[0]?.invariant ?? failure.kind;
  parts.push(MEANINGS[what] ?? INVARIANTS.find(({ name }) => name === what)?.why ?? '');
  return parts.join(' ');
}

const MEANINGS: Readonly<Record<string, string>> = {
  'hardware-walk':
    'The processor lets the guest write what it uses itself as a pagetable or descriptor table. Such a guest maps all of the memory of the machine, the hypervisor included.',
  'bounded-work':
    'A guest that keeps Xen working without a look for pending events holds a processor for as long as it likes.',
  'bounded-recursion': "Calls that nest as deep as a guest likes overflow the hypervisor's stack (XSA-240).",
  'nothing-lost':
    'A reference that nobody can drop any more keeps the frame from ever becoming anything else, or from being freed.',
  result:
    'Xen then does what it must not do, or refuses what a guest is entitled to. No invariant is broken in this state yet; the answer alone is wrong.',
  state:
    'What Xen has on record of the frame is not what its own rules give. No invariant is broken in this state yet; the next decision about the frame rests on wrong data.',
  assertion:
    'Xen stops the host here (BUG_ON, or an access beyond its own memory): a guest takes down all others.',
};

/** `hardware-walk: what must hold` */
export function ruleText({ invariant }: Violation): string {
  const meaning = INVARIANTS.find(({ name }) => name === invariant)?.meaning;
  return meaning === undefined ? invariant : `${invariant}: ${meaning}`;
}

/** `B4[511] -> B2[0]`, from the base pointer down; the entry alone where no path is known. */
export function pathText({ path, entry }: Violation, machine: Machine): string | undefined {
  const places = path ?? (entry ? [entry] : []);
  if (places.length === 0) return undefined;
  return places.map(({ mfn, slot }) => entryName(mfn, slot, machine)).join(' -> ');
}

/** Where a finding goes. */
export function adviceOf({ failure, defects, court }: Story): string | undefined {
  if (!failure) return undefined;
  if (defects.length > 0) {
    const fixes = [...new Set(defects.map(({ fix }) => fix))].filter((fix) => fix !== 'none');
    if (fixes.length === 0) return 'A mistake made on purpose; no released Xen has it.';
    return `A mistake of Xen's history, made on purpose; Xen fixed it in ${fixes.join(', ')}.`;
  }
  if (failure.kind === 'invariant' || failure.kind === 'assertion' || losesCount(court))
    return 'If Xen itself does this: send it to security@xenproject.org first, not to a public list.';
  return 'The two models of pvmmu differ: one of them is wrong. It says nothing about Xen before it is clear which.';
}

import { describe, expect, it } from 'vitest';
import { Words } from '../../src/text/words.js';

const words = new Words([
  ['pin', 1],
  ['unpin', 2],
  ['new_baseptr', 3],
]);

function find(text: string): number | undefined {
  const bytes = Buffer.from(`<${text}>`);
  return words.find(bytes, 1, bytes.length - 1);
}

describe('Words', () => {
  it('finds each word by its bytes', () => {
    expect(['pin', 'unpin', 'new_baseptr'].map(find)).toStrictEqual([1, 2, 3]);
  });

  it.each(['', 'pi', 'pins', 'Pin', 'nip', 'new_baseptR'])('does not take %j for a word', (text) => {
    expect(find(text)).toBeUndefined();
  });

  it('finds every one of many words', () => {
    const many = Array.from({ length: 500 }, (_, i) => [`w${i}`, i] as const);
    const set = new Words(many);
    for (const [name, i] of many) expect(set.find(Buffer.from(name), 0, name.length)).toBe(i);
  });

  it.each([
    ['pinn', 'pin'],
    ['inpin', 'unpin'],
    ['new_basptr', 'new_baseptr'],
    ['new-baseptr', 'new_baseptr'],
    ['set_gdt', undefined],
    ['x', undefined],
    ['p'.repeat(1000), undefined],
  ])('suggests for %j %j', (text, suggestion) => {
    expect(words.nearest(text)).toBe(suggestion);
  });
});

/** Levenshtein distance: letters to change, add or leave out. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length] as number;
}

/** The name that was probably meant: one that few changed letters turn `text` into. */
export function nearest(text: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(text.length / 3)) + 1;
  if (text.length > 2 * Math.max(...names.map((name) => name.length))) return undefined;
  for (const name of names) {
    const changes = distance(text, name);
    if (changes < least) [best, least] = [name, changes];
  }
  return best;
}

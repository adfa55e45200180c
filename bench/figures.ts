const asJson = process.argv.includes('--json');
const figures: Record<string, { value: number; unit: string }> = {};

if (asJson) process.on('exit', () => console.log(JSON.stringify(figures)));

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** One figure as `name: value unit`; with --json all of them as one object at the end. */
export function print(name: string, value: number, unit: string): void {
  if (asJson) figures[name] = { value, unit };
  else console.log(`${name}: ${Number(value.toPrecision(3))} ${unit}`);
}

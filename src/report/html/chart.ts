/** A quantity over time, as a line in SVG. */

export interface Point {
  readonly seconds: number;
  readonly value: number;
}

const CHART = { width: 760, height: 220, left: 90, bottom: 30, top: 12, right: 48 };
const MARKS = [0, 0.5, 1];

/** `name` says what the values are, `label` what the line comes to. */
export function chart(points: readonly Point[], name: string, label: string): string {
  const { width, height, left, bottom, top, right } = CHART;
  const end = Math.max(points.at(-1)?.seconds ?? 0, 0.001);
  const most = Math.max(...points.map(({ value }) => value), 1);
  const x = (seconds: number) => left + (seconds / end) * (width - left - right);
  const y = (value: number) => height - bottom - (value / most) * (height - bottom - top);
  const line = points.map((one) => `${x(one.seconds).toFixed(1)},${y(one.value).toFixed(1)}`).join(' ');
  return `<div class="graph" tabindex="0" role="region" aria-label="${name} over time"><svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}" style="min-width:36rem">
${MARKS.map((part) => `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(part * most)}" y2="${y(part * most)}"/><text class="tick" x="${left - 8}" y="${y(part * most) + 4}">${Math.round(part * most).toLocaleString('en')}</text>`).join('\n')}
${MARKS.map((part) => `<text class="tick middle" x="${x(part * end)}" y="${height - 8}">${spanText(part * end, end)}</text>`).join('\n')}
<polyline class="line" points="${line}"/></svg></div>`;
}

/** A time in the unit that suits `end`. */
function spanText(seconds: number, end: number): string {
  if (end < 600) return `${seconds.toFixed(1)} s`;
  return end < 36_000 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

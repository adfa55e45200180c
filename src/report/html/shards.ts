/** What a campaign over many shards shows besides: how far it is, its speed, and what has been met. */
import { chart, type Point } from './chart.js';
import { text } from './page.js';

export interface Shards {
  readonly all: number;
  readonly done: number;
  readonly running: number;
  readonly stopped: boolean;
  readonly poisoned: readonly { readonly from: number; readonly reason: string }[];
  /** Operations a second, over time. */
  readonly rates: readonly Point[];
  /** Of each operation the cells that were met, of all known, and those that were not (`src/fuzz/cells.ts`). */
  readonly coverage: readonly {
    readonly operation: string;
    readonly hit: number;
    readonly all: number;
    readonly missing: readonly string[];
  }[];
}

export function shardsHtml({ all, done, running, stopped, poisoned }: Shards): string {
  const waiting = Math.max(0, all - done - running - poisoned.length);
  const states = [
    ['done', done],
    ['under way', running],
    [stopped ? 'stopped' : 'waiting', waiting],
    ['set aside', poisoned.length],
  ] as const;
  const bars = states.map(
    ([name, count]) =>
      `<li><span>${name}</span>${barHtml(count, all)}<span class="said">${count.toLocaleString('en')} of ${all.toLocaleString('en')}</span></li>`,
  );
  const aside = poisoned.map(
    ({ from, reason }) =>
      `<li>The shard from program ${from.toLocaleString('en')} on was set aside: ${text(reason)}</li>`,
  );
  return `<section class="panel" aria-labelledby="h-shards"><h2 id="h-shards">Shards</h2><ul class="bars">${bars.join('')}</ul>${aside.length > 0 ? `<ul class="lines">${aside.join('')}</ul>` : ''}</section>`;
}

export function ratesHtml({ rates }: Shards): string {
  const most = Math.round(Math.max(0, ...rates.map(({ value }) => value))).toLocaleString('en');
  const label = `At most ${most} operations a second`;
  return `<section class="panel" aria-labelledby="h-rate"><h2 id="h-rate">Operations a second</h2>${chart(rates, 'Operations a second', label)}</section>`;
}

export function coverageHtml({ coverage }: Shards): string {
  const bars = coverage.map(({ operation, hit, all, missing }) => {
    const said = hit === 0 ? 'never tried' : `${hit} of ${all}`;
    const never = missing.length === 0 || hit === 0 ? '' : ` title="never met: ${text(missing.join('; '))}"`;
    return `<li${never}><code>${text(operation)}</code>${barHtml(hit, all)}<span class="said">${said}</span></li>`;
  });
  const [hit, all] = [sum(coverage.map((one) => one.hit)), sum(coverage.map((one) => one.all))];
  return `<section class="panel" aria-labelledby="h-cells"><h2 id="h-cells">What has been met: ${hit} of ${all} cells</h2><p>A cell is an operation, the level that it asks for or writes to, what the frame that it names was before, and its answer. All are those that long runs have met.</p><ul class="bars">${bars.join('')}</ul></section>`;
}

function barHtml(part: number, all: number): string {
  return part === 0
    ? '<span></span>'
    : `<span class="bar" style="width:${((100 * part) / all).toFixed(1)}%"></span>`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

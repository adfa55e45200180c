/** What a run of the fuzzer did, as a page: its speed, what operations were answered, its finds, and the zoo. */
import zoo from '../../../docs/zoo.json' with { type: 'json' };
import manifest from '../../../package.json' with { type: 'json' };
import { catches, type HuntFigures, median } from '../../zoo/figures.js';
import { documentText, text } from './page.js';

export interface Sample {
  readonly seconds: number;
  readonly operations: number;
}

export interface Campaign {
  readonly arches: readonly string[];
  readonly judged: string;
  readonly operations: number;
  readonly programs: number;
  readonly seconds: number;
  readonly repeat: string;
  /** From the beginning on. */
  readonly samples: readonly Sample[];
  /** By operation and answer, how often. */
  readonly answers: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly finds: readonly {
    readonly id: string;
    readonly title: string;
    readonly known: boolean;
    /** Address of its page, from this one. */
    readonly page: string;
  }[];
  /** Ids of kept finds that no longer fail. */
  readonly fixed: readonly string[];
}

export function campaignPage(campaign: Campaign): string {
  const { finds, operations, programs, seconds } = campaign;
  const title =
    finds.length === 0 ? 'Nothing found' : `${finds.length} ${finds.length === 1 ? 'find' : 'finds'}`;
  const rate = Math.round(operations / Math.max(seconds, 0.001));
  const facts = [
    ['Operations', number(operations)],
    ['Programs', number(programs)],
    ['Seconds', seconds.toFixed(1)],
    ['Operations a second', number(rate)],
    ['On', campaign.arches.join(', ')],
    ['Judged', campaign.judged],
  ];
  return documentText(
    `${title} · campaign · pvmmu`,
    `<header class="top"><span>pvmmu ${manifest.version} · fuzzing campaign</span></header>
<main><h1>${title}</h1>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${text(value!)}</dd></div>`).join('')}</dl>
<div class="stack">
${findsHtml(campaign)}
<section class="panel" aria-labelledby="h-time"><h2 id="h-time">Operations over time</h2>${chart(campaign.samples)}</section>
${heatMap(campaign.answers)}
${zooHtml()}
<section class="panel" aria-labelledby="h-repeat"><h2 id="h-repeat">Repeat it</h2><pre tabindex="0">${text(campaign.repeat)}</pre></section>
</div></main>`,
  );
}

function findsHtml({ finds, fixed }: Campaign): string {
  const lines = [
    ...finds.map(
      ({ id, title, known, page }) =>
        `<li><a href="${text(page)}">${text(title)}</a> <code>${text(id)}</code>${known ? ' known before' : ''}</li>`,
    ),
    ...fixed.map((id) => `<li><code>${text(id)}</code> no longer fails</li>`),
  ];
  const list =
    lines.length > 0 ? `<ul class="lines">${lines.join('')}</ul>` : '<p>No program has failed.</p>';
  return `<section class="panel" aria-labelledby="h-finds"><h2 id="h-finds">Finds</h2>${list}</section>`;
}

const CHART = { width: 760, height: 220, left: 90, bottom: 30, top: 12, right: 48 };

function chart(samples: readonly Sample[]): string {
  const last = samples.at(-1);
  if (!last || last.operations === 0) return '<p>No operation was run.</p>';
  const { width, height, left, bottom, top, right } = CHART;
  const x = (seconds: number) => left + (seconds / Math.max(last.seconds, 0.001)) * (width - left - right);
  const y = (operations: number) =>
    height - bottom - (operations / last.operations) * (height - bottom - top);
  const points = samples
    .map((one) => `${x(one.seconds).toFixed(1)},${y(one.operations).toFixed(1)}`)
    .join(' ');
  const marks = [0, 0.5, 1];
  const label = `${number(last.operations)} operations in ${last.seconds.toFixed(1)} seconds`;
  return `<div class="graph" tabindex="0" role="region" aria-label="Operations over time"><svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}" style="min-width:36rem">
${marks.map((part) => `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(part * last.operations)}" y2="${y(part * last.operations)}"/><text class="tick" x="${left - 8}" y="${y(part * last.operations) + 4}">${number(Math.round(part * last.operations))}</text>`).join('\n')}
${marks.map((part) => `<text class="tick middle" x="${x(part * last.seconds)}" y="${height - 8}">${(part * last.seconds).toFixed(1)} s</text>`).join('\n')}
<polyline class="line" points="${points}"/></svg></div>`;
}

/** Rows are operations, columns answers; the colour is the share of the row. */
function heatMap(answers: Campaign['answers']): string {
  const rows = Object.entries(answers);
  const totals = new Map<string, number>();
  for (const [, row] of rows)
    for (const [answer, count] of Object.entries(row)) totals.set(answer, (totals.get(answer) ?? 0) + count);
  const columns = [...totals].sort((a, b) => b[1] - a[1]).map(([answer]) => answer);
  const head = columns.map((answer) => `<th scope="col">${text(answer)}</th>`).join('');
  const body = rows.map(([operation, row]) => {
    const total = Object.values(row).reduce((sum, count) => sum + count, 0);
    const cells = columns.map((answer) => heatCell(row[answer] ?? 0, total));
    return `<tr><th scope="row">${text(operation)}</th>${cells.join('')}<td>${number(total)}</td></tr>`;
  });
  return `<section class="panel" aria-labelledby="h-answers"><h2 id="h-answers">What operations were answered</h2><div class="scroll" tabindex="0" role="region" aria-labelledby="h-answers"><table class="heat"><caption>Share of each operation's answers, in per cent</caption><thead><tr><th scope="col">operation</th>${head}<th scope="col">all</th></tr></thead><tbody>${body.join('\n')}</tbody></table></div></section>`;
}

function heatCell(count: number, total: number): string {
  if (count === 0) return '<td></td>';
  const share = count / total;
  const shown = share < 0.001 ? '<0.1' : (100 * share).toFixed(1);
  return `<td style="--heat:${Math.max(4, Math.round(36 * Math.sqrt(share)))}%" title="${number(count)}">${text(shown)}</td>`;
}

/** How much it takes to find each mistake of Xen's history, as measured last. */
function zooHtml(): string {
  const hunted = zoo.defects.map(({ id, hunts }) => {
    const found = (hunts as readonly HuntFigures[]).filter(({ caught }) => caught);
    return {
      id,
      found: catches(hunts as readonly HuntFigures[]).length,
      of: hunts.length,
      operations: median(found.map(({ operations }) => operations)),
    };
  });
  const most = Math.log10(Math.max(...hunted.map(({ operations = 1 }) => operations)) + 1);
  const bars = hunted
    .toSorted((a, b) => (a.operations ?? Infinity) - (b.operations ?? Infinity))
    .map(({ id, found, of, operations }) => {
      const share = operations === undefined ? 0 : Math.log10(operations + 1) / most;
      const said =
        operations === undefined ? 'not found' : `${number(operations)} operations, ${found} of ${of} seeds`;
      return `<li><code>${text(id)}</code><span class="bar" style="width:${(share * 100).toFixed(1)}%"></span><span class="said">${said}</span></li>`;
    });
  return `<section class="panel" aria-labelledby="h-zoo"><h2 id="h-zoo">The zoo: what it takes to find each mistake of Xen's history</h2><p>Median of operations until it is found, on a logarithmic scale, as measured with this version (docs/zoo.md).</p><ul class="bars">${bars.join('')}</ul></section>`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}

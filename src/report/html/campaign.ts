/** What a run of the fuzzer did, as a page: its finds, its speed, what operations were answered, and the zoo or its shards. */
import zoo from '../../../docs/zoo.json' with { type: 'json' };
import manifest from '../../../package.json' with { type: 'json' };
import { catches, type HuntFigures, median } from '../../zoo/figures.js';
import { chart } from './chart.js';
import { documentText, text } from './page.js';
import { coverageHtml, ratesHtml, type Shards, shardsHtml } from './shards.js';

export interface Sample {
  readonly seconds: number;
  readonly operations: number;
}

export interface ListedFind {
  readonly id: string;
  readonly title: string;
  readonly known: boolean;
  /** Address of its page, from the campaign's. */
  readonly page: string;
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
  readonly finds: readonly ListedFind[];
  /** Ids of kept finds that no longer fail. */
  readonly fixed: readonly string[];
  /** Of a run in shards that may still go on, in the place of the zoo. */
  readonly shards?: Shards;
  /** Seconds after which a browser reads the page again. */
  readonly refresh?: number | undefined;
}

export function campaignPage(campaign: Campaign): string {
  const { finds, operations, programs, seconds, shards, refresh } = campaign;
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
${shards ? shardsHtml(shards) : ''}
${timeHtml(campaign.samples)}
${shards ? ratesHtml(shards) : ''}
${shards ? coverageHtml(shards) : ''}
${heatMap(campaign.answers)}
${shards ? '' : zooHtml()}
<section class="panel" aria-labelledby="h-repeat"><h2 id="h-repeat">Repeat it</h2><pre tabindex="0">${text(campaign.repeat)}</pre></section>
</div></main>`,
    refresh,
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

function timeHtml(samples: readonly Sample[]): string {
  const last = samples.at(-1);
  const label = last && `${number(last.operations)} operations in ${last.seconds.toFixed(1)} seconds`;
  const shown =
    !last || last.operations === 0
      ? '<p>No operation was run.</p>'
      : chart(
          samples.map(({ seconds, operations }) => ({ seconds, value: operations })),
          'Operations',
          label!,
        );
  return `<section class="panel" aria-labelledby="h-time"><h2 id="h-time">Operations over time</h2>${shown}</section>`;
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

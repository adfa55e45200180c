/** A report as one HTML file: no network, no framework, everything inside. */
import manifest from '../../../package.json' with { type: 'json' };
import { INVARIANTS } from '../../../properties/index.js';
import { CLASS_WORDS, classOf } from '../../fuzz/class.js';
import { entryName } from '../../../properties/wording.js';
import { frameName } from '../../text/naming.js';
import { candidateText } from '../../shrink/text.js';
import { printMachineLine } from '../../text/machine-line.js';
import { causalSlice } from '../slice.js';
import { repeatCommand } from '../mail.js';
import type { Step, Story } from '../story.js';
import { adviceOf, changeLines, meaningOf, titleOf } from '../words.js';
import { pageScript, type PageScene } from './client.js';
import { layoutOf, type Layout } from './layout.js';
import { type Scene, scenesOf } from './scene.js';
import { STYLE } from './style.js';
import { edgeLooks, frameLook, svgOf } from './svg.js';

/** What another page puts around the same view. */
export interface Surroundings {
  /** Before the replay. */
  readonly above?: string;
  readonly title?: string;
  readonly lead?: string;
  /** Draw all frames under test. */
  readonly allFrames?: true;
}

/** The complete file. */
export async function pageText(story: Story, around: Surroundings = {}): Promise<string> {
  const scenes = scenesOf(story, around.allFrames);
  const layouts = await Promise.all(scenes.map(layoutOf));
  const title = around.title ?? titleOf(story);
  return documentText(
    `${title} · pvmmu`,
    `<header class="top"><span>pvmmu ${manifest.version} · ${story.failure ? 'counterexample' : 'program'} <code>${story.id}</code></span><button id="theme" type="button">Dark / light</button></header>
<main>
<h1>${text(title)}</h1>
<p class="lead">${text(around.lead ?? meaningOf(story))}</p>
${factsHtml(story)}
${around.above ?? ''}
${replayHtml(story, scenes, layouts)}
<div class="below">
${walkHtml(story)}
${causesHtml(story)}
${tableHtml()}
${repeatHtml(story)}
</div>
</main>
<footer><p>${[
      adviceOf(story),
      `Rules: Xen 4.17, docs/xen-mmu-rules.md. Frames F0, F1, … are under test; B1 to B4 are the boot pagetable by level.`,
    ]
      .filter((one) => one !== undefined)
      .map(text)
      .join(' ')}</p></footer>
<div id="announced" class="unseen" aria-live="polite"></div>
<script type="application/json" id="data">${json(scenes.map((scene, i) => pageScene(scene, i === scenes.length - 1 ? walkOf(story) : new Set())))}</script>
<script>(${pageScript.toString()})()</script>`,
  );
}

/** An HTML document with the look of all pages, and leave to run only what is in it. */
/** With `refresh` a browser reads it again after so many seconds. */
export function documentText(title: string, body: string, refresh?: number): string {
  const again = refresh === undefined ? '' : `\n<meta http-equiv="refresh" content="${refresh}">`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; form-action 'self'">
<link rel="icon" href="data:,">${again}
<title>${text(title)}</title>
<style>${STYLE}</style>
</head>
<body><div class="wrap">
${body}
</div></body>
</html>
`;
}

/** Text as HTML shows it literally. */
export function text(plain: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return plain.replaceAll(/[&<>"]/g, (character) => entities[character]!);
}

function json(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** Names of the entries that the processor walks to where it must not come. */
function walkOf({ broken, program: { machine } }: Story): ReadonlySet<string> {
  return new Set((broken[0]?.path ?? []).map(({ mfn, slot }) => entryName(mfn, slot, machine)));
}

function pageScene(scene: Scene, walk: ReadonlySet<string>): PageScene {
  const { first, frames, edges, states } = scene;
  const last = states.length - 1;
  return {
    first,
    frameNames: frames.map(({ name }) => name),
    edgeNames: edges.map(({ name }) => name),
    frames: states.map((state) => state.frames.map(frameLook)),
    edges: states.map((state, at) =>
      edgeLooks(scene, state).map(([look, ...rest], i) => {
        if (look === undefined) return [];
        return [at === last && walk.has(edges[i]!.name) ? `${look} walk` : look, ...rest];
      }),
    ),
    broken: states.map(({ broken }) => broken),
    bases: states.map(({ bases }) => bases),
  };
}

function factsHtml(story: Story): string {
  const { program, defects, failure, operations, steps } = story;
  const facts: [string, string][] = [
    [
      'Verdict',
      failure
        ? `<span class="badge">${verdictText(story)}</span>`
        : '<span class="badge fine">nothing fails</span>',
    ],
    ['Machine', `<code>${text(printMachineLine(program.machine).replace(/^machine /, ''))}</code>`],
    [
      'Semantics',
      `Xen 4.17, ${program.machine.quirks === 'intended' ? 'without the references it loses' : 'as shipped'}`,
    ],
    ...defects.map(({ id, advisory, title }): [string, string] => [
      'Defect',
      text(`${[advisory, id].filter((word) => word !== undefined).join(', ')}: ${title}`),
    ]),
    ['Takes', CLASS_WORDS[classOf(program)]],
    ...(steps.length < operations
      ? [
          ['Length', `${operations.toLocaleString('en')} operations, of which ${steps.length} are shown`] as [
            string,
            string,
          ],
        ]
      : []),
  ];
  return `<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>`;
}

function verdictText({ failure, broken }: Story): string {
  if (failure?.kind === 'assertion') return 'Xen would stop';
  return broken.length > 0 ? 'an invariant is broken' : 'not what the rules say';
}

function replayHtml(story: Story, scenes: readonly Scene[], layouts: readonly Layout[]): string {
  const shown = openedScene(story, scenes);
  const last = scenes[shown]!;
  const states = last.states.length - 1;
  return `<div class="replay">
<div class="stack">
<section class="panel" aria-labelledby="h-program"><h2 id="h-program">Program</h2>
${windowPicker(scenes, shown)}
<p class="machine mono">${text(printMachineLine(story.program.machine))}</p>
<ol id="program" tabindex="-1">
${scenes.flatMap((scene, i) => scene.steps.map((step) => stepButton(step, i))).join('\n')}
</ol></section>
<section class="panel" id="changes" aria-labelledby="h-changes"><h2 id="h-changes">What the step changed</h2>
<p id="at-start" hidden>Nothing yet: this is the state before the first step shown.</p>
${scenes
  .flatMap((scene) => scene.steps)
  .map(changesHtml)
  .join('\n')}
</section>
</div>
<div class="stack">
<section class="panel" aria-labelledby="h-state"><h2 id="h-state">Pagetables after <span id="shown">step ${last.last}</span></h2>
<div class="controls"><button type="button" id="back" aria-label="One step back">← Back</button>
<label><span>Step</span><input type="range" id="step" min="0" max="${states}" value="${states}" step="1"></label>
<button type="button" id="forward" aria-label="One step on">On →</button></div>
${scenes.map((scene, i) => `<div class="graph" data-scene="${i}" tabindex="0" role="region" aria-label="Drawing of the pagetables"${i === shown ? '' : ' hidden'}>${svgOf(scene, layouts[i]!, `graph-${i}`)}</div>`).join('\n')}
<ul class="legend"><li><i></i>entry</li><li class="rw"><i></i>RW: a writable mapping</li><li class="idle"><i></i>in a frame that is no table now</li><li class="now"><i></i>changed by this step</li><li>×2: type count</li><li>dashed: unused, or partial</li><li>keys ← → Home End</li></ul>
</section>
<section class="panel" aria-labelledby="h-verdict"><h2 id="h-verdict">Invariants</h2>
<ul class="verdicts" id="verdict">${INVARIANTS.map(({ name, meaning }) => verdictHtml(name, meaning, last)).join('\n')}</ul></section>
</div>
</div>`;
}

/** The one that fails, else the beginning. */
function openedScene({ failure }: Story, scenes: readonly Scene[]): number {
  return failure ? scenes.length - 1 : 0;
}

function windowPicker(scenes: readonly Scene[], shown: number): string {
  if (scenes.length < 2) return '';
  const options = scenes.map(
    ({ first, last }, i) =>
      `<option value="${i}"${i === shown ? ' selected' : ''}>${first} to ${last}</option>`,
  );
  return `<p><label for="window">Steps </label><select id="window">${options.join('')}</select></p>`;
}

function stepButton({ number, text: program, rules }: Step, scene: number): string {
  const wrong = rules === undefined ? '' : `\n<span class="wrong">the rules say ${text(rules)}</span>`;
  return `<li data-scene="${scene}"><button type="button" data-step="${number}"><span class="number">${number}</span><span>${text(program)}${wrong}</span></button></li>`;
}

function changesHtml(step: Step): string {
  const lines = changeLines(step);
  const printed = [...new Set(step.printed)];
  return `<div data-step="${step.number}" hidden><h3>Step ${step.number}</h3>
<ul class="lines mono">${(lines.length > 0 ? lines : ['nothing']).map((line) => `<li>${text(line)}</li>`).join('')}</ul>
${printed.length > 0 ? `<h3>A debug build of Xen prints</h3><ul class="lines mono">${printed.map((line) => `<li>(XEN) ${text(line)}</li>`).join('')}</ul>` : ''}</div>`;
}

function verdictHtml(name: string, meaning: string, { states }: Scene): string {
  const message = states.at(-1)!.broken.find(([broken]) => broken === name)?.[1];
  return `<li data-invariant="${name}" class="${message === undefined ? 'holds' : 'broken'}"><span title="${text(meaning)}">${name}</span><span class="mark">${message === undefined ? 'holds' : 'broken'}</span><span class="message">${text(message ?? '')}</span></li>`;
}

/** The way of the processor from the base pointer to where it must not come. */
function walkHtml({ broken, program: { machine } }: Story): string {
  const [violation] = broken;
  if (!violation) return '';
  const { path, entry, frame } = violation;
  const places = path ?? (entry ? [entry] : []);
  const boxes = [
    ...(path ? ['<li>base pointer</li>'] : []),
    ...places.map(({ mfn, slot }) => `<li class="mono">${text(entryName(mfn, slot, machine))}</li>`),
    ...(frame > 0 ? [`<li class="end mono">${text(frameName(frame, machine))}</li>`] : []),
  ];
  const what = path ? 'The hardware walk that reaches it' : 'Where it is';
  return `<section class="panel" aria-labelledby="h-walk"><h2 id="h-walk">${what}</h2><ol class="walk">${boxes.join('')}</ol>
<p>${text(violation.message)}</p></section>`;
}

function causesHtml(story: Story): string {
  const causes = causalSlice(story);
  if (causes.length === 0) return '';
  const lines = causes.map(
    ({ step, what }) => `<li><strong>${step === 0 ? 'Start' : `Step ${step}`}</strong> ${text(what)}</li>`,
  );
  return `<section class="panel" aria-labelledby="h-why"><h2 id="h-why">How it came to be</h2><ul class="lines">${lines.join('')}</ul></section>`;
}

function tableHtml(): string {
  return `<section class="panel" aria-labelledby="h-frames"><h2 id="h-frames">The same in words</h2><div class="scroll" tabindex="0" role="region" aria-labelledby="h-frames"><table>
<thead><tr><th scope="col">frame</th><th scope="col">type</th><th scope="col">refs</th><th scope="col">is</th><th scope="col">entries</th></tr></thead><tbody id="frame-rows"></tbody></table></div></section>`;
}

function repeatHtml(story: Story): string {
  const isShort = story.operations <= 200;
  const program = isShort ? candidateText(story.program) : '';
  const command = isShort
    ? `${repeatCommand(story)} - <<'END'\n${program}END`
    : `${repeatCommand(story)} FILE`;
  return `<section class="panel" aria-labelledby="h-repeat"><div class="head"><h2 id="h-repeat">Repeat it</h2><button type="button" data-copy="repeat">Copy</button></div><pre id="repeat" tabindex="0">${text(command)}</pre></section>`;
}

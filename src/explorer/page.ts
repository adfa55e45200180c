/** The explorer's page: the view of a report, with operations to try next around it. */
import { DEFECTS } from '../../models/defects/index.js';
import type { Court } from '../fuzz/trials.js';
import type { Program } from '../program/program.js';
import { operationStarts } from '../program/record.js';
import { documentText, pageText, text } from '../report/html/page.js';
import { tellStory } from '../report/story.js';
import { windowsOf } from '../report/windows.js';
import { titleOf } from '../report/words.js';
import { candidateText } from '../shrink/text.js';
import { type NextGroup, nextOperations } from './next.js';

/** Where one begins. */
export const STARTS: Readonly<Record<string, string>> = {
  x86_64: 'pvmmu 1\n\nprogram explored\nmachine x86_64 frames=8 domain=hardware\n',
  x86_32: 'pvmmu 1\n\nprogram explored\nmachine x86_32 frames=8 domain=hardware\n',
};

/** The address of a program, relative to the explorer's. */
export function addressOf(program: string, defect: string): string {
  return `/?${new URLSearchParams({ ...(defect === '' ? {} : { defect }), program })}`;
}

export async function explorerPage(program: Program, court: Court): Promise<string> {
  const story = tellStory(program, court, windowsOf(program, court));
  const [defect = ''] = court.defects;
  const length = operationStarts(program.code).length;
  const groups = story.failure ? [] : nextOperations(program, court);
  const lead = story.failure
    ? undefined
    : length === 0
      ? 'The start state. Click an operation to see what both models answer.'
      : `Both models answer alike after ${length} ${length === 1 ? 'operation' : 'operations'}, and every invariant holds.`;
  return pageText(story, {
    title: story.failure ? titleOf(story) : 'Explorer',
    ...(lead === undefined ? {} : { lead }),
    above: nextHtml(program, defect, groups),
    allFrames: true,
  });
}

function nextHtml(program: Program, defect: string, groups: readonly NextGroup[]): string {
  const source = candidateText(program, program.name);
  const before = withoutLast(program);
  const links = [
    ...(before === undefined
      ? []
      : [`<a href="${text(addressOf(before, defect))}">← Take the last operation back</a>`]),
    ...Object.entries(STARTS).map(
      ([arch, start]) => `<a href="${text(addressOf(start, defect))}">Start again on ${arch}</a>`,
    ),
  ];
  return `<section class="panel next" aria-labelledby="h-next"><div class="head"><h2 id="h-next">${groups.length > 0 ? 'Try next' : 'It ends here'}</h2><span class="links">${links.join('')}</span></div>
<form method="get" action="/">${hidden({ program: source, defect })}
${groups.map(groupHtml).join('\n')}
</form>
<form method="get" action="/">${hidden({ program: source, defect })}
<p class="own"><label for="own">Or any operation </label><input type="text" id="own" name="next" class="mono" placeholder="store W1[0] F2|P|RW"> <button type="submit">Run</button></p>
</form>
<details><summary>Edit the program, or put a mistake of Xen's history into the model</summary>
<form method="get" action="/"><p><label for="source">Program text</label><br><textarea id="source" name="program" rows="8" class="mono" spellcheck="false">${text(source)}</textarea></p>
<p><label for="defect">Mistake </label><select id="defect" name="defect"><option value="">none</option>${DEFECTS.map(({ id, title, advisory }) => `<option value="${id}"${id === defect ? ' selected' : ''}>${text(`${id}: ${title}${advisory === undefined ? '' : ` (${advisory})`}`)}</option>`).join('')}</select> <button type="submit">Run</button></p></form></details>
</section>`;
}

function groupHtml({ title, operations }: NextGroup): string {
  const buttons = operations.map(({ line, answer, failure }) => {
    const look = failure !== undefined ? 'fails' : answer === 'ok' ? 'fine' : 'refused';
    const said = failure === undefined ? answer : `${answer}: ${failure}`;
    return `<button type="submit" name="next" value="${text(line)}" class="try ${look}"><code>${text(line)}</code> <span>${text(said)}</span></button>`;
  });
  return `<details${operations.some(({ failure }) => failure !== undefined) || title.startsWith('Map') ? ' open' : ''}><summary>${text(title)} (${operations.length})</summary><div class="tries">${buttons.join('')}</div></details>`;
}

function hidden(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${text(value)}">`)
    .join('');
}

function withoutLast(program: Program): string | undefined {
  const last = operationStarts(program.code).at(-1);
  if (last === undefined) return undefined;
  return candidateText({ machine: program.machine, code: program.code.slice(0, last) }, program.name);
}

/** What could not be done, with the program to mend if there is one. */
export function refusalPage(message: string, program: string | undefined, defect = ''): string {
  const form =
    program === undefined
      ? ''
      : `<form method="get" action="/">${hidden({ defect })}<p><label for="source">Program text</label><br><textarea id="source" name="program" rows="14" class="mono" spellcheck="false">${text(program)}</textarea></p><p><button type="submit">Run</button></p></form>`;
  return documentText(
    'Cannot do that · pvmmu',
    `<main><h1>Cannot do that</h1><p class="lead mono">${text(message)}</p><div class="panel next">${form}<p><a href="/">Start again</a></p></div></main>`,
  );
}

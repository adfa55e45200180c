/** A scene as SVG. What depends on the step is in classes and texts, which the page's script changes. */
import type { EntryFacts, FrameFacts } from '../changes.js';
import { BOX, type Layout } from './layout.js';
import type { Scene, SceneState } from './scene.js';

const HEAD = 34;
const SHRUNK_LEAST = 0.85;

/** What a frame's box says: class, second line, what it is besides, general references. */
export function frameLook({ type, typeCount, contents, pinned, references }: FrameFacts): string[] {
  const isTable = /^L\d/.test(type);
  const kind = typeCount === 0 ? 'unused' : isTable ? type.slice(0, 2) : type;
  const isOdd = contents === 'partial' || (contents === 'unvalidated' && typeCount > 0);
  const marks = [...(pinned ? ['pinned'] : []), ...(isOdd ? [contents] : [])].join(', ');
  const look = [kind, ...(pinned ? ['pinned'] : []), ...(isOdd ? ['partial'] : [])].join(' ');
  return [look, `${type} ×${typeCount}`, marks, String(references)];
}

/**
 * What an entry's arrow says: class, label, entry; nothing where there is no such entry. It is a writable mapping in an
 * L1, and where it names a table of its own level: the processor then takes that for a page. In a frame that is in use
 * as no table it is mere memory.
 */
function edgeLook(
  entry: EntryFacts | undefined,
  slot: number,
  owner: FrameFacts,
  target: FrameFacts,
): string[] {
  if (!entry) return [];
  const level = levelOf(owner);
  const maps = level === 1 || (level > 1 && levelOf(target) === level);
  const isWritable = entry.writable && maps && owner.typeCount > 0;
  const look = owner.typeCount === 0 ? 'idle' : isWritable ? 'rw' : 'ro';
  return [look, `[${slot}]${isWritable ? ' RW' : ''}`, entry.text];
}

/** Of all edges in a state. */
export function edgeLooks({ edges }: Scene, state: SceneState): string[][] {
  return edges.map(({ from, to, slot }, i) =>
    edgeLook(state.edges[i], slot, state.frames[from]!, state.frames[to]!),
  );
}

function levelOf({ type }: FrameFacts): number {
  return Number(/^L([1-4])/.exec(type)?.[1] ?? 0);
}

export function svgOf(scene: Scene, layout: Layout, id: string): string {
  const { width, height, columns, boxes, edges } = layout;
  const last = scene.states.at(-1)!;
  const looks = edgeLooks(scene, last);
  // It may shrink a little to fit, but not so far that nobody can read it.
  const size = `width="${Math.ceil(width)}" height="${Math.ceil(height + HEAD)}" style="min-width:${Math.ceil(width * SHRUNK_LEAST)}px"`;
  return `<svg id="${id}" ${size} viewBox="0 ${-HEAD} ${width} ${height + HEAD}" role="img" aria-label="Pagetables, drawn; the table of frames below says the same in words">
${columns.map(({ title, x }) => `<text class="column" x="${x}" y="-14">${title}</text>`).join('\n')}
${edges.map((edge, i) => edgeSvg(edge, looks[i]!)).join('\n')}
${boxes.map(({ x, y }, i) => frameSvg(x, y, scene.frames[i]!.name, frameLook(last.frames[i]!))).join('\n')}
</svg>`;
}

function edgeSvg({ path, tip, label }: Layout['edges'][number], [look, text]: string[]): string {
  const [x, y] = [tip.x, tip.y];
  return `<g class="edge ${look ?? 'gone'}"><path d="${path}"/><path class="tip" d="${arrow(path, x, y)}"/><text x="${label.x}" y="${label.y + 3}">${text ?? ''}</text></g>`;
}

/** A small triangle at the tip, in the direction of the curve's last control point. */
function arrow(path: string, x: number, y: number): string {
  const numbers = path.match(/-?[\d.]+/g)!.map(Number);
  const [px, py] = [numbers.at(-4)!, numbers.at(-3)!];
  const angle = Math.atan2(y - py, x - px);
  const at = (turn: number) =>
    `${(x - 8 * Math.cos(angle + turn)).toFixed(1)} ${(y - 8 * Math.sin(angle + turn)).toFixed(1)}`;
  return `M${x} ${y}L${at(0.42)}L${at(-0.42)}Z`;
}

function frameSvg(x: number, y: number, name: string, [look, type, mark]: string[]): string {
  const [w, h] = [BOX.width, BOX.height];
  return `<g class="frame ${look}" transform="translate(${x} ${y})"><rect x="${-w / 2}" y="${-h / 2}" width="${w}" height="${h}" rx="7"/><text class="name" x="${-w / 2 + 10}" y="-4">${name}</text><text class="mark" x="${w / 2 - 8}" y="-4">${mark}</text><text class="type" x="${-w / 2 + 10}" y="13">${type}</text></g>`;
}

/** Where frames and entries lie in the drawing: levels in columns, laid out by Graphviz. */
import { instance, type Viz } from '@viz-js/viz';
import type { Scene } from './scene.js';

export interface Box {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** By frame: the middle of its box. */
  readonly boxes: readonly Box[];
  /** By edge: an SVG path, the arrow's tip, and the middle of its label. */
  readonly edges: readonly { readonly path: string; readonly tip: Box; readonly label: Box }[];
  readonly columns: readonly { readonly title: string; readonly x: number }[];
}

export const BOX = { width: 112, height: 46 } as const;
const TITLES = new Map([
  [4, 'L4'],
  [3, 'L3'],
  [2, 'L2'],
  [1, 'L1'],
  [0, 'pages'],
  [-1, 'descriptors'],
]);
const POINTS_PER_INCH = 72;
const MARGIN = 14;

let viz: Viz | undefined;

export async function layoutOf(scene: Scene): Promise<Layout> {
  viz ??= await instance();
  const drawn = viz.renderJSON(dotOf(scene), { yInvert: true }) as Drawing;
  // With the y axis turned round the box is given from its lower left corner.
  const [, bottom, width, top] = drawn.bb.split(',').map(Number) as [number, number, number, number];
  const height = Math.abs(top - bottom);
  const objects = new Map(drawn.objects.map((one) => [one.name, one]));
  const boxes = scene.frames.map((_, i) => point(objects.get(`f${i}`)!.pos!));
  const edges = scene.edges.map((_, i) => {
    const edge = drawn.edges!.find(({ id }) => id === `e${i}`)!;
    return { ...splineOf(edge.pos), label: point(edge.lp ?? edge.pos.split(' ').at(-1)!) };
  });
  const columns = columnsOf(scene).map((column) => ({
    title: TITLES.get(column)!,
    x: point(objects.get(`c${column}`)!.pos!).x,
  }));
  return {
    width: width + 2 * MARGIN,
    height: Math.max(height, BOX.height) + 2 * MARGIN,
    boxes,
    edges,
    columns,
  };

  function point(text: string): Box {
    const [x, y] = text.split(',').map(Number) as [number, number];
    return { x: round(x + MARGIN), y: round(y + MARGIN) };
  }

  /** Graphviz gives `e,TIP START C1 C2 POINT …`: cubic curves. */
  function splineOf(text: string): { path: string; tip: Box } {
    const words = text.split(' ');
    const end = words.find((word) => word.startsWith('e,'));
    const points = words.filter((word) => !/^[es],/.test(word)).map(point);
    const [start, ...rest] = points;
    const curves = rest.map(({ x, y }) => `${x} ${y}`).join(' ');
    return { path: `M${start!.x} ${start!.y}C${curves}`, tip: end ? point(end.slice(2)) : points.at(-1)! };
  }
}

interface Drawing {
  readonly bb: string;
  readonly objects: readonly { readonly name: string; readonly pos?: string }[];
  readonly edges?: readonly { readonly id?: string; readonly pos: string; readonly lp?: string }[];
}

function columnsOf({ frames }: Scene): number[] {
  return [...new Set(frames.map(({ column }) => column))].sort((a, b) => b - a);
}

function dotOf(scene: Scene): string {
  const columns = columnsOf(scene);
  const inches = (points: number) => (points / POINTS_PER_INCH).toFixed(3);
  const box = `width=${inches(BOX.width)} height=${inches(BOX.height)}`;
  const columnHeads = columns.map((column) => `c${column} [height=0.02 width=${inches(BOX.width)}]`);
  return [
    'digraph {',
    'rankdir=LR nodesep=0.25 ranksep=0.5 splines=true',
    'node [shape=box fixedsize=true fontsize=11]',
    'edge [fontsize=11 arrowsize=0.7]',
    ...columnHeads,
    ...(columns.length > 1
      ? [`${columns.map((column) => `c${column}`).join(' -> ')} [style=invis weight=20]`]
      : []),
    ...scene.frames.map((_, i) => `f${i} [${box}]`),
    ...columns.map((column) => {
      const members = scene.frames.flatMap((frame, i) => (frame.column === column ? [`f${i}`] : []));
      return `{ rank=same; ${[`c${column}`, ...members].join('; ')} }`;
    }),
    ...scene.edges.map(({ from, to, slot }, i) => {
      const isBackwards = scene.frames[from]!.column <= scene.frames[to]!.column;
      return `f${from} -> f${to} [id=e${i} label="[${slot}] RW"${isBackwards ? ' constraint=false' : ''}]`;
    }),
    '}',
  ].join('\n');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

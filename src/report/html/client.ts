/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What runs in the page: it moves from step to step and shows what each changed. The function is put into the page as
 * text, so it uses nothing from outside itself.
 */
export interface PageScene {
  readonly first: number;
  /** By state, the first before any step: per frame class, type, mark, references. */
  readonly frames: readonly (readonly string[])[][];
  /** By state: per edge class, label, entry; empty where it is not there. */
  readonly edges: readonly (readonly string[])[][];
  readonly broken: readonly (readonly (readonly [name: string, message: string])[])[];
  readonly frameNames: readonly string[];
  readonly edgeNames: readonly string[];
  readonly bases: readonly (readonly (readonly [what: string, frame: string])[])[];
}

export function pageScript(): void {
  const scenes = JSON.parse(document.getElementById('data')!.textContent) as PageScene[];
  const slider = document.getElementById('step') as HTMLInputElement;
  const picker = document.getElementById('window') as HTMLSelectElement | null;
  const announced = document.getElementById('announced')!;
  let scene = Number(picker?.value ?? 0);
  let state = scenes[scene]!.frames.length - 1;

  function all(selector: string, within: ParentNode = document): Element[] {
    return [...within.querySelectorAll(selector)];
  }

  function differs(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
    return JSON.stringify(a) !== JSON.stringify(b);
  }

  function drawGraph(): void {
    const { frames, edges } = scenes[scene]!;
    const drawing = document.getElementById(`graph-${scene}`)!;
    const before = state > 0 ? state - 1 : 0;
    all('.frame', drawing).forEach((box, i) => {
      const [look, type, mark] = frames[state]![i]!;
      const changed = differs(frames[before]![i], frames[state]![i]) ? ' changed' : '';
      box.setAttribute('class', `frame ${look}${changed}`);
      box.querySelector('.type')!.textContent = type!;
      box.querySelector('.mark')!.textContent = mark!;
    });
    all('.edge', drawing).forEach((arrow, i) => {
      const now = edges[state]![i]!;
      const then = edges[before]![i]!;
      const [look, label] = now.length > 0 ? now : then;
      const changed = differs(then, now) ? ' changed' : '';
      const gone = now.length === 0 ? (then.length > 0 ? ' removed' : ' gone') : '';
      arrow.setAttribute('class', `edge ${look ?? ''}${changed}${gone}`);
      arrow.querySelector('text')!.textContent = label ?? '';
    });
  }

  function drawVerdict(): void {
    const broken = new Map(scenes[scene]!.broken[state]);
    for (const row of all('#verdict li')) {
      const message = broken.get((row as HTMLElement).dataset['invariant']!);
      row.className = message === undefined ? 'holds' : 'broken';
      row.querySelector('.mark')!.textContent = message === undefined ? 'holds' : 'broken';
      row.querySelector('.message')!.textContent = message ?? '';
    }
  }

  function drawTable(): void {
    const { frames, edges, frameNames, edgeNames, bases } = scenes[scene]!;
    const body = document.getElementById('frame-rows')!;
    body.replaceChildren(
      ...frameNames.map((name, i) => {
        const row = document.createElement('tr');
        const [, type, mark, references] = frames[state]![i]!;
        const named = bases[state]!.filter(([, frame]) => frame === name).map(([what]) => what);
        const entries = edges[state]!.flatMap((edge, at) => {
          const [owner] = edgeNames[at]!.split('[');
          return edge.length > 0 && owner === name ? [`${edgeNames[at]!.slice(name.length)} ${edge[2]}`] : [];
        });
        const cells = [type!, references!, [mark!, ...named].filter(Boolean).join(', '), entries.join('\n')];
        const head = document.createElement('th');
        head.scope = 'row';
        head.textContent = name;
        row.append(
          head,
          ...cells.map((text) => Object.assign(document.createElement('td'), { textContent: text })),
        );
        if (state > 0 && differs(frames[state - 1]![i], frames[state]![i])) row.className = 'changed';
        return row;
      }),
    );
  }

  function show(): void {
    const { first, frames } = scenes[scene]!;
    const number = first - 1 + state;
    slider.max = String(frames.length - 1);
    slider.value = String(state);
    const text = state === 0 ? (first === 1 ? 'start' : `before step ${first}`) : `step ${number}`;
    slider.setAttribute('aria-valuetext', text);
    document.getElementById('shown')!.textContent = text;
    for (const part of all('[data-scene]'))
      (part as HTMLElement).hidden = (part as HTMLElement).dataset['scene'] !== String(scene);
    for (const part of all('[data-step]')) {
      const isShown = (part as HTMLElement).dataset['step'] === String(number) && state > 0;
      part.classList.toggle('current', isShown);
      if (part.tagName === 'BUTTON') {
        if (isShown) part.setAttribute('aria-current', 'step');
        else part.removeAttribute('aria-current');
      } else (part as HTMLElement).hidden = !isShown;
    }
    document.getElementById('at-start')!.hidden = state > 0;
    drawGraph();
    drawVerdict();
    drawTable();
    const current = document.querySelector('#program .current');
    const list = document.getElementById('program')!;
    if (current) list.scrollTop = (current as HTMLElement).offsetTop - list.clientHeight / 2;
  }

  function go(to: number, told = true): void {
    const { frames, first } = scenes[scene]!;
    state = Math.max(0, Math.min(frames.length - 1, to));
    show();
    const change = document.querySelector(`#changes [data-step="${first - 1 + state}"]`);
    if (told)
      announced.textContent = `${document.getElementById('shown')!.textContent}. ${change?.textContent ?? ''}`;
  }

  slider.addEventListener('input', () => go(Number(slider.value)));
  document.getElementById('back')!.addEventListener('click', () => go(state - 1));
  document.getElementById('forward')!.addEventListener('click', () => go(state + 1));
  picker?.addEventListener('change', () => {
    scene = Number(picker.value);
    go(scenes[scene]!.frames.length - 1);
  });
  for (const button of all('#program button'))
    button.addEventListener('click', () => {
      go(Number((button as HTMLElement).dataset['step']) - scenes[scene]!.first + 1);
    });
  document.addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement;
    if (event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName))
      return;
    const moves: Record<string, number> = {
      ArrowLeft: state - 1,
      ArrowRight: state + 1,
      Home: 0,
      End: scenes[scene]!.frames.length - 1,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });
  for (const button of all('[data-copy]'))
    button.addEventListener('click', () => {
      const text = document.getElementById((button as HTMLElement).dataset['copy']!)!.textContent;
      navigator.clipboard.writeText(text).then(
        () => (button.textContent = 'Copied'),
        () => (button.textContent = 'Cannot copy here'),
      );
    });
  document.getElementById('theme')!.addEventListener('click', () => {
    const root = document.documentElement;
    const isDark = root.dataset['theme']
      ? root.dataset['theme'] === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset['theme'] = isDark ? 'light' : 'dark';
  });
  go(state, false);
}

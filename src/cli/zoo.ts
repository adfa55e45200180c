import { Option } from 'commander';
import { clearLine, cursorTo } from 'node:readline';
import { CONTROLS, type Defect, DEFECTS } from '../../models/defects/index.js';
import {
  breaksInvariant,
  catches,
  type ControlFigures,
  type DefectFigures,
  forms,
  holds,
  isFound,
  judgeFigures,
  median,
  notMinimal,
  quantile,
  summary,
} from '../zoo/figures.js';
import { requireWritable, writeZoo } from '../zoo/files.js';
import { SEEDS_DEFAULT } from '../zoo/markdown.js';
import { measure, measureControl, type Measurement, type MeasureOptions } from '../zoo/measure.js';
import { CliCommand, wholeNumber } from './command.js';
import { addDefects } from './court-options.js';

export interface ZooOptions {
  readonly seeds?: number;
  /** Defects to hunt; without it all of them, and the controls. */
  readonly only?: readonly Defect[];
  /** Most seconds of a hunt with both models, instead of a number of operations. */
  readonly time?: number;
  readonly json?: true;
  /** File to write the measurement to, and a `.json` beside it. */
  readonly md?: string;
}

const SECONDS_MAX = 31_536_000;
const SEEDS_MAX = 10_000;

export const zooCommand = new CliCommand('zoo')
  .description(
    "hunt every mistake of Xen's history that the optimized model can make, with and without the reference model",
  )
  .option('--seeds <count>', 'hunts for each (default: 5)', wholeNumber('seeds', SEEDS_MAX))
  .option('--only <id>', 'one defect, or those of an advisory such as xsa-182; may be repeated', addDefects)
  .option(
    '--time <seconds>',
    'most seconds of a hunt (default: 1,000,000 operations, which controls and hunts alone always have)',
    wholeNumber('seconds', SECONDS_MAX),
  )
  .option('--json', 'one JSON object a line: each defect, control and invariant, then the summary')
  .addOption(
    new Option(
      '--md <file>',
      'also write the measurement there, and its figures to a .json beside it',
    ).conflicts(['only', 'time']),
  )
  .example('hunt one advisory', 'zoo --only xsa-182')
  .example('measure all of it again', 'zoo --md docs/zoo.md')
  .action(zoo);

/** Most operations of a hunt. */
const OPERATIONS = 1_000_000;

/**
 * `pvmmu zoo`: exit status 0 if every defect was found and the controls hold, else 1.
 *
 * @throws TextError if the file cannot be written.
 */
export function zoo(options: ZooOptions): void {
  if (options.md !== undefined) requireWritable(options.md);
  const run = new ZooRun(options);
  run.measureAll();
  run.report();
  if (options.md !== undefined) run.write(options.md);
  run.summarize();
}

type Column = readonly [head: string, width: number, of: (one: Measurement) => string | number | undefined];

/** Text stands left, numbers right. */
const COLUMNS: readonly Column[] = [
  ['defect', -34, ({ figures }) => figures.id],
  ['found', 6, ({ figures }) => share(figures.hunts)],
  ['operations', 11, ({ figures }) => operationsOf(figures)],
  ['s', 7, ({ findMs }) => seconds(median(findMs))],
  ['p95', 7, ({ findMs }) => seconds(quantile(findMs, 0.95))],
  ['alone', 6, ({ figures }) => share(figures.alone)],
  ['length', 7, ({ figures }) => figures.best?.length],
  ['median', 7, ({ figures }) => median(catches(figures.hunts).map(({ length }) => length))],
  ['known', 6, ({ figures }) => figures.known],
  ['forms', 6, ({ figures }) => forms(figures) || undefined],
  ['shrink ms', 10, ({ shrinkMs }) => median(shrinkMs)?.toFixed(0)],
  ['class', 6, ({ figures }) => figures.best?.class],
  ['  seen alone by', 0, ({ figures }) => `  ${judgesOf(figures).join(', ')}`],
];

class ZooRun {
  private readonly defects: DefectFigures[] = [];
  private readonly controls: ControlFigures[] = [];
  private readonly chosen: readonly Defect[];
  private readonly seeds: number;

  constructor(private readonly options: ZooOptions) {
    this.chosen = DEFECTS.filter((one) => options.only?.includes(one) ?? true);
    this.seeds = options.seeds ?? SEEDS_DEFAULT;
  }

  /** Hunts defect after defect, then the controls; each has its line as soon as it is done. */
  measureAll(): void {
    const controls = this.options.only ? [] : CONTROLS;
    const total = this.chosen.length + controls.length;
    this.say(
      COLUMNS.map(([head, width]) => aligned(head, width))
        .join('')
        .trimEnd(),
    );
    for (const [i, defect] of this.chosen.entries()) {
      const measurement = measure(defect, this.settings(`${i + 1}/${total} ${defect.id}`));
      this.defects.push(measurement.figures);
      this.row(measurement);
    }
    for (const [i, control] of controls.entries()) {
      const number = this.chosen.length + i + 1;
      const figures = measureControl(control, this.settings(`${number}/${total} ${control.id}`));
      this.controls.push(figures);
      this.emit({ type: 'control', ...figures, holds: holds(figures) });
      this.say(
        `${aligned(control.id, -34)}${aligned(share(figures.hunts), 6)}  control: ${outcome(figures)}`,
      );
    }
  }

  /** Who sees what, and what is not as it should be. */
  report(): void {
    for (const one of judgeFigures(this.defects)) {
      this.emit({ type: 'judge', ...one });
      const only = one.only.length > 0 ? `, and nobody else ${one.only.join(', ')}` : '';
      this.say(`${one.judge} sees ${one.sees}${only}`);
    }
    const names = (ones: readonly { readonly id: string }[]) => ones.map(({ id }) => id).join(', ');
    const complaints: [string, readonly { readonly id: string }[]][] = [
      ['not found', this.defects.filter((one) => !isFound(one))],
      ['breaks an invariant, but not found alone', this.notAlone()],
      ['shrunk, but not as far as it goes', this.defects.filter((one) => notMinimal(one) > 0)],
      [
        'fails without the defect too',
        this.defects.filter(({ hunts }) => hunts.some((one) => one.strays > 0)),
      ],
    ];
    for (const [what, ones] of complaints) if (ones.length > 0) this.say(`${what}: ${names(ones)}`);
  }

  write(path: string): void {
    const { seeds, defects, controls } = this;
    writeZoo(path, { operations: OPERATIONS, seeds, defects, controls });
  }

  summarize(): void {
    const figures = summary(this.defects);
    const { defects, found, alone, canonical, shortest } = figures;
    this.emit({ type: 'summary', ...figures, notAlone: this.notAlone().map(({ id }) => id) });
    this.say(
      `zoo: ${defects} defects, ${found} found, ${alone} found alone, ${canonical} canonical, ${shortest} shortest`,
    );
    process.exitCode = found === defects && this.controls.every(holds) ? 0 : 1;
  }

  private notAlone(): DefectFigures[] {
    const must = new Set(this.chosen.filter(breaksInvariant).map(({ id }) => id));
    return this.defects.filter(({ id, alone }) => must.has(id) && !isFound({ hunts: alone }));
  }

  private settings(what: string): MeasureOptions {
    const { time } = this.options;
    return {
      seeds: this.seeds,
      limit: { operations: OPERATIONS },
      ...(time === undefined ? {} : { milliseconds: time * 1000 }),
      onHunt: (seed, alone) => status(`${what}, seed ${seed}${alone ? ', alone' : ''}`),
    };
  }

  private row(measurement: Measurement): void {
    const { figures, findMs, shrinkMs } = measurement;
    this.emit({ type: 'defect', ...figures, forms: forms(figures), findMs, shrinkMs });
    const cells = COLUMNS.map(([, width, of]) => aligned(`${of(measurement) ?? '-'}`, width));
    this.say(cells.join('').trimEnd());
  }

  private say(line: string): void {
    if (this.options.json) return;
    status('');
    console.log(line);
  }

  private emit(value: object): void {
    if (!this.options.json) return;
    status('');
    console.log(JSON.stringify(value));
  }
}

/** Shows what goes on in one line of standard error, if that is a terminal. */
function status(text: string): void {
  if (!process.stderr.isTTY) return;
  cursorTo(process.stderr, 0);
  process.stderr.write(text);
  clearLine(process.stderr, 1);
}

/** Negative widths put the text to the left. */
function aligned(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}

function share(hunts: DefectFigures['hunts']): string {
  return `${catches(hunts).length}/${hunts.length}`;
}

function operationsOf({ hunts }: DefectFigures): number | undefined {
  return median(hunts.filter(({ caught }) => caught).map(({ operations }) => operations));
}

function judgesOf({ alone }: DefectFigures): string[] {
  return [...new Set(catches(alone).map(({ judge }) => judge))];
}

function seconds(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : (ms / 1000).toFixed(2);
}

function outcome(figures: ControlFigures): string {
  return holds(figures) ? 'as expected' : 'NOT as expected';
}

/** A report as a test for the Xen Test Framework: the same hypercalls on a PV guest, ending in success or failure. */
import { decode } from '../program/codec.js';
import { operationStarts } from '../program/record.js';
import { printMachineLine } from '../text/machine-line.js';
import type { Step, Story } from './story.js';
import { tellStory } from './story.js';
import { adviceOf, ascii, changeLines, meaningOf, titleOf, wrap } from './words.js';
import { CWriter } from './xtf/operation.js';
import { prelude } from './xtf/prelude.js';
import { probed } from './xtf/probe.js';

const COLUMNS = 79;

/** A complete C file. */
export function xtfText(story: Story): string {
  const longer = probed(story);
  const told = longer ? { ...tellStory(longer, { ...story.court, alone: true }) } : story;
  const steps = longer ? told.steps : story.steps;
  const { machine } = story.program;
  return ascii(
    [
      header(story, longer !== undefined),
      prelude(machine.arch, machine.frames),
      `const char test_title[] = "pvmmu ${story.id}: ${titleOf(story).replaceAll(/["\\]/g, '')}";`,
      '',
      'void test_main(void)',
      '{',
      '    if ( !setup() )',
      '        return xtf_error("Error: cannot bring the guest to the start state\\n");',
      '',
      ...steps.flatMap((step) => stepLines(step, told)),
      ...ending(story, steps),
      '}',
      '',
      '/*',
      ' * Local variables:',
      ' * mode: C',
      ' * c-file-style: "BSD"',
      ' * c-basic-offset: 4',
      ' * tab-width: 4',
      ' * indent-tabs-mode: nil',
      ' * End:',
      ' */',
      '',
    ].join('\n'),
  );
}

function header(story: Story, isProbed: boolean): string {
  const { defects, program } = story;
  const name = `pvmmu-${story.id}`;
  const environment = program.machine.arch === 'x86_64' ? 'pv64' : 'pv32pae';
  const paragraphs = [
    titleOf(story),
    meaningOf(story),
    ...defects.map(
      ({ advisory, title, story: tale }) => `${advisory ? `${advisory}: ` : ''}${title}. ${tale}`,
    ),
    `The steps below are a program that pvmmu has found and shrunk (${printMachineLine(program.machine)}). Each answer is held against what the rules of Xen 4.17 say; the test fails at the first that differs.`,
    ...(isProbed
      ? ['The last step is not part of the program: by its answer a guest notices what is wrong.']
      : []),
    `To run it: put it into tests/${name}/main.c of the Xen Test Framework with a Makefile that says "NAME := ${name}", "CATEGORY := functional", "TEST-ENVS := ${environment}", "obj-perenv += main.o" and includes build/gen.mk.`,
    ...(adviceOf(story) ? [adviceOf(story)!] : []),
  ];
  return [
    '/**',
    ` * @file tests/${name}/main.c`,
    ` * @ref test-${name}`,
    ' *',
    ` * @page test-${name} ${name}`,
    ' *',
    ...paragraphs.flatMap((one) => [
      ...wrap(ascii(one).replaceAll('*/', '* /'), ' * ', ' * ', COLUMNS),
      ' *',
    ]),
    ` * @see tests/${name}/main.c`,
    ' */',
  ].join('\n');
}

function stepLines(step: Step, { program }: Story): string[] {
  const { code, machine } = program;
  const op = decode(code, operationStarts(code)[step.number - 1]!);
  const { before, value, impossible } = new CWriter(machine).operation(op);
  const comment = [
    ...step.text.replaceAll(/ -> .*$/gm, '').split('\n'),
    ...changeLines(step).map((line) => `  ${line}`),
    ...(op.preempt === undefined ? [] : ['  An event has to arrive meanwhile; a test cannot place it.']),
    ...(op.contend === undefined
      ? []
      : ['  Another CPU has to win a race meanwhile; a test cannot force it.']),
  ];
  const lines = [
    '    /*',
    ...comment.flatMap((line, i) =>
      wrap(ascii(line), i === 0 ? `     * ${step.number}. ` : '     *    ', '     *      ', COLUMNS),
    ),
    '     */',
  ];
  if (impossible !== undefined) return [...lines, skip(step, impossible), ''];
  if (op.preempt !== undefined) lines.push(skip(step, 'an event has to arrive meanwhile'));
  if (op.contend !== undefined) lines.push(skip(step, 'another CPU has to win a race meanwhile'));
  const wanted = step.rules ?? step.answer;
  const isAccepted = /^(ok|none)\b/.test(wanted);
  return [
    ...lines,
    '    {',
    ...before.map((line) => `        ${line}`),
    `        long rc = ${value};`,
    '',
    `        if ( ${isAccepted ? 'rc != 0' : 'rc == 0'} )`,
    `            return xtf_failure("Fail: step ${step.number} returned %ld, the rules say ${wanted}\\n", rc);`,
    '    }',
    '',
  ];
}

/** What a test cannot bring about is where it ends; what follows is for who can. */
function skip({ number }: Step, why: string): string {
  return `    return xtf_skip("Skip: step ${number}: ${why}\\n");`;
}

function ending({ failure }: Story, steps: readonly Step[]): string[] {
  if (!failure || steps.some(({ rules }) => rules !== undefined))
    return ['    xtf_success("Success: every answer is what the rules say\\n");'];
  return [
    '    /*',
    "     * No answer gives away what is wrong here: it shows in Xen's own records,",
    '     * or in what a later guest does.',
    '     */',
    `    xtf_skip("Skip: every answer is right; what is wrong shows in Xen's own records only\\n");`,
  ];
}

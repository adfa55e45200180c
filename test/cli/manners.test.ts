import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CliCommand } from '../../src/cli/command.js';
import { program } from '../../src/cli/commands.js';
import { bashScript, zshScript } from '../../src/cli/completion.js';
import { manPage } from '../../src/cli/man.js';
import { pvmmu } from './run.js';

const COMMANDS = program.commands as CliCommand[];
const NAMES = COMMANDS.map((command) => command.name());

function has(tool: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
}

describe('help', () => {
  test('of every command has a description and an example that begins with the command', () => {
    for (const command of COMMANDS) {
      expect(command.description(), command.name()).not.toBe('');
      expect(command.examples, command.name()).not.toEqual([]);
      for (const { words } of command.examples) expect(words.split(' ')[0]).toBe(command.name());
    }
  });

  test('describes every option, and its examples use only options that exist', () => {
    for (const command of COMMANDS) {
      for (const { description, flags } of command.options) expect(description, flags).not.toBe('');
      const known = command.options.flatMap(({ short, long }) => [short, long]);
      for (const { words } of command.examples)
        for (const [, flag] of words.matchAll(/ (--?[a-z-]+)/g)) {
          if (command.name() !== 'man') expect(known, words).toContain(flag);
        }
    }
  });

  test('has no colours where standard output is no terminal', async () => {
    const { status, out } = await pvmmu(['fuzz', '--help']);
    expect(status).toBe(0);
    expect(out).not.toContain('\x1b');
    expect(out).toMatch(/Examples:\n {2}npx pvmmu fuzz\n/);
  });

  test.skipIf(!has('script'))('has colours on a terminal, and none with NO_COLOR', () => {
    const shown = (env: Record<string, string>) =>
      execFileSync('script', ['-qec', 'node dist/cli.js --help', '/dev/null'], {
        env: { PATH: process.env['PATH'], TERM: 'xterm', ...env },
      }).toString();
    expect(shown({})).toContain('\x1b[');
    expect(shown({ NO_COLOR: '1' })).not.toContain('\x1b[');
  });
});

describe('a mistyped', () => {
  test.each([
    [['fuzz', '--defct', 'xsa-182'], "error: unknown option '--defct' (Did you mean --defect?)\n"],
    [['fuz'], "error: unknown command 'fuz' (Did you mean fuzz?)\n"],
    [
      ['replay', '--model', 'refrence', 'x'],
      "error: option '--model <which>' argument 'refrence' is invalid. Allowed choices are reference, optimized, both.\n",
    ],
  ])('word of %j is refused in one line', async (args, line) => {
    expect(await pvmmu(args)).toEqual({ status: 2, out: '', err: line });
  });
});

describe('bash completion', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pvmmu-completion-'));
    writeFileSync(join(folder, 'script'), bashScript(program));
    writeFileSync(join(folder, 'one.pvmmu'), '');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What TAB offers after these words, the last of which is begun. */
  function offered(...words: string[]): string[] {
    const line = ['pvmmu', ...words].map((word) => `'${word}'`).join(' ');
    const code = `. ./script; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _pvmmu; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const text = execFileSync('bash', ['-c', code], { cwd: folder }).toString().trimEnd();
    return text === '' ? [] : text.split('\n');
  }

  test.runIf(has('bash'))('offers commands, options, choices, defects and files where each may stand', () => {
    expect(offered('')).toEqual(expect.arrayContaining(NAMES));
    expect(offered('fuzz', '--de')).toEqual(['--defect']);
    expect(offered('fuzz', '--arch', '')).toEqual(['x86_64', 'x86_32']);
    expect(offered('fuzz', '--defect', 'xsa-182')).toEqual(['xsa-182']);
    expect(offered('reduce', '--output', 'o')).toEqual(['one.pvmmu']);
    expect(offered('replay', 'one')).toEqual(['one.pvmmu']);
    expect(offered('completion', 'z')).toEqual(['zsh']);
    expect(offered('fuzz', '--seed', '')).toEqual([]);
  });
});

describe('zsh completion', () => {
  test.runIf(has('zsh'))('is a script that zsh loads, with a case for every command', () => {
    const script = zshScript(program);
    const code = 'autoload -U compinit; compinit -D; eval "$(cat)"; print $_comps[pvmmu]';
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', code], { input: script });
    expect({ out: stdout.toString(), err: stderr.toString() }).toEqual({ out: '_pvmmu\n', err: '' });
    for (const name of NAMES) expect(script).toContain(`        ${name}) _arguments `);
  });
});

describe('the man page', () => {
  test('has every command and option', () => {
    const page = manPage(program).replaceAll('\\-', '-');
    for (const command of COMMANDS) {
      expect(page).toContain(`.SS pvmmu ${command.name()} `);
      for (const { flags } of command.options) expect(page).toContain(`.B ${flags}\n`);
    }
  });

  test.runIf(has('groff'))('is formatted without a warning', () => {
    const { stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], { input: manPage(program) });
    expect(stderr.toString()).toBe('');
  });
});

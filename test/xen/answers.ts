import type { LabAnswer, LabProgram } from '../../src/xen/mailbox.js';
import { Oracle } from '../../src/xen/oracle.js';
import { ReferenceModel } from '../../models/reference/model.js';
import type { XenBuild } from '../../src/xen/build.js';
import { parseProgram } from '../../src/text/parse.js';
import type { Arch } from '../../src/program/machine.js';
import type { Program } from '../../src/program/program.js';

export const XEN: XenBuild = {
  arch: 'x86_64',
  version: '4.17.7',
  debug: false,
  paeXenSlot: 512,
  showsCounts: true,
  races: true,
};

const oracle = new Oracle(new ReferenceModel());

/** A program of an 8-frame hardware domain on two vCPUs. */
export function program(...lines: string[]): Program {
  return programOf('x86_64', lines);
}

export function program32(...lines: string[]): Program {
  return programOf('x86_32', lines);
}

function programOf(arch: Arch, lines: readonly string[]): Program {
  const head = ['pvmmu 1', 'program test', `machine ${arch} frames=8 domain=hardware vcpus=2`];
  return parseProgram(
    [...head, ...lines.map((line) => (/->|^ |_list|multicall/.test(line) ? line : `${line} -> ?`))].join(
      '\n',
    ),
  );
}

/** The same of an ordinary domain on three vCPUs. */
export function domainProgram(...lines: string[]): Program {
  const { code, machine } = program(...lines);
  return { ...program(), code, machine: { ...machine, hardwareDomain: false, vcpus: 3 } };
}

/** What a Xen answers that does as the reference model says. */
export function answerTo(one: LabProgram): LabAnswer {
  const { results, finals, counts, lost } = oracle.expect(one);
  return { stopped: undefined, operations: results.length, results, lost, finals, counts: counts! };
}

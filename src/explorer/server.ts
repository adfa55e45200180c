/** Serves the explorer to browsers on this machine, and nothing else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type DefectId, defectsNamed } from '../../models/defects/index.js';
import type { Court } from '../fuzz/trials.js';
import { operationStarts } from '../program/record.js';
import { candidateText } from '../shrink/text.js';
import { TextError } from '../text/error.js';
import { parseProgram } from '../text/parse.js';
import { addressOf, explorerPage, refusalPage, STARTS } from './page.js';

export const LOOPBACK = '127.0.0.1';
/** Programs are in the address, which browsers and this server keep short. */
const ADDRESS_MAX = 60_000;
const OPERATIONS_MAX = 300;
const FRAMES_MAX = 64;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly location?: string;
}

/** Answers `GET /`; the court is that of the command line, its defects unless the address names one. */
export function explorerServer(court: Court): Server {
  return createServer({ maxHeaderSize: 2 * ADDRESS_MAX }, (request, response) => {
    void answer(request, court)
      .catch((error: unknown) => ({
        status: 500,
        body: refusalPage(`A mistake of pvmmu's own: ${String(error)}`, undefined),
      }))
      .then((answered) => send(request, response, answered));
  });
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, location }: Answer): void {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
    ...(location === undefined ? {} : { Location: location }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answer(request: IncomingMessage, court: Court): Promise<Answer> {
  const refused = (status: number, message: string) => ({ status, body: refusalPage(message, undefined) });
  // A name that some page has made point here is not ours (DNS rebinding).
  if (!/^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(request.headers.host ?? ''))
    return refused(403, 'unknown host, expected 127.0.0.1 or localhost');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refused(405, `method ${request.method}, expected GET`);
  if ((request.url ?? '').length > ADDRESS_MAX)
    return refused(414, 'the address is too long for a program to explore');
  const url = new URL(request.url ?? '/', `http://${LOOPBACK}`);
  if (url.pathname !== '/') return refused(404, `no page ${url.pathname}, expected /`);
  return explored(url.searchParams, court);
}

async function explored(query: URLSearchParams, court: Court): Promise<Answer> {
  const source = (query.get('program') ?? STARTS['x86_64']!).replaceAll('\r\n', '\n');
  const defect = query.get('defect') ?? '';
  const next = query.get('next')?.trim() || undefined;
  try {
    const defects = defect === '' ? court.defects : new Set<DefectId>(namedDefects(defect));
    if (next !== undefined) {
      const program = parseProgram(withAnswers(`${source.trimEnd()}\n${next}\n`), 'program');
      return { status: 303, body: '', location: addressOf(candidateText(program, program.name), defect) };
    }
    const program = parseProgram(withAnswers(source), 'program');
    const length = operationStarts(program.code).length;
    if (length > OPERATIONS_MAX)
      throw new TextError('program', 0, 0, `${length} operations, expected at most ${OPERATIONS_MAX} here`);
    if (program.machine.frames < 1 || program.machine.frames > FRAMES_MAX)
      throw new TextError(
        'program',
        0,
        0,
        `a machine without frames=, or with more than ${FRAMES_MAX}, expected one with names`,
      );
    return { status: 200, body: await explorerPage(program, { ...court, defects }) };
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    return {
      status: 400,
      body: refusalPage(
        error.message,
        next === undefined ? source : `${source.trimEnd()}\n${next}\n`,
        defect,
      ),
    };
  }
}

function namedDefects(word: string): DefectId[] {
  try {
    return defectsNamed(word).map(({ id }) => id);
  } catch (error) {
    throw new TextError('defect', 0, 0, (error as Error).message);
  }
}

/** Who types an operation need not type an answer. */
function withAnswers(source: string): string {
  return source
    .split('\n')
    .map((line) => {
      const isOperation =
        /^(?:cpu\d: )?[a-z][\w.]* /.test(line) ||
        /^(?:cpu\d: )?(?:resume|destroy|iret_user|end)\b/.test(line);
      const isNone = /^(?:pvmmu|program|machine|final|fill|mmu_update_list|mmuext_op_list|multicall)\b/.test(
        line,
      );
      return isOperation && !isNone && !line.includes('->') ? `${line} -> ?` : line;
    })
    .join('\n');
}

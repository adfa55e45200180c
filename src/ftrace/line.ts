/** One line of ftrace's text: `/sys/kernel/tracing/trace` and `trace-cmd report`, with and without the latency column. */

export interface TraceLine {
  readonly cpu: number;
  /** As in the text; only the order counts. */
  readonly time: number;
  readonly event: string;
  readonly text: string;
}

/** What a line is that holds no event: of no interest, a gap in a CPU's events, or nothing that ftrace writes. */
export type OtherLine = 'blank' | { readonly lost: number } | 'unknown';

// COMM-PID, the process group in parentheses, the CPU in brackets, flags, time, event. A name may hold anything, blanks and
// hyphens too, so what follows it has to fit.
const LINE =
  /^\s*.*-\d+\s+(?:\(\s*[\d-]+\)\s+)?\[(\d+)\]\s+(?:[\w.#*+!@$-]{4,7}\s+)?(\d+(?:\.\d+)?):\s+(?:\w+:)?(\w+):\s*(.*)$/;
// The same in the latency format: the CPU stands before the flags, and the time may be microseconds.
const LATENCY_LINE =
  /^\s*.*-\d+\s+(\d+)[a-zA-Z.#*][\w.#*+]{3,6}\s+(\d+(?:\.\d+)?)(?:us)?[+!#*@$ ]*:\s+(?:\w+:)?(\w+):\s*(.*)$/;
const LOST = /^\s*CPU:?\s*(\d+)\s*\[(?:LOST )?(?:\d+ )?EVENTS?(?: DROPPED)?\]/;
const HEADER =
  /^\s*(?:#.*|version = .*|cpus=\d+|CPU \d+ is empty|trace-cmd .*|.* buffer(?: \d+)? started ####|\[[^\]]*\].*|)$/;

/** No line of a trace is longer. */
const LENGTH_MAX = 4096;

/** Reads the line; a string or the CPU of a gap where it holds no event. */
export function readTraceLine(line: string): TraceLine | OtherLine {
  const text = line.trimEnd();
  if (text.length > LENGTH_MAX) return 'unknown';
  const found = LINE.exec(text) ?? LATENCY_LINE.exec(text);
  if (found) {
    const [, cpu, time, event, rest] = found as unknown as [string, string, string, string, string];
    return { cpu: Number(cpu), time: Number(time), event, text: rest };
  }
  const lost = LOST.exec(text);
  if (lost) return { lost: Number(lost[1]) };
  return HEADER.test(text) ? 'blank' : 'unknown';
}

/** Xen's console, line by line. */

/** A Xen that has come to its end, or has ended its dom0 (which is the lab). */
const END =
  /Panic on CPU|Assertion '.*' failed|Xen BUG at|FATAL|domain_crash|Domain 0 .*crashed|Hardware Dom0|Xen call trace|Unhandled/i;
const OVER = 'lab: over';
const STEP = /^lab: step ([0-9a-f]+)$/;

export interface ConsoleLine {
  readonly text: string;
  /** The operation that ran, where the lab says so, else -1. */
  readonly operation: number;
}

export class XenConsole {
  readonly lines: ConsoleLine[] = [];
  /** A line that says that Xen is at its end has come. */
  ended = false;
  private rest = '';
  private operation = -1;

  constructor(private readonly onLine: (line: string) => void) {}

  push(text: string): void {
    const parts = (this.rest + text).split('\n');
    this.rest = parts.pop()!;
    for (const part of parts) this.line(part.replace(/\r/g, ''));
  }

  private line(text: string): void {
    const step = STEP.exec(text);
    if (step) {
      this.operation = Number.parseInt(step[1]!, 16);
      return;
    }
    if (text === OVER) this.operation = -1;
    if (text === '' || text === OVER) return;
    this.lines.push({ text, operation: this.operation });
    if (END.test(text)) this.ended = true;
    this.onLine(text);
  }
}

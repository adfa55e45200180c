/**
 * The debugger stub of QEMU, spoken to in the remote serial protocol of GDB: the machine stops at addresses, shows registers and
 * memory, and goes on. One command at a time; while the machine runs, nothing may be sent but the request to stop.
 */
import type { Duplex } from 'node:stream';

/** The order in which the stub sends registers, 64 bits each, in all modes of the processor. */
const REGISTERS = [
  ...['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15', 'rip'],
] as const;
export type Register = (typeof REGISTERS)[number];
export type Registers = Readonly<Record<Register, bigint>>;

const STOP = '\x03';
const PACKET = /\$([^#]*)#([0-9a-f]{2})/;

/** The other side has closed the connection: QEMU is gone. */
export class DebuggerGone extends Error {}

export class Debugger {
  private heard = '';
  private waiting: { resolve: (packet: string) => void; reject: (error: Error) => void } | undefined;
  private gone = false;

  constructor(private readonly stream: Duplex) {
    stream.setEncoding('latin1');
    stream.on('data', (text: string) => this.hear(text));
    for (const end of ['close', 'error']) stream.on(end, () => this.leave());
  }

  /** Stops the machine, which runs. */
  async stop(): Promise<void> {
    await this.ask(STOP);
  }

  /** Whenever the processor comes to the instruction, the machine stops before it. */
  async breakAt(address: bigint): Promise<void> {
    await this.order(`Z0,${address.toString(16)},1`);
  }

  async passBy(address: bigint): Promise<void> {
    await this.order(`z0,${address.toString(16)},1`);
  }

  /** Goes on, to the next breakpoint; the one where it stands does not count. Resolves with the registers there. */
  async go(): Promise<Registers> {
    await this.step();
    await this.command('c');
    return this.registers();
  }

  /** One instruction, without any interrupt. */
  async step(): Promise<void> {
    await this.command('s');
  }

  async registers(): Promise<Registers> {
    const bytes = Buffer.from(await this.command('g'), 'hex');
    const at = (i: number) => bytes.readBigUInt64LE(i * 8);
    return Object.fromEntries(REGISTERS.map((name, i) => [name, at(i)])) as Registers;
  }

  /** Writes a word of 64 bits at a virtual address, where the processor may not. */
  async write(address: bigint, value: bigint): Promise<void> {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
    await this.order(`M${address.toString(16)},8:${bytes.toString('hex')}`);
  }

  private async order(command: string): Promise<void> {
    const answer = await this.command(command);
    if (answer !== 'OK') throw new Error(`the debugger stub answers "${answer}" to ${command}`);
  }

  /** The answer to a command; `c` and `s` are answered when the machine has stopped again. The plus acknowledges the last answer. */
  private command(text: string): Promise<string> {
    return this.ask(`+$${text}#${checksum(text)}`);
  }

  private ask(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.gone) return reject(new DebuggerGone());
      this.waiting = { resolve, reject };
      this.stream.write(bytes, 'latin1');
    });
  }

  private hear(text: string): void {
    this.heard += text;
    const packet = PACKET.exec(this.heard);
    if (!packet) return;
    this.heard = this.heard.slice(packet.index + packet[0].length);
    const [, content, sum] = packet;
    const { waiting } = this;
    this.waiting = undefined;
    if (checksum(content!) === sum) waiting?.resolve(content!);
    else waiting?.reject(new Error(`the debugger stub sends a packet that is damaged: ${packet[0]}`));
  }

  private leave(): void {
    this.gone = true;
    this.waiting?.reject(new DebuggerGone());
    this.waiting = undefined;
  }
}

function checksum(text: string): string {
  const sum = Buffer.from(text, 'latin1').reduce((total, byte) => (total + byte) & 0xff, 0);
  return sum.toString(16).padStart(2, '0');
}

import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Debugger, DebuggerGone } from '../../src/xen/debugger.js';

function packet(content: string): string {
  const sum = [...content].reduce((total, c) => total + c.charCodeAt(0), 0) & 0xff;
  return `$${content}#${sum.toString(16).padStart(2, '0')}`;
}

/** A stub that answers each request with the next answer, in pieces, and remembers what it was asked. */
function stub(...answers: string[]): { machine: Debugger; asked: string[]; stream: Duplex } {
  const asked: string[] = [];
  const stream: Duplex = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      asked.push(bytes.toString('latin1'));
      for (const piece of (answers.shift() ?? '').match(/.{1,3}/g) ?? [])
        stream.push(Buffer.from(piece, 'latin1'));
      done();
    },
  });
  return { machine: new Debugger(stream), asked, stream };
}

/** All 17 registers, each its own number. */
const REGISTERS = Array.from(
  { length: 17 },
  (_, i) => `${(i + 1).toString(16).padStart(2, '0')}00000000000080`,
);

describe('the debugger stub', () => {
  test('is asked in packets with their sum, each acknowledging the answer before', async () => {
    const { machine, asked } = stub(packet('T02thread:01;'), `+${packet('OK')}`, `+${packet('OK')}`);
    await machine.stop();
    await machine.breakAt(0xffff82d04030fae0n);
    await machine.write(0xffff82e0001d4030n, -2n);
    expect(asked).toEqual([
      '\x03',
      '+$Z0,ffff82d04030fae0,1#cc',
      `+${packet('Mffff82e0001d4030,8:feffffffffffffff')}`,
    ]);
  });

  test('goes on from a breakpoint by one instruction first, and tells the registers where it stops', async () => {
    const { machine, asked } = stub(packet('T05'), packet('T05'), packet(REGISTERS.join('')));
    const { rax, rdx, rip } = await machine.go();
    expect(asked.map((request) => request.slice(1, 3))).toEqual(['$s', '$c', '$g']);
    expect([rax, rdx, rip]).toEqual([1n, 4n, 17n].map((n) => n + (0x80n << 56n)));
  });

  test('that refuses is named with what it refuses', async () => {
    const { machine } = stub(packet('E22'));
    await expect(machine.passBy(0x1000n)).rejects.toThrow('answers "E22" to z0,1000,1');
  });

  test('that sends a damaged packet is not believed', async () => {
    const { machine } = stub('$OK#00');
    await expect(machine.breakAt(0x1000n)).rejects.toThrow('damaged: $OK#00');
  });

  test('that goes away leaves nobody waiting', async () => {
    const { machine, stream } = stub();
    const waiting = machine.step();
    stream.destroy();
    await expect(waiting).rejects.toBeInstanceOf(DebuggerGone);
    await expect(machine.step()).rejects.toBeInstanceOf(DebuggerGone);
  });
});

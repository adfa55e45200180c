import { expect, test } from 'vitest';
import { XenConsole } from '../../src/xen/console.js';

test('the console is read in lines, however it comes', () => {
  const heard: string[] = [];
  const console = new XenConsole((line) => heard.push(line));
  for (const part of ['(XEN) one\r\n(XE', 'N) two\n', '\n(XEN) th']) console.push(part);
  expect(heard).toEqual(['(XEN) one', '(XEN) two']);
});

test('what Xen says is told apart by the operation that ran', () => {
  const console = new XenConsole(() => {});
  console.push('(XEN) before\nlab: step 0\nlab: step 1f\n(XEN) mm.c: bad\nlab: over\n(XEN) after\n');
  expect(console.lines).toEqual([
    { text: '(XEN) before', operation: -1 },
    { text: '(XEN) mm.c: bad', operation: 31 },
    { text: '(XEN) after', operation: -1 },
  ]);
});

test.each([
  ['(XEN) Panic on CPU 0:', true],
  ["(XEN) Assertion 'page->count' failed at arch/x86/mm.c:1", true],
  ['(XEN) Xen BUG at arch/x86/mm.c:1', true],
  ['(XEN) Domain 0 (vcpu#0) crashed on cpu#0:', true],
  ['(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.', true],
  ['(XEN) Dom0 has maximum 1 VCPUs', false],
  ['(XEN) mm.c:3080:d0v0 Bad type', false],
])('"%s" is the end: %s', (line, end) => {
  const console = new XenConsole(() => {});
  console.push(`${line}\n`);
  expect(console.ended).toBe(end);
});

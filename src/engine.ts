import { setFlagsFromString } from 'node:v8';

/** V8's limits for inlining, in bytes of bytecode: of one function, of all that go into another, and at most. */
function inlineUpTo(size: number, cumulative: number, absolute: number): void {
  setFlagsFromString(`--max-inlined-bytecode-size=${size}`);
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${cumulative}`);
  setFlagsFromString(`--max-inlined-bytecode-size-absolute=${absolute}`);
}

/*
 * Lets V8 put more into a function than it would, but no large ones: the models are many small functions called once per
 * operation, and the default limit of all that is put into one stops in the middle of them. Functions that are larger still
 * take longer to compile and are no faster (docs/adr/0005-built-as-one-module.md). Has to come before anything hot is compiled.
 */
inlineUpTo(300, 4000, 10_000);

/**
 * Brings back V8's own limits, for an exploration: what it calls for each operation is too much for one function, and in
 * short ones compiling it took as long as the rest.
 */
export function inlineAsUsual(): void {
  inlineUpTo(460, 920, 4600);
}

import { setFlagsFromString } from 'node:v8';

/** V8's limits for inlining, in bytes of bytecode: of one function, of all that go into another, and at most. */
function inlineUpTo(size: number, cumulative: number, absolute: number): void {
  setFlagsFromString(`--max-inlined-bytecode-size=${size}`);
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${cumulative}`);
  setFlagsFromString(`--max-inlined-bytecode-size-absolute=${absolute}`);
}

/*
 * Lets V8 inline more than it would: the models are many small functions called once per operation, and the
 * default limits stop in the middle of them. With still larger ones it takes longer to compile what is no faster then
 * (docs/adr/0005-built-as-one-module.md). Has to come before anything hot is compiled.
 */
inlineUpTo(1000, 2500, 7000);

/**
 * Brings back V8's own limits, for an exploration: what it calls for each operation is too much for one function, and in
 * short ones compiling it took as long as the rest.
 */
export function inlineAsUsual(): void {
  inlineUpTo(460, 920, 4600);
}

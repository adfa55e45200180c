import { setFlagsFromString } from 'node:v8';

/**
 * Lets V8 inline more than it would: the models are many small functions called once per operation, and the
 * default limits stop in the middle of them. Has to come before anything hot is compiled.
 */
setFlagsFromString('--max-inlined-bytecode-size=1500');
setFlagsFromString('--max-inlined-bytecode-size-cumulative=5000');
setFlagsFromString('--max-inlined-bytecode-size-absolute=10000');

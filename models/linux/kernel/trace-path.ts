/** Notes which kernel functions run: all methods with names of the kernel's (snake case). */
import type { Guest } from './guest.js';
import { Kernel } from './kernel.js';

type Method = (this: Guest, ...parameters: unknown[]) => unknown;

/** Wraps the methods once, so that `path` says at any time how the kernel got where it is. */
function notePaths(): void {
  for (let type: object = Kernel.prototype; type !== Object.prototype; type = Object.getPrototypeOf(type)) {
    for (const name of Object.getOwnPropertyNames(type)) {
      const { value } = Object.getOwnPropertyDescriptor(type, name)!;
      if (!/[a-z0-9]_/.test(name) || typeof value !== 'function') continue;
      if (/^(pfn_to_mfn|mfn_to_pfn|pfn_pte|lookup_address|__va)$/.test(name)) continue;
      Object.defineProperty(type, name, { value: noted(name, value as Method) });
    }
  }
}

function noted(name: string, method: Method): Method {
  return function (this: Guest, ...parameters) {
    this.path.push(name);
    const result = method.apply(this, parameters);
    this.path.pop();
    return result;
  };
}

notePaths();

export { Kernel };

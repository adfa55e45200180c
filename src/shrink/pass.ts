import type { Draft } from './draft.js';

/**
 * One way to make a program smaller: yields programs to try, and gets what the program has become where one was
 * taken (perhaps cut shorter still), undefined where it was not. Nothing is computed before it is tried.
 */
export type Pass = (draft: Draft) => Steps;
export type Steps = Generator<Draft, void, Draft | undefined>;

/** The one door to fast-check: everything else in the project imports it from here. */
export { default as fc } from 'fast-check';

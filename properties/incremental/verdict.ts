/** Holds one frame, as the model reports it, against all that the tracker knows of its holders. */
import type { ModelState } from '../../models/model.js';
import {
  INFO_ALLOCATED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_SPECIAL,
  INFO_TYPE,
  OWNER_IO,
} from '../../models/x86/page-type.js';
import { isGuests, isValidatedTable, ownerOf } from '../frames.js';
import type { Invariant, Violation } from '../invariant.js';
import { stateFault } from '../legal-state.js';
import { linearFault } from '../linear-counts.js';
import { loadedBase } from '../loaded-base.js';
import { writableFault } from '../no-writable-pagetable.js';
import { isMappable, ownedMappings } from '../owned-mappings.js';
import { basesFault, ownerFault, segmentFault } from '../owned-tables.js';
import { countFault } from '../reference-counts.js';
import { tableTree } from '../table-tree.js';
import { frameName } from '../wording.js';
import type { Holdings } from './holdings.js';
import type { Roots } from './roots.js';

/** Information words have 13 bits; the key adds the type count as none, one or more, and whether there is a general one. */
const KEY_TYPE_SHIFT = 13;
const KEY_GENERAL_SHIFT = 15;
const KEYS = 1 << 16;

export class FrameVerdict {
  /** Keys of states found legal before. */
  private readonly legal = new Uint8Array(KEYS);

  constructor(
    private readonly state: ModelState,
    private readonly held: Holdings,
    private readonly roots: Roots,
  ) {}

  of(mfn: number): Violation | undefined {
    const { state, held } = this;
    const info = state.info(mfn);
    return (
      writableFault(state, mfn, info, held.writable[mfn]) ??
      this.counts(mfn, info) ??
      this.linear(mfn) ??
      this.legality(mfn, info) ??
      ownerFault(state, mfn, info) ??
      this.holders(mfn, info) ??
      this.rooted(mfn)
    );
  }

  /** The counts that the frame must have (rules 2.10, 16.5), and those that it has. */
  private counts(mfn: number, info: number): Violation | undefined {
    const { state, held, roots } = this;
    const both = held.lower[mfn] + held.linearIn[mfn] + roots.segments[mfn] + roots.bases[mfn];
    let type = both;
    let general = both + held.handed[mfn];
    if (roots.deferredTables > 0) {
      type += roots.waitingWhole[mfn];
      general += roots.waiting[mfn];
    }
    if (ownerOf(info) === OWNER_IO) {
      type++;
      general++;
    } else {
      const own = ((info & INFO_PARTIAL) !== 0 ? 1 : 0) + ((info & INFO_PINNED) !== 0 ? 1 : 0);
      type += own + state.lostTypeReferences(mfn) + ((info & INFO_SPECIAL) !== 0 ? 1 : 0);
      general += own + state.lostGeneralReferences(mfn) + ((info & INFO_ALLOCATED) !== 0 ? 1 : 0);
    }
    if (isGuests(info)) {
      type += held.writable[mfn];
      general += held.writable[mfn] + held.readOnly[mfn];
    }
    return countFault(state, mfn, type, general);
  }

  private linear(mfn: number): Violation | undefined {
    const { held, roots } = this;
    let out = held.linearOut[mfn];
    let into = held.linearIn[mfn];
    if (roots.deferredTables > 0) {
      out += roots.linearOut(mfn);
      into += roots.linearIn(mfn);
    }
    return linearFault(this.state, mfn, out, into);
  }

  /**
   * What is legal depends on little, unless a partial or deferred table or the end of the domain is concerned: it
   * is looked into once.
   */
  private legality(mfn: number, info: number): Violation | undefined {
    const { state, roots } = this;
    if (
      (info & INFO_PARTIAL) !== 0 ||
      state.partialFrom(mfn) !== 0 ||
      roots.waiting[mfn] !== 0 ||
      roots.dying
    )
      return stateFault(state, mfn, info);
    const key =
      info |
      (Math.min(state.typeCount(mfn), 2) << KEY_TYPE_SHIFT) |
      (state.generalCount(mfn) > 0 ? 1 << KEY_GENERAL_SHIFT : 0);
    if (this.legal[key] === 1) return undefined;
    const violation = stateFault(state, mfn, info);
    if (!violation) this.legal[key] = 1;
    return violation;
  }

  /** Whether the frame is what the entries that name it, counted in whichever step, took it for. */
  private holders(mfn: number, info: number): Violation | undefined {
    const { state, held } = this;
    if (held.readOnly[mfn] + held.writable[mfn] > 0 && !isMappable(info))
      return explained(state, ownedMappings, mfn);
    const lower = held.lower[mfn];
    if (lower === 0 && held.linearIn[mfn] === 0) return undefined;
    const wanted = held.lowerType[mfn];
    const fits =
      isGuests(info) &&
      (isValidatedTable(info) || this.roots.dying) &&
      (lower === 0 || (info & (INFO_TYPE | INFO_PAE_XEN_L2)) === wanted);
    const shared = lower > 1 && (wanted & INFO_PAE_XEN_L2) !== 0;
    return fits && !shared ? undefined : explained(state, tableTree, mfn);
  }

  private rooted(mfn: number): Violation | undefined {
    const { state, roots } = this;
    if (roots.bases[mfn] > 0) {
      const violation = basesFault(state) ?? loadedBase.check(state);
      if (violation) return violation;
    }
    return roots.segments[mfn] > 0 ? segmentFault(state, mfn, 'a frame of the GDT or LDT') : undefined;
  }
}

/** The scan finds the entry in question; this is off the fast path. */
function explained(state: ModelState, invariant: Invariant, frame: number): Violation {
  const message = `${frameName(frame, state.machine)} is not what the entries that name it were checked against.`;
  return invariant.check(state) ?? { invariant: invariant.name, message, frame };
}

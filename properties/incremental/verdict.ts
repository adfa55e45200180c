/** Holds one frame, as the model reports it, against all that the tracker knows of its holders. */
import type { ModelState } from '../../models/model.js';
import {
  INFO_ALLOCATED,
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_SPECIAL,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_GUEST,
  OWNER_IO,
  TYPE_SEG_DESC,
  TYPE_WRITABLE,
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
import {
  ACCOUNT_SHIFT,
  BASES,
  HANDED,
  type Holdings,
  LINEAR_IN,
  LINEAR_OUT,
  LOWER,
  LOWER_TYPE,
  READ_ONLY,
  SEGMENTS,
  WRITABLE,
} from './holdings.js';
import type { Roots } from './roots.js';

/** Information words have 13 bits; the key adds the type count as none, one or more, and whether there is a general one. */
const KEY_TYPE_SHIFT = 13;
const KEY_GENERAL_SHIFT = 15;
const KEYS = 1 << 16;

/** Numbers of these bits. Whether they are set cannot be predicted, so a plain frame's count without a branch. */
const PINNED_BIT = 31 - Math.clz32(INFO_PINNED);
const ALLOCATED_BIT = 31 - Math.clz32(INFO_ALLOCATED);

/** What a plain frame's information word says of these: that it is the guest's. */
const NOT_PLAIN = INFO_OWNER | INFO_PARTIAL | INFO_SPECIAL;
const PLAIN = OWNER_GUEST << INFO_OWNER_SHIFT;

export class FrameVerdict {
  /** Keys of states found legal before. */
  private readonly legal = new Uint8Array(KEYS);

  constructor(
    private readonly state: ModelState,
    private readonly held: Holdings,
    private readonly roots: Roots,
  ) {}

  of(mfn: number): Violation | undefined {
    return this.isPlain(mfn) ? undefined : this.fault(mfn);
  }

  /**
   * Whether nothing is wrong with a frame that is as most are: the guest's, whole, and held by entries,
   * descriptor tables and its pin alone. Of any other frame, and of one with a fault, it says no.
   */
  private isPlain(mfn: number): boolean {
    const { state, held, roots } = this;
    const { words } = held;
    const at = mfn << ACCOUNT_SHIFT;
    const info = state.info(mfn);
    if ((info & NOT_PLAIN) !== PLAIN || roots.deferredTables !== 0 || roots.dying) return false;
    const rare = words[at | LINEAR_IN] | words[at | LINEAR_OUT] | words[at | HANDED] | words[at | BASES];
    if ((rare | state.linearCount(mfn) | state.partialFrom(mfn)) !== 0) return false;
    const type = state.typeCount(mfn);
    const general = state.generalCount(mfn);
    const writable = words[at | WRITABLE];
    const lower = words[at | LOWER];
    const segments = words[at | SEGMENTS];
    const both = writable + lower + segments + ((info >> PINNED_BIT) & 1);
    if (type !== both + state.lostTypeReferences(mfn)) return false;
    const allocated = (info >> ALLOCATED_BIT) & 1;
    if (general !== both + words[at | READ_ONLY] + allocated + state.lostGeneralReferences(mfn)) return false;
    if (writable !== 0 && (info & INFO_TYPE) !== TYPE_WRITABLE) return false;
    if (segments !== 0 && (info & INFO_TYPE) !== TYPE_SEG_DESC) return false;
    if (lower !== 0 && !this.isWanted(info, words[at | LOWER_TYPE], lower)) return false;
    return this.legal[legalKey(info, type, general)] === 1;
  }

  /** Whether a table is what the entries of the level above, this many, took it for. */
  private isWanted(info: number, wanted: number, lower: number): boolean {
    if ((info & (INFO_TYPE | INFO_PAE_XEN_L2)) !== wanted) return false;
    return (info & INFO_VALIDATED) !== 0 && (lower === 1 || (wanted & INFO_PAE_XEN_L2) === 0);
  }

  private fault(mfn: number): Violation | undefined {
    const { state } = this;
    const info = state.info(mfn);
    return (
      writableFault(state, mfn, info, this.held.of(mfn, WRITABLE)) ??
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
    const { state, roots } = this;
    const { words } = this.held;
    const at = mfn << ACCOUNT_SHIFT;
    const both = words[at | LOWER] + words[at | LINEAR_IN] + words[at | BASES] + words[at | SEGMENTS];
    let type = both;
    let general = both + words[at | HANDED];
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
      type += words[at | WRITABLE];
      general += words[at | WRITABLE] + words[at | READ_ONLY];
    }
    return countFault(state, mfn, type, general);
  }

  private linear(mfn: number): Violation | undefined {
    const { held, roots } = this;
    let out = held.of(mfn, LINEAR_OUT);
    let into = held.of(mfn, LINEAR_IN);
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
    const key = legalKey(info, state.typeCount(mfn), state.generalCount(mfn));
    if (this.legal[key] === 1) return undefined;
    const violation = stateFault(state, mfn, info);
    if (!violation) this.legal[key] = 1;
    return violation;
  }

  /** Whether the frame is what the entries that name it, counted in whichever step, took it for. */
  private holders(mfn: number, info: number): Violation | undefined {
    const { state, held } = this;
    if (held.of(mfn, READ_ONLY) + held.of(mfn, WRITABLE) > 0 && !isMappable(info))
      return explained(state, ownedMappings, mfn);
    const lower = held.of(mfn, LOWER);
    if (lower === 0 && held.of(mfn, LINEAR_IN) === 0) return undefined;
    const wanted = held.of(mfn, LOWER_TYPE);
    const fits =
      isGuests(info) &&
      (isValidatedTable(info) || this.roots.dying) &&
      (lower === 0 || (info & (INFO_TYPE | INFO_PAE_XEN_L2)) === wanted);
    const shared = lower > 1 && (wanted & INFO_PAE_XEN_L2) !== 0;
    return fits && !shared ? undefined : explained(state, tableTree, mfn);
  }

  private rooted(mfn: number): Violation | undefined {
    const { state, held } = this;
    if (held.of(mfn, BASES) > 0) {
      const violation = basesFault(state) ?? loadedBase.check(state);
      if (violation) return violation;
    }
    return held.of(mfn, SEGMENTS) > 0 ? segmentFault(state, mfn, 'a frame of the GDT or LDT') : undefined;
  }
}

/** What `stateFault` depends on, of a frame that is neither partial nor deferred. */
function legalKey(info: number, type: number, general: number): number {
  return info | (Math.min(type, 2) << KEY_TYPE_SHIFT) | (general > 0 ? 1 << KEY_GENERAL_SHIFT : 0);
}

/** The scan finds the entry in question; this is off the fast path. */
function explained(state: ModelState, invariant: Invariant, frame: number): Violation {
  const message = `${frameName(frame, state.machine)} is not what the entries that name it were checked against.`;
  return invariant.check(state) ?? { invariant: invariant.name, message, frame };
}

import { highOf, lowOf, type Entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import { MMU_COMMANDS, type Word64 } from './operation.js';
import {
  OPT_BAD,
  OPT_DONE_SHIFT,
  OPT_FLUSH_SHIFT,
  OPT_PFD_SHIFT,
  OP_ACCESS_LDT,
  OP_CLEAR_PAGE,
  OP_COPY_PAGE,
  OP_DECREASE_RESERVATION,
  OP_DESTROY,
  OP_FILL_ENTRY,
  OP_GDT_FRAME,
  OP_INITIALISE,
  OP_IRET_USER,
  OP_MACHPHYS,
  OP_MMUEXT,
  OP_MMU_UPDATE,
  OP_NEW_BASEPTR,
  OP_NEW_USER_BASEPTR,
  OP_PIN,
  OP_RECEIVE,
  OP_RELEASE,
  OP_RESET_VCPU,
  OP_RESUME,
  OP_SET_LDT,
  OP_STORE,
  OP_STORE_CACHED,
  OP_STORE_FRAME,
  OP_TOUCH,
  OP_UNPIN,
  OP_UPDATE_DESCRIPTOR,
  OP_UPDATE_VA,
  OP_WRITE_CR3,
  RECORD,
  VARIANT_SHIFT,
  W_COUNT,
  W_FRAME,
  W_HIGH,
  W_ITEMS,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
  W_SLOT,
} from './record.js';

const FIRST_ROOM = 64 * RECORD;

/**
 * Writes operations as records, one behind the other. What an operation chooses by a word in the text (a part of an
 * entry, a flush, a domain) is the number here that stands for it in its record.
 */
export class RecordWriter {
  code = new Int32Array(FIRST_ROOM);
  /** Words that have been written. */
  length = 0;

  store({ low, high }: Word64, part: number, entry: Entry): void {
    this.put(OP_STORE | (part << VARIANT_SHIFT), low, high, lowOf(entry), highOf(entry));
  }

  storeCached({ low, high }: Word64, entry: Entry): void {
    this.put(OP_STORE_CACHED, low, high, lowOf(entry), highOf(entry));
  }

  storeFrame(mfn: number, slot: number, part: number, entry: Entry): void {
    this.put(OP_STORE_FRAME | (part << VARIANT_SHIFT), mfn, slot, lowOf(entry), highOf(entry));
  }

  mmuUpdate(command: number, mfn: number, slot: number, entry: Entry): void {
    this.put(OP_MMU_UPDATE | (command << VARIANT_SHIFT), mfn, slot, lowOf(entry), highOf(entry));
  }

  /** MMU_NORMAL_PT_UPDATE of one entry. */
  normalUpdate(mfn: number, slot: number, entry: Entry): void {
    this.mmuUpdate(MMU_COMMANDS.normal, mfn, slot, entry);
  }

  machphys(mfn: number, { low, high }: Word64): void {
    this.put(OP_MACHPHYS, mfn, 0, low, high);
  }

  updateVa({ low, high }: Word64, entry: Entry, flush: number, badBitmap: boolean, fd: number): void {
    const options = fd | (flush << OPT_FLUSH_SHIFT) | (badBitmap ? OPT_BAD : 0);
    this.put(OP_UPDATE_VA, low, high, lowOf(entry), highOf(entry), 0, options);
  }

  pin(level: Level, mfn: number): void {
    this.put(OP_PIN | (level << VARIANT_SHIFT), mfn);
  }

  unpin(mfn: number): void {
    this.put(OP_UNPIN, mfn);
  }

  newBaseptr(mfn: number): void {
    this.put(OP_NEW_BASEPTR, mfn);
  }

  newUserBaseptr(mfn: number): void {
    this.put(OP_NEW_USER_BASEPTR, mfn);
  }

  clearPage(mfn: number): void {
    this.put(OP_CLEAR_PAGE, mfn);
  }

  copyPage(mfn: number, source: number): void {
    this.put(OP_COPY_PAGE, mfn, 0, source);
  }

  setLdt({ low, high }: Word64, entries: number): void {
    this.put(OP_SET_LDT, low, high, 0, 0, entries);
  }

  mmuext(command: number, badBitmap: boolean): void {
    this.put(OP_MMUEXT | (command << VARIANT_SHIFT), 0, 0, 0, 0, 0, badBitmap ? OPT_BAD : 0);
  }

  updateDescriptor(mfn: number, slot: number, { low, high }: Word64, misaligned: boolean): void {
    this.put(OP_UPDATE_DESCRIPTOR, mfn, slot, low, high, 0, misaligned ? OPT_BAD : 0);
  }

  accessLdt(page: number): void {
    this.put(OP_ACCESS_LDT, page);
  }

  writeCr3(mfn: number): void {
    this.put(OP_WRITE_CR3, mfn);
  }

  release(mfn: number): void {
    this.put(OP_RELEASE, mfn);
  }

  receive(mfn: number, count: number): void {
    this.put(OP_RECEIVE, mfn, 0, 0, 0, count);
  }

  decreaseReservation(mfn: number): void {
    this.put(OP_DECREASE_RESERVATION, mfn);
  }

  resume(): void {
    this.put(OP_RESUME);
  }

  touch({ low, high }: Word64): void {
    this.put(OP_TOUCH, low, high);
  }

  iretUser(): void {
    this.put(OP_IRET_USER);
  }

  initialise(vcpu: number, mfn: number, user: number, userMode: boolean): void {
    this.put(OP_INITIALISE, mfn, 0, user, 0, vcpu, userMode ? OPT_BAD : 0);
  }

  resetVcpu(vcpu: number): void {
    this.put(OP_RESET_VCPU, 0, 0, 0, 0, vcpu);
  }

  destroy(): void {
    this.put(OP_DESTROY);
  }

  /** Begins a list, multicall, fill or GDT, whose items follow up to `end`; where its record is. */
  begin(opcode: number, mfn = 0): number {
    const at = this.length;
    this.put(opcode, mfn);
    return at;
  }

  /** An item of a fill. */
  fillEntry(slot: number, entry: Entry): void {
    this.put(OP_FILL_ENTRY, 0, slot, lowOf(entry), highOf(entry));
  }

  /** An item of a GDT. */
  gdtFrame(mfn: number): void {
    this.put(OP_GDT_FRAME, mfn);
  }

  /** All that has been written since `begin` are the items of the record at `at`. */
  end(at: number): void {
    this.code[at + W_ITEMS] = (this.length - at) / RECORD - 1;
  }

  /** Descriptors of the GDT at `at`. */
  entries(at: number, count: number): void {
    this.code[at + W_COUNT] = count;
  }

  /** How the list at `at` is passed; -1 where every element can be read, and where it begins at the beginning. */
  listOptions(
    at: number,
    fd: number,
    pfd: number,
    badList: boolean,
    unreadable: number,
    continued: number,
  ): void {
    this.code[at + W_COUNT] = unreadable + 1;
    this.code[at + W_OPTIONS] =
      fd | (pfd << OPT_PFD_SHIFT) | (badList ? OPT_BAD : 0) | ((continued + 1) << OPT_DONE_SHIFT);
  }

  /** What the environment does around the operation at `at`, as bits of word 0. */
  environment(at: number, bits: number): void {
    this.code[at + W_OPCODE]! |= bits;
  }

  private put(opcode: number, frame = 0, slot = 0, low = 0, high = 0, count = 0, options = 0): void {
    const at = this.length;
    if (at === this.code.length) this.grow();
    const { code } = this;
    code[at + W_OPCODE] = opcode;
    code[at + W_FRAME] = frame;
    code[at + W_SLOT] = slot;
    code[at + W_LOW] = low;
    code[at + W_HIGH] = high;
    code[at + W_COUNT] = count;
    code[at + W_ITEMS] = 0;
    code[at + W_OPTIONS] = options;
    this.length = at + RECORD;
  }

  private grow(): void {
    const larger = new Int32Array(2 * this.code.length);
    larger.set(this.code);
    this.code = larger;
  }
}

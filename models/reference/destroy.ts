// Virtual CPUs that come and go, and the end of the domain (rules 16.7).
import { OWNER_GUEST, TYPE_L2, TYPE_L3, TYPE_L4 } from '../x86/page-type.js';
import { EEXIST, EINVAL, FAULT, OK, PREEMPTED } from '../x86/result.js';
import { Hypercalls, type Of } from './hypercalls.js';
import * as by from './page.js';
import { handOver, isPinned, ledgers, levelOf, strike, type Page } from './page.js';
import { NO_LDT, RESTART, restartable, type Vcpu } from './vcpu.js';

export class Lifecycle extends Hypercalls {
  // Where relinquish_memory goes on: the level that it looks for, and the next frame.
  relinquishing = { level: TYPE_L4 as number, mfn: 0 };

  // pv/iret.c: do_iret. The user's base is loaded until the vCPU comes back for its next operation.
  iret_user(): number {
    const { curr } = this;
    if (this.is32bit()) return OK;
    if (curr.userBase === 0) return FAULT;
    curr.tlb.flush();
    curr.inUserMode = true;
    return OK;
  }
  // arch/x86/domain.c: arch_set_info_guest, of a vCPU that is down (rules 5.5).
  initialiseVcpu({ vcpu: id, mfn, user, userMode }: Of<'initialise'>): number {
    const [vcpu, is64bit] = [this.vcpus[id], !this.is32bit()];
    if (vcpu === undefined) return EINVAL;
    if (vcpu.state !== 'down') return EEXIST;
    if (is64bit && userMode && user === 0) return EINVAL;
    if (this.putOldGuestTable() !== OK) return RESTART;
    const code = this.initialiseKernelBase(vcpu, mfn);
    if (code !== OK) return code;
    if (is64bit && user !== 0) {
      const root = this.getPageAndType(user, TYPE_L4, vcpu.as(by.USER_BASE), { preemptible: true });
      if (restartable(root) === RESTART) {
        this.deferWhole(vcpu, this.page(mfn), vcpu.as(by.KERNEL_BASE));
        vcpu.kernelBase = 0;
      }
      if (root !== OK) return restartable(root);
    }
    const inUserMode = is64bit && userMode;
    Object.assign(vcpu, { state: 'up', userBase: is64bit ? user : 0, inUserMode });
    return OK;
  }
  // An attempt that was interrupted at the user's base has left the kernel's deferred; one that failed there has
  // left it installed, and the next forgets it.
  initialiseKernelBase(vcpu: Vcpu, mfn: number): number {
    if (vcpu.kernelBase !== 0 && this.isIntended() && this.dropKernelBase(vcpu) !== OK) return RESTART;
    const [page, is64bit, old] = [this.page(mfn), !this.is32bit(), vcpu.kernelBase];
    const [place, holder] = [vcpu.as(by.DEFERRED), vcpu.as(by.KERNEL_BASE)];
    if (vcpu.deferred?.whole && vcpu.deferred.table === page) {
      for (const refs of ledgers(this.changing(page))) handOver(refs, place, holder);
      vcpu.deferred = undefined;
    } else {
      if (is64bit && this.putOldGuestTable(vcpu) !== OK) return RESTART;
      const root = is64bit ? TYPE_L4 : TYPE_L3;
      const code = this.getPageAndType(mfn, root, holder, { preemptible: true });
      if (code !== OK) return restartable(code);
      if (is64bit) this.fillRoMpt(page);
    }
    vcpu.kernelBase = mfn;
    if (old !== 0) for (const refs of ledgers(this.changing(this.page(old)))) handOver(refs, holder, by.LOST);
    return OK;
  }
  // An earlier attempt's base, with quirks=intended (rules 16.8).
  dropKernelBase(vcpu: Vcpu): number {
    const page = this.page(vcpu.kernelBase);
    vcpu.kernelBase = 0;
    return this.putOrDefer(page, vcpu.as(by.KERNEL_BASE), vcpu);
  }
  // arch_vcpu_reset. The toolstack repeats it until it is through; meanwhile the vCPU is paused.
  reset_vcpu({ vcpu }: Of<'reset_vcpu'>): number {
    const target = this.vcpus[vcpu];
    if (target === undefined || target === this.curr) return EINVAL;
    target.state = 'in reset';
    if (this.destroyVcpu(target) !== OK) return PREEMPTED;
    Object.assign(target, { state: 'down', inUserMode: false, interrupted: undefined });
    return OK;
  }
  // pv_destroy_gdt, pv_destroy_ldt; mm.c: vcpu_destroy_pagetables (DESTROY).
  destroyVcpu(vcpu: Vcpu): number {
    if (vcpu.state === 'up') vcpu.state = 'in reset';
    vcpu.tlb.flush();
    this.putGdt(vcpu, vcpu.gdt);
    this.destroyLdt(vcpu);
    Object.assign(vcpu, { gdt: [], ldt: NO_LDT });
    if (this.putOldGuestTable(vcpu) !== OK) return RESTART;
    const { kernelBase, userBase } = vcpu;
    vcpu.kernelBase = 0;
    if (kernelBase !== 0 && this.putOrDefer(this.page(kernelBase), vcpu.as(by.KERNEL_BASE), vcpu) !== OK)
      return RESTART;
    vcpu.userBase = 0;
    return userBase === 0 ? OK : this.putOrDefer(this.page(userBase), vcpu.as(by.USER_BASE), vcpu);
  }
  // domain_relinquish_resources. What is pinned is unpinned, then what is still a table (it is part of a circle, or
  // was interrupted) gives back what its entries hold, the highest level first.
  destroy(): number {
    this.isDying = true;
    for (const vcpu of this.vcpus) {
      if (this.destroyVcpu(vcpu) !== OK) return PREEMPTED;
      vcpu.interrupted = undefined;
    }
    const position = this.relinquishing;
    for (; position.level >= TYPE_L2; Object.assign(position, { level: position.level - 1, mfn: 0 })) {
      while (position.mfn < this.frameLimit) {
        const page = this.page(position.mfn);
        const isGuests = page.owner === OWNER_GUEST;
        if (isGuests && this.relinquish(page, position.level) !== OK) return PREEMPTED;
        position.mfn++;
        if (isGuests && this.event.pending) return PREEMPTED;
      }
    }
    return OK;
  }
  // One page of relinquish_memory (RELINQUISH).
  relinquish(page: Page, level: number): number {
    this.changing(page).generalRefs.push(by.HYPERCALL);
    const code = isPinned(page) ? this.putPageType(page, by.PIN, { preemptible: true }) : undefined;
    if (code === OK || code === RESTART) this.putPage(page, by.PIN);
    const isUnpinned = code === undefined || code === OK;
    const demoted = isUnpinned ? this.relinquishContents(page, level) : OK;
    this.putPage(page, by.HYPERCALL);
    return isUnpinned ? demoted : code;
  }
  relinquishContents(page: Page, level: number): number {
    const { partial } = page;
    if (page.generalRefs.includes(by.ALLOCATION)) this.putPage(page, by.ALLOCATION);
    if (levelOf(page) !== level || !(page.validated || partial)) return OK;
    const code = this.devalidatePage(page);
    if (partial && code === OK) strike(page.typeRefs, by.PARTIAL);
    if (!partial && code === RESTART) page.typeRefs.push(by.PARTIAL);
    if (partial) this.putPage(page, by.PARTIAL);
    return code;
  }
}

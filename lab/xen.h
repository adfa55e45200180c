/*
 * What the lab uses of Xen's guest interface. Names, numbers and layouts are Xen's (xen/include/public:
 * xen.h, arch-x86/xen.h, memory.h, sched.h, domctl.h, elfnote.h).
 */
#ifndef LAB_XEN_H
#define LAB_XEN_H

#define XEN_ELFNOTE_ENTRY 1
#define XEN_ELFNOTE_VIRT_BASE 3
#define XEN_ELFNOTE_PADDR_OFFSET 4
#define XEN_ELFNOTE_XEN_VERSION 5
#define XEN_ELFNOTE_GUEST_OS 6
#define XEN_ELFNOTE_LOADER 8
#define XEN_ELFNOTE_PAE_MODE 9
#define XEN_ELFNOTE_FEATURES 10
#define XEN_ELFNOTE_HV_START_LOW 12

#define __HYPERVISOR_set_trap_table 0
#define __HYPERVISOR_mmu_update 1
#define __HYPERVISOR_set_gdt 2
#define __HYPERVISOR_stack_switch 3
#define __HYPERVISOR_set_callbacks 4
#define __HYPERVISOR_update_descriptor 10
#define __HYPERVISOR_memory_op 12
#define __HYPERVISOR_multicall 13
#define __HYPERVISOR_update_va_mapping 14
#define __HYPERVISOR_console_io 18
#define __HYPERVISOR_vm_assist 21
#define __HYPERVISOR_update_va_mapping_otherdomain 22
#define __HYPERVISOR_iret 23
#define __HYPERVISOR_vcpu_op 24
#define __HYPERVISOR_mmuext_op 26
#define __HYPERVISOR_sched_op 29
#define __HYPERVISOR_domctl 36

/* The first two bytes of a vcpu_info, evtchn_upcall_pending and evtchn_upcall_mask, as one word. */
#define EVENT_PENDING 0x001
#define EVENT_MASKED 0x100
#define VCPU_INFO_BYTES 64 /* shared_info begins with those of all vCPUs */

/* x86_64: in kernel mode the same, but for the lowest two bits. */
#define FLAT_USER_CS 0xe033
#define FLAT_USER_SS 0xe02b

/* Each vCPU's, aligned to its size. */
#define STACK_BYTES 16384

#ifndef __ASSEMBLER__

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long ulong;

#define EPERM 1
#define EACCES 13
#define EEXIST 17
#define EINVAL 22

#define DOMID_SELF 0x7ff0u
#define DOMID_IO 0x7ff1u
#define DOMID_XEN 0x7ff2u

#define MMU_NORMAL_PT_UPDATE 0
#define MMU_MACHPHYS_UPDATE 1
/* Count of mmu_update and mmuext_op: the call goes on, *pdone holds what is done. */
#define MMU_UPDATE_PREEMPTED (1u << 31)
struct mmu_update {
	u64 ptr, val;
};

#define MMUEXT_PIN_L1_TABLE 0
#define MMUEXT_UNPIN_TABLE 4
#define MMUEXT_NEW_BASEPTR 5
#define MMUEXT_TLB_FLUSH_LOCAL 6
#define MMUEXT_INVLPG_LOCAL 7
#define MMUEXT_TLB_FLUSH_MULTI 8
#define MMUEXT_INVLPG_MULTI 9
#define MMUEXT_SET_LDT 13
#define MMUEXT_NEW_USER_BASEPTR 15
#define MMUEXT_CLEAR_PAGE 16
#define MMUEXT_COPY_PAGE 17
struct mmuext_op {
	u32 cmd;
	ulong arg1; /* frame or address */
	ulong arg2; /* number of entries, source frame or pointer to a vCPU bitmap */
};

#define UVMF_TLB_FLUSH 1
#define UVMF_INVLPG 2

struct multicall_entry {
	ulong op;
	long result;
	ulong args[6];
};

#define XENMEM_increase_reservation 0
#define XENMEM_decrease_reservation 1
#define XENMEM_populate_physmap 6
#define XENMEM_exchange 11
struct xen_memory_reservation {
	ulong *extent_start;
	ulong nr_extents;
	u32 extent_order, mem_flags;
	u16 domid;
};
struct xen_memory_exchange {
	struct xen_memory_reservation in, out;
	ulong nr_exchanged;
};
#define SCHEDOP_yield 0
#define SCHEDOP_poll 3
struct sched_poll {
	u32 *ports;
	u32 nr_ports;
	u64 timeout; /* nanoseconds of system time */
};

#define VMASST_CMD_enable 0
#define VMASST_CMD_disable 1
#define VMASST_TYPE_writable_pagetables 2

#define CONSOLEIO_write 0

#define XEN_DOMCTL_createdomain 1
#define XEN_DOMCTL_destroydomain 2
#define XEN_DOMCTL_getdomaininfo 5
#define XEN_DOMCTL_max_mem 11
#define XEN_DOMCTL_setvcpucontext 12
#define XEN_DOMCTL_max_vcpus 15
#define XEN_DOMCTL_getpageframeinfo3 61
/* Of each frame's answer: its type, whether it is pinned, and what stands for a frame that is not the domain's. */
#define PFINFO_TYPE 0x70000000u
#define PFINFO_PINNED 0x80000000u
#define PFINFO_XTAB 0xf0000000u
struct xen_domctl {
	u32 cmd, interface_version;
	u16 domain, pad[3];
	union {
		struct {
			u32 ssidref;
			u8 handle[16];
			u32 flags, iommu_opts, max_vcpus, max_evtchn_port;
			int max_grant_frames, max_maptrack_frames;
			u32 grant_opts, vmtrace_size, cpupool_id, emulation_flags, misc_flags;
		} createdomain;
		struct {
			u64 flags, pages[5], shared_info_frame;
		} getdomaininfo;
		u64 max_memkb;
		u32 max_vcpus;
		struct {
			u32 vcpu, pad;
			u64 context; /* 0: Xen resets the vCPU */
		} vcpucontext;
		struct {
			u64 num, array;
		} getpageframeinfo3;
		u8 all[128];
	} u;
};

/*
 * Xen's own, which no guest sees: the host maps the frame table into the last 2 MiB of the machine-to-physical table's
 * first GiB, which all roots share and guests may read.
 */
#define FRAME_TABLE 0xffff80003fe00000ul
struct page_info {
	u64 list, count_info, type_info;
	u32 owner, table;
};

struct trap_info {
	u8 vector, flags;
	u16 cs;
	ulong address;
};

#define VCPUOP_initialise 0
#define VCPUOP_up 1
#define VCPUOP_down 2
#define VCPUOP_stop_periodic_timer 7
#define VCPUOP_is_up 3
#define VCPUOP_register_vcpu_info 10
struct vcpu_register_vcpu_info {
	u64 mfn;
	u32 offset, reserved;
};
#define VGCF_IN_KERNEL 4
#define EFLAGS_IF 0x200
struct vcpu_guest_context {
	u8 fpu_ctxt[512];
	ulong flags;
	struct {
#ifdef __x86_64__
		u64 r15, r14, r13, r12, bp, bx, general[9], vector; /* error code and vector */
#else
		u32 general[7], vector;
#endif
		ulong ip, cs, flags, sp, ss, es, ds, fs, gs;
	} user_regs;
	struct trap_info trap_ctxt[256];
	ulong ldt_base, ldt_ents, gdt_frames[16], gdt_ents, kernel_ss, kernel_sp;
	ulong ctrlreg[8], debugreg[8];
#ifdef __x86_64__
	ulong event_callback, failsafe_callback, syscall_callback;
#else
	ulong event_callback_cs, event_callback, failsafe_callback[2];
#endif
	ulong vm_assist, segment_bases[3];
};

struct start_info {
	char magic[32];
	ulong nr_pages, shared_info;
	u32 flags;
	ulong store_mfn;
	u32 store_evtchn;
	struct {
		ulong mfn;
		u32 evtchn;
	} console;
	ulong pt_base, nr_pt_frames, mfn_list, mod_start, mod_len;
};

/* The time that Xen tells vCPU 0, in the shared information page behind its event words. */
struct vcpu_time_info {
	u32 version, pad0;
	u64 tsc_timestamp, system_time;
	u32 tsc_to_system_mul;
	signed char tsc_shift;
};

#endif
#endif

/*
 * The least that tests exported by pvmmu need to be parsed: declarations in the place of the Xen Test Framework.
 * Nothing here runs.
 */
#ifndef PVMMU_XTF_STUB_H
#define PVMMU_XTF_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define __maybe_unused __attribute__((unused))
#define __printf(f, v) __attribute__((format(printf, f, v)))
#define _u(v) ((unsigned long)(v))
#define _p(v) ((void *)(unsigned long)(v))

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PADDR_MASK ((1ULL << 52) - PAGE_SIZE)
#define PTE_SIZE 8
typedef uint64_t intpte_t;

#define l1_table_offset(va) (((va) >> 12) & 511)
#define l2_table_offset(va) (((va) >> 21) & 511)
#ifdef __x86_64__
#define l3_table_offset(va) (((va) >> 30) & 511)
#define l4_table_offset(va) (((va) >> 39) & 511)
#else
#define l3_table_offset(va) (((va) >> 30) & 3)
#endif

#define _PAGE_PRESENT 0x001ULL
#define _PAGE_RW 0x002ULL
#define _PAGE_USER 0x004ULL
#define _PAGE_PWT 0x008ULL
#define _PAGE_PCD 0x010ULL
#define _PAGE_ACCESSED 0x020ULL
#define _PAGE_DIRTY 0x040ULL
#define _PAGE_PSE 0x080ULL
#define _PAGE_GLOBAL 0x100ULL
#define _PAGE_NX (1ULL << 63)

typedef unsigned long xen_pfn_t;
unsigned long read_cr3(void);
unsigned long xen_cr3_to_pfn(unsigned long cr3);
unsigned long virt_to_pfn(const void *va);
unsigned long pfn_to_mfn(unsigned long pfn);
void *mfn_to_virt(unsigned long mfn);

typedef uint32_t exinfo_t;
struct cpu_regs;
struct extable_entry;
bool ex_record_fault_eax(struct cpu_regs *regs, const struct extable_entry *ex);
#define _ASM_EXTABLE_HANDLER(fault, fixup, handler)

#define DOMID_SELF 0x7ff0U
#define DOMID_IO 0x7ff1U
#define DOMID_XEN 0x7ff2U
#define DOMID_INVALID 0x7ff4U

typedef struct mmu_update { uint64_t ptr, val; } mmu_update_t;
#define MMU_MACHPHYS_UPDATE 1
#define MMU_UPDATE_PREEMPTED 0x80000000U

typedef struct mmuext_op {
    unsigned int cmd;
    union { xen_pfn_t mfn; unsigned long linear_addr; } arg1;
    union { unsigned int nr_ents; const void *vcpumask; xen_pfn_t src_mfn; } arg2;
} mmuext_op_t;
#define MMUEXT_PIN_L1_TABLE 0
#define MMUEXT_PIN_L2_TABLE 1
#define MMUEXT_PIN_L3_TABLE 2
#define MMUEXT_PIN_L4_TABLE 3
#define MMUEXT_UNPIN_TABLE 4
#define MMUEXT_NEW_BASEPTR 5
#define MMUEXT_SET_LDT 13
#define MMUEXT_NEW_USER_BASEPTR 15
#define MMUEXT_CLEAR_PAGE 16
#define MMUEXT_COPY_PAGE 17

enum XEN_UVMF { UVMF_NONE = 0, UVMF_TLB_FLUSH = 1, UVMF_INVLPG = 2 };

struct xen_memory_reservation {
    xen_pfn_t *extent_start;
    unsigned long nr_extents;
    unsigned int extent_order, mem_flags;
    uint16_t domid;
};
#define XENMEM_decrease_reservation 1

#define __HYPERVISOR_set_gdt 2
#define __HYPERVISOR_update_descriptor 10
#define __HYPERVISOR_update_va_mapping_otherdomain 22
long stub_hypercall(unsigned int number, ...);
#define HYPERCALL2(type, number, a, b) ((type)stub_hypercall(number, a, b))
#define HYPERCALL4(type, number, a, b, c, d) ((type)stub_hypercall(number, a, b, c, d))

long hypercall_mmu_update(const mmu_update_t reqs[], unsigned int count, unsigned int *done, unsigned int dom);
long hypercall_mmuext_op(const mmuext_op_t ops[], unsigned int count, unsigned int *done, unsigned int dom);
long hypercall_update_va_mapping(unsigned long linear, uint64_t npte, enum XEN_UVMF flags);
long hypercall_memory_op(unsigned int cmd, void *arg);

extern const char test_title[];
void test_main(void);
void __printf(1, 2) xtf_success(const char *fmt, ...);
void __printf(1, 2) xtf_skip(const char *fmt, ...);
void __printf(1, 2) xtf_error(const char *fmt, ...);
void __printf(1, 2) xtf_failure(const char *fmt, ...);
void __printf(1, 2) __attribute__((noreturn)) panic(const char *fmt, ...);

#endif

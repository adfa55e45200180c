/**
 * The C that every exported test begins with: it brings an XTF guest to the start state that programs have
 * (docs/format.md), and has the calls that XTF gives no name to.
 */
export function prelude(arch: 'x86_64' | 'x86_32', frames: number): string {
  const is64 = arch === 'x86_64';
  return `#include <xtf.h>

/* Frames under test: F(n) lies at slot n of B1, the only other entries of which are zero. */
#define FRAMES ${frames}
static uint8_t memory[512][PAGE_SIZE] __attribute__((aligned(512 * PAGE_SIZE)));
#define W(n) _u(memory[n])
#define F(n) pfn_to_mfn(virt_to_pfn(memory[n]))

/* The tables on the way to them, found from the base pointer. */
static unsigned long B1, B2, B3${is64 ? ', B4' : ', K0, K2, K3'};
#define BAD ${is64 ? '0xffffffffUL' : '0xfffffUL'}

static inline intpte_t entry(uint64_t mfn, uint64_t flags)
{
    return (mfn << PAGE_SHIFT) | flags;
}

static inline unsigned long entry_mfn(intpte_t e)
{
    return (e & PADDR_MASK) >> PAGE_SHIFT;
}

static unsigned long child(unsigned long table, unsigned int i)
{
    return entry_mfn(((intpte_t *)mfn_to_virt(table))[i]);
}

/*
 * Slot k of a boot table. The slot that leads to the windows is wherever
 * this guest has it; any other is a free one, so that the test stays alive.
 */
static unsigned int __maybe_unused slot(unsigned long table, unsigned int k)
{
    static uint16_t chosen[4][512];
    unsigned int level, i, own;

    if ( table == B2 )
        level = 2, own = l2_table_offset(W(0));
    else if ( table == B3 )
        level = 3, own = l3_table_offset(W(0));
${is64 ? '    else if ( table == B4 )\n        level = 0, own = l4_table_offset(W(0));\n' : ''}    else
        return k;

    if ( k == (level == 2 ? 1u : level == 3 ? ${is64 ? '510u' : '3u'} : 511u) )
        return own;
    if ( chosen[level][k] )
        return chosen[level][k] - 1;

    for ( i = 0; i < 512; ++i )
    {
        unsigned int j, free = (k + i) % 512;
        bool taken = free == own || (level == 0 && free >= 256 && free < 272);

        for ( j = 0; j < 512 && !taken; ++j )
            taken = chosen[level][j] == free + 1;
        if ( taken || (((intpte_t *)mfn_to_virt(table))[free] & _PAGE_PRESENT) )
            continue;
        chosen[level][k] = free + 1;
        return free;
    }
    panic("No free slot in table %lx\\n", table);
}

static bool setup(void)
{
    unsigned int i;

${
  is64
    ? `    B4 = read_cr3() >> PAGE_SHIFT;
    B3 = child(B4, l4_table_offset(W(0)));
    B2 = child(B3, l3_table_offset(W(0)));`
    : `    B3 = xen_cr3_to_pfn(read_cr3());
    B2 = child(B3, l3_table_offset(W(0)));
    K0 = child(B2, 0);
    K2 = child(B2, 2);
    K3 = child(B2, 3);`
}
    B1 = child(B2, l2_table_offset(W(0)));

    for ( i = FRAMES; i < 512; ++i )
        if ( hypercall_update_va_mapping(W(i), 0, UVMF_INVLPG) )
            return false;

    return true;
}

static long __maybe_unused mmuext(unsigned int cmd, unsigned long mfn, unsigned long src)
{
    mmuext_op_t op = { .cmd = cmd };

    op.arg1.mfn = mfn;
    op.arg2.src_mfn = src;

    return hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static long __maybe_unused mmu_update(uint64_t ptr, uint64_t val)
{
    mmu_update_t mu = { .ptr = ptr, .val = val };

    return hypercall_mmu_update(&mu, 1, NULL, DOMID_SELF);
}

static uint64_t __maybe_unused maddr(unsigned long mfn, unsigned int offset)
{
    return ((uint64_t)mfn << PAGE_SHIFT) | offset;
}

/* A store of the guest's own: 0, or 1 where it raises a fault. */
static long __maybe_unused store(volatile intpte_t *ptr, intpte_t val)
{
    exinfo_t fault = 0;

    asm volatile ("1: mov %[val], %[ptr]; 2:"
                  _ASM_EXTABLE_HANDLER(1b, 2b, %P[rec])
                  : "+a" (fault), [ptr] "=m" (*(volatile unsigned long *)ptr)
                  : [val] "r" ((unsigned long)val),
                    [rec] "p" (ex_record_fault_eax)
                  : "memory");

    return fault ? 1 : 0;
}

static long __maybe_unused touch(unsigned long addr)
{
    unsigned long discard;
    exinfo_t fault = 0;

    asm volatile ("1: mov %[ptr], %[val]; 2:"
                  _ASM_EXTABLE_HANDLER(1b, 2b, %P[rec])
                  : "+a" (fault), [val] "=r" (discard)
                  : [ptr] "m" (*(unsigned long *)addr),
                    [rec] "p" (ex_record_fault_eax));

    return fault ? 1 : 0;
}

static long __maybe_unused load_cr3(unsigned long mfn)
{
    exinfo_t fault = 0;

    asm volatile ("1: mov %[cr3], %%cr3; 2:"
                  _ASM_EXTABLE_HANDLER(1b, 2b, %P[rec])
                  : "+a" (fault)
                  : [cr3] "r" (mfn << PAGE_SHIFT),
                    [rec] "p" (ex_record_fault_eax)
                  : "memory");

    return fault ? 1 : 0;
}

/* Reads a descriptor of a page of the LDT. */
static long __maybe_unused access_ldt(unsigned int page)
{
    unsigned int rights, sel = (page << PAGE_SHIFT) | 4 | 3;
    exinfo_t fault = 0;

    asm volatile ("1: lar %[sel], %[rights]; 2:"
                  _ASM_EXTABLE_HANDLER(1b, 2b, %P[rec])
                  : "+a" (fault), [rights] "=r" (rights)
                  : [sel] "r" (sel), [rec] "p" (ex_record_fault_eax));

    return fault ? 1 : 0;
}
`;
}

/* The kernel's view of its frames and of its own tables. */
#include "lab.h"

#define POOL_MAX 65536

ulong boot_mfn[8], frame_mfn[FRAMES_MAX];
u32 frames, pae_xen_slot = ENTRIES;
const u64 *b1;
u8 alias[FRAMES_MAX][PAGE] __attribute__((aligned(4096)));

static const ulong *mfn_list;
static const table *tables; /* the boot tables, read-only, as Xen has built them */
static ulong table_count;
static const table *l1_of[4]; /* by entry of B2 */
static ulong pool[POOL_MAX];
static u32 pool_count;
static volatile struct vcpu_time_info *time;
u8 shared_info[PAGE] __attribute__((aligned(4096)));

static ulong pfn_of(const void *address)
{
	return ((ulong)address - VIRT_BASE) / PAGE;
}

static const table *table_at(u64 entry)
{
	ulong mfn = mfn_in(entry);

	for (ulong i = 0; i < table_count; i++)
		if (mfn_list[pfn_of(tables + i)] == mfn)
			return tables + i;
	return 0;
}

/* Finds the boot tables; the L2 keeps three tables (x86_32: four), so that copies of it look as programs expect. */
static void find_tables(void)
{
	const u64 *root = *tables;
	const u64 *l3 = IS64 ? *table_at(root[ENTRIES - 1]) : root;
	u64 l2_entry = l3[IS64 ? 510 : 3];
	const u64 *l2 = *table_at(l2_entry);

	for (u32 i = 0; i < 4; i++)
		l1_of[i] = l2[i] & P ? table_at(l2[i]) : 0;
	if (IS64) {
		struct mmu_update drop = {(mfn_in(l2_entry) * PAGE) + 3 * sizeof(u64), 0};

		boot_mfn[4] = mfn_list[pfn_of(root)];
		boot_mfn[3] = mfn_in(root[ENTRIES - 1]);
		if (l1_of[3] && hypercall(__HYPERVISOR_mmu_update, (ulong)&drop, 1, 0, DOMID_SELF))
			die("cannot drop the fourth L1 table");
		l1_of[3] = 0;
	} else {
		boot_mfn[3] = mfn_list[pfn_of(root)];
		boot_mfn[5] = mfn_in(l2[0]);
		boot_mfn[6] = mfn_in(l2[2]);
		boot_mfn[7] = mfn_in(l2[3]);
		/* Xen's own entries are superpages (rules 6.4). */
		for (pae_xen_slot = 4; pae_xen_slot < ENTRIES && !(l2[pae_xen_slot] & PSE);)
			pae_xen_slot++;
	}
	boot_mfn[2] = mfn_in(l2_entry);
	boot_mfn[1] = mfn_in(l2[1]);
	b1 = *l1_of[1];
}

u64 pte_of(const void *address)
{
	ulong page = pfn_of(address);

	return (*l1_of[page / ENTRIES])[page % ENTRIES];
}

int map(const void *address, u64 entry)
{
#if IS64
	return hypercall(__HYPERVISOR_update_va_mapping, (ulong)address, entry, UVMF_INVLPG, 0);
#else
	return hypercall(__HYPERVISOR_update_va_mapping, (ulong)address, entry, entry >> 32, UVMF_INVLPG);
#endif
}

int map_frame(const void *address, ulong mfn, u64 flags)
{
	return map(address, (u64)mfn * PAGE | flags);
}

/* By writing the entry again: an mmuext_op would first clean up what a call has left (rules 16.4). */
void tlb_flush(const void *address)
{
	map(address, pte_of(address));
}

ulong fresh_frame(void)
{
	return pool_count ? pool[--pool_count] : 0;
}

void spare_frame(ulong mfn)
{
	if (pool_count < POOL_MAX)
		pool[pool_count++] = mfn;
}

int frame_index(u32 name)
{
	return name >= FIRST_FRAME && name < FIRST_FRAME + frames ? (int)(name - FIRST_FRAME) : -1;
}

static u32 views;

const u64 *view(u32 index)
{
	if (gone & 1u << index)
		return 0;
	if ((dropped & ~views) & 1u << index) {
		if (map_frame(alias[index], frame_mfn[index], P))
			return 0;
		views |= 1u << index;
	}
	return (const u64 *)alias[index];
}

/* Mappings that keep a frame which would be gone otherwise. */
void close_views(void)
{
	for (u32 i = 0; views; i++)
		if (views & 1u << i) {
			map(alias[i], 0);
			views &= ~(1u << i);
		}
}

ulong mfn_of_name(u32 name)
{
	int index = frame_index(name);

	if (index >= 0)
		return frame_mfn[index];
	if (name > BOOT_FRAME && name < BOOT_FRAME + 8)
		return boot_mfn[name - BOOT_FRAME];
	return name; /* BAD and 0 are the same everywhere */
}

u32 name_of_mfn(u64 mfn)
{
	for (u32 i = 0; i < frames; i++)
		if (frame_mfn[i] == mfn)
			return FIRST_FRAME + i;
	for (u32 i = 1; i < 8; i++)
		if (boot_mfn[i] && boot_mfn[i] == mfn)
			return BOOT_FRAME + i;
	return mfn == 0 || mfn == (IS64 ? 0xffffffff : 0xfffff) ? mfn : NAMELESS;
}

/* The entry with these words, its frame given by name. */
u64 entry_of_names(u32 low, u32 high)
{
	u64 entry = (u64)high << 32 | low;

	return (entry & ~PFN_MASK) | (u64)mfn_of_name(mfn_in(entry)) * PAGE;
}

/* System time in nanoseconds, as Xen counts it. */
u64 now(void)
{
	u64 passed = rdtsc() - time->tsc_timestamp;
	signed char shift = time->tsc_shift;

	passed = shift < 0 ? passed >> -shift : passed << shift;
	return time->system_time + (u32)(passed >> 32) * (u64)time->tsc_to_system_mul +
	       ((u64)(u32)passed * time->tsc_to_system_mul >> 32);
}

void memory_start(const struct start_info *info)
{
	ulong mapped;

	mfn_list = (const ulong *)info->mfn_list;
	tables = (const table *)info->pt_base;
	table_count = info->nr_pt_frames;
	find_tables();
	/* Frames for programs: those behind the windows, and all that the boot tables do not map. */
	mapped = (table_count - (IS64 ? 3 : 5)) * ENTRIES;
	for (ulong pfn = info->nr_pages; pfn-- > mapped;)
		spare_frame(mfn_list[pfn]);
	for (ulong i = ENTRIES; i-- > 0;)
		spare_frame(mfn_list[pfn_of((void *)WINDOWS) + i]);
	if (map(shared_info, info->shared_info | P | RW))
		die("cannot map shared_info");
	time = (volatile struct vcpu_time_info *)(shared_info + 32);
}

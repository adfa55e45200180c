/*
 * The subset of the rules that all peers have (README.md), in plain C: how fast it can be at all.
 *
 *   subset random FRAMES SLOTS OPERATIONS SEED    operations per second, and a digest of the answers
 *   subset explore FRAMES SLOTS DEPTH             every state up to a depth, breadth first; depth 0: all
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FRAMES_MAX = 4, SLOTS_MAX = 3, PROGRAM = 200 };
enum { NONE, WRITABLE, L1, L2 };
/* An entry is 0, or 1 + (frame << 2 | RW << 1 | G). A window is 0, RO, RW, or as it is at the start, with A and D. */
enum { RO = 1, RW = 2, START = 3 };

typedef struct {
	uint8_t entry[FRAMES_MAX][SLOTS_MAX];
	uint8_t window[FRAMES_MAX];
	uint8_t type[FRAMES_MAX];
	uint8_t count[FRAMES_MAX];
	uint8_t pinned[FRAMES_MAX];
} State;

static int frames, slots, values, operations;

static int frame_of(int entry) { return (entry - 1) >> 2; }
static int is_writable(int entry) { return entry && ((entry - 1) & 2); }
static int adjusted(int entry) { return ((entry - 1) | 1) + 1; } /* rules 2.2: G */

/* Rules 1.4 */
static int get_writable(State *s, int f)
{
	if (s->count[f] && s->type[f] != WRITABLE)
		return EBUSY;
	s->type[f] = WRITABLE;
	s->count[f]++;
	return 0;
}

static void put(State *s, int f)
{
	if (--s->count[f] == 0)
		s->type[f] = NONE;
}

static void put_l1_entry(State *s, int entry)
{
	if (is_writable(entry))
		put(s, frame_of(entry));
}

/* Rules 2.6, 2.7 */
static int promote_l1(State *s, int f)
{
	for (int k = 0; k < slots; k++) {
		int entry = s->entry[f][k];
		if (!entry)
			continue;
		if (is_writable(entry) && get_writable(s, frame_of(entry))) {
			while (k--)
				put_l1_entry(s, s->entry[f][k]);
			return EBUSY;
		}
		s->entry[f][k] = adjusted(entry);
	}
	return 0;
}

static void put_type(State *s, int f)
{
	int type = s->type[f];
	if (s->count[f] == 1 && type == L1)
		for (int k = 0; k < slots; k++)
			put_l1_entry(s, s->entry[f][k]);
	if (s->count[f] == 1 && type == L2)
		for (int k = slots; k--;)
			if (s->entry[f][k])
				put_type(s, frame_of(s->entry[f][k]));
	put(s, f);
}

static int get_l1(State *s, int f)
{
	if (s->count[f]) {
		if (s->type[f] != L1)
			return EINVAL;
		s->count[f]++;
		return 0;
	}
	s->type[f] = L1;
	s->count[f] = 1;
	int error = promote_l1(s, f);
	if (error)
		put(s, f);
	return error;
}

static int get_l2(State *s, int f)
{
	if (s->count[f]) {
		if (s->type[f] != L2)
			return EINVAL;
		s->count[f]++;
		return 0;
	}
	s->type[f] = L2;
	s->count[f] = 1;
	for (int k = 0; k < slots; k++) {
		int entry = s->entry[f][k];
		if (!entry)
			continue;
		int has_g = (entry - 1) & 1; /* rules 2.1 */
		int error = has_g ? EINVAL : get_l1(s, frame_of(entry));
		if (!error)
			continue;
		while (k--)
			if (s->entry[f][k])
				put_type(s, frame_of(s->entry[f][k]));
		put(s, f);
		return error;
	}
	return 0;
}

/* Rules 3.3; what differs is more than G */
static int mod_l1(State *s, uint8_t *slot, int value)
{
	int old = *slot;
	if (value) {
		value = adjusted(value);
		if (old && adjusted(old) == value) {
			*slot = value;
			return 0;
		}
		if (is_writable(value) && get_writable(s, frame_of(value)))
			return EBUSY;
	}
	*slot = value;
	put_l1_entry(s, old);
	return 0;
}

/* Rules 3.4; RW is harmless where there are no linear pagetables */
static int mod_l2(State *s, uint8_t *slot, int value)
{
	int old = *slot;
	if (value && !(old && frame_of(old) == frame_of(value))) {
		int error = get_l1(s, frame_of(value));
		if (error)
			return error;
	} else if (value)
		old = 0;
	*slot = value;
	if (old)
		put_type(s, frame_of(old));
	return 0;
}

static int mmu_update(State *s, int f, int k, int value)
{
	if (s->count[f] && s->type[f] == L1)
		return mod_l1(s, &s->entry[f][k], value);
	if (s->count[f] && s->type[f] == L2)
		return mod_l2(s, &s->entry[f][k], value);
	s->entry[f][k] = value;
	return 0;
}

/* B1 is an L1 table: the same as mod_l1, of the one frame that the window can map */
static int update_va(State *s, int f, int value)
{
	int old = s->window[f];
	if (value == RW && old < RW) {
		if (get_writable(s, f))
			return EBUSY;
	} else if (value < RW && old >= RW)
		put(s, f);
	s->window[f] = value;
	return 0;
}

static int pin(State *s, int f, int level)
{
	int error = level == L1 ? get_l1(s, f) : get_l2(s, f);
	if (error)
		return error;
	if (s->pinned[f]) {
		put_type(s, f);
		return EINVAL;
	}
	s->pinned[f] = 1;
	return 0;
}

static int unpin(State *s, int f)
{
	if (!s->pinned[f])
		return EINVAL;
	s->pinned[f] = 0;
	put_type(s, f);
	return 0;
}

static struct { uint8_t what, frame, slot, value; } operation[FRAMES_MAX * (SLOTS_MAX * 9 + 6)];
enum { MMU_UPDATE, UPDATE_VA, PIN, UNPIN };

static void add(int what, int frame, int slot, int value)
{
	operation[operations].what = what;
	operation[operations].frame = frame;
	operation[operations].slot = slot;
	operation[operations++].value = value;
}

/* In the order of `operationsOfSubset` in subset.ts */
static void list_operations(void)
{
	values = 1 + 2 * frames;
	for (int f = 0; f < frames; f++)
		for (int k = 0; k < slots; k++)
			for (int v = 0; v < values; v++)
				add(MMU_UPDATE, f, k, v ? 1 + (v - 1) * 2 : 0);
	for (int f = 0; f < frames; f++)
		for (int v = 0; v <= RW; v++)
			add(UPDATE_VA, f, 0, v);
	for (int f = 0; f < frames; f++) {
		add(PIN, f, 0, L1);
		add(PIN, f, 0, L2);
		add(UNPIN, f, 0, 0);
	}
}

static int run(State *s, int i)
{
	int f = operation[i].frame, v = operation[i].value;
	switch (operation[i].what) {
	case MMU_UPDATE: return mmu_update(s, f, operation[i].slot, v);
	case UPDATE_VA: return update_va(s, f, v);
	case PIN: return pin(s, f, v);
	default: return unpin(s, f);
	}
}

static State start(void)
{
	State s;
	memset(&s, 0, sizeof s);
	for (int f = 0; f < frames; f++) {
		s.window[f] = START;
		s.type[f] = WRITABLE;
		s.count[f] = 1;
	}
	return s;
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void run_random(long count, uint32_t seed)
{
	State s = start(), first = s;
	uint32_t digest = 2166136261u, x = seed;
	double begin = seconds();
	for (long i = 0, left = PROGRAM; i < count; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		digest = (digest ^ run(&s, x % operations)) * 16777619u;
		if (--left == 0) {
			s = first;
			left = PROGRAM;
		}
	}
	printf("{\"operations\":%ld,\"digest\":%u,\"seconds\":%f}\n", count, digest, seconds() - begin);
}

/* Invariants, as far as a state of the subset can break them: no table is mapped writable. */
static void check(const State *s)
{
	for (int f = 0; f < frames; f++)
		if (s->count[f] && s->type[f] != WRITABLE && s->window[f] >= RW)
			exit(3);
}

static State *queue;
static uint32_t *table;
static size_t known, capacity, mask;

static uint64_t hash(const State *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint64_t word, h = 0;
	for (size_t i = 0; i < sizeof *s; i += 4) {
		uint32_t part;
		memcpy(&part, p + i, 4);
		word = part;
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h;
}

static int insert(const State *s)
{
	for (size_t at = hash(s) & mask;; at = (at + 1) & mask) {
		if (!table[at]) {
			if (known == capacity) {
				fprintf(stderr, "no room for further states\n");
				exit(2);
			}
			queue[known++] = *s;
			table[at] = known;
			return 1;
		}
		if (memcmp(&queue[table[at] - 1], s, sizeof *s) == 0)
			return 0;
	}
}

static void explore(int depth)
{
	capacity = (size_t)1 << 22;
	mask = 2 * capacity - 1;
	queue = malloc(capacity * sizeof *queue);
	table = calloc(mask + 1, sizeof *table);
	if (!queue || !table)
		exit(2);
	State s = start();
	size_t transitions = 0, next = 0, reached = 0;
	double begin = seconds();
	insert(&s);
	for (int level = 0; next < known && (!depth || level < depth); level++) {
		size_t end = known;
		for (; next < end; next++)
			for (int i = 0; i < operations; i++) {
				s = queue[next];
				run(&s, i);
				transitions++;
				if (insert(&s))
					check(&s);
			}
		reached = level + 1;
	}
	printf("{\"states\":%zu,\"transitions\":%zu,\"depth\":%zu,\"seconds\":%f}\n", known, transitions, reached,
	       seconds() - begin);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: subset random FRAMES SLOTS OPERATIONS SEED | explore FRAMES SLOTS DEPTH\n");
		return 2;
	}
	frames = atoi(argv[2]);
	slots = atoi(argv[3]);
	if (frames < 1 || frames > FRAMES_MAX || slots < 1 || slots > SLOTS_MAX)
		return 2;
	list_operations();
	if (!strcmp(argv[1], "random") && argc > 5)
		run_random(atol(argv[4]), strtoul(argv[5], 0, 0));
	else
		explore(atoi(argv[4]));
	return 0;
}

/*
 * The subset of the rules that all peers have (README.md), in Promela; the same as subset.c, in the same order.
 * An operation is one step. spin -DFRAMES=4 -DSLOTS=3 -a subset.pml
 *
 * An entry is 0, or 1 + (frame << 2 | RW << 1 | G). A window is 0, 1 (RO), 2 (RW), or 3 as it is at the start.
 */
#define NONE 0
#define WRITABLE 1
#define L1 2
#define L2 3

byte entry[FRAMES * SLOTS];
byte window[FRAMES];
byte type[FRAMES];
byte count[FRAMES];
bit pinned[FRAMES];

/* Of the operation that runs; no part of a state, but SPIN knows `hidden` depth first only: -DSCRATCH= without it. */
#ifndef SCRATCH
#define SCRATCH hidden
#endif
SCRATCH byte i, j, old, wanted, slot1, slot2, end1, end2, failed;


#define FRAME(e) (((e) - 1) >> 2)
#define HAS_RW(e) ((e) > 0 && (((e) - 1) & 2))
#define WITH_G(e) ((((e) - 1) | 1) + 1)

inline put(f) {
	count[f]--;
	if
	:: count[f] == 0 -> type[f] = NONE
	:: else
	fi
}

inline get_writable(f) {
	if
	:: count[f] > 0 && type[f] != WRITABLE -> failed = 1
	:: else -> type[f] = WRITABLE; count[f]++
	fi
}

/* The references of the first `end` slots. */
inline release_l1(f, end) {
	slot1 = 0;
	do
	:: slot1 < end ->
		if
		:: HAS_RW(entry[(f) * SLOTS + slot1]) -> put(FRAME(entry[(f) * SLOTS + slot1]))
		:: else
		fi;
		slot1++
	:: else -> break
	od
}

inline get_l1(f) {
	if
	:: count[f] > 0 && type[f] == L1 -> count[f]++
	:: count[f] > 0 && type[f] != L1 -> failed = 1
	:: else ->
		type[f] = L1;
		count[f] = 1;
		end1 = 0;
		do
		:: end1 < SLOTS && !failed ->
			if
			:: entry[(f) * SLOTS + end1] > 0 ->
				if
				:: HAS_RW(entry[(f) * SLOTS + end1]) -> get_writable(FRAME(entry[(f) * SLOTS + end1]))
				:: else
				fi;
				if
				:: !failed ->
					entry[(f) * SLOTS + end1] = WITH_G(entry[(f) * SLOTS + end1]);
					end1++
				:: else
				fi
			:: else -> end1++
			fi
		:: else -> break
		od;
		if
		:: failed -> release_l1(f, end1); put(f)
		:: else
		fi
	fi
}

inline put_l1(f) {
	if
	:: count[f] == 1 -> release_l1(f, SLOTS)
	:: else
	fi;
	put(f)
}

/* The references of the first `end` slots; `j` is the table each names. */
inline release_l2(f, end) {
	slot2 = 0;
	do
	:: slot2 < end ->
		if
		:: entry[(f) * SLOTS + slot2] > 0 -> j = FRAME(entry[(f) * SLOTS + slot2]); put_l1(j)
		:: else
		fi;
		slot2++
	:: else -> break
	od
}

inline get_l2(f) {
	if
	:: count[f] > 0 && type[f] == L2 -> count[f]++
	:: count[f] > 0 && type[f] != L2 -> failed = 1
	:: else ->
		type[f] = L2;
		count[f] = 1;
		end2 = 0;
		do
		:: end2 < SLOTS && !failed ->
			if
			:: entry[(f) * SLOTS + end2] > 0 && ((entry[(f) * SLOTS + end2] - 1) & 1) -> failed = 1
			:: entry[(f) * SLOTS + end2] > 0 && !((entry[(f) * SLOTS + end2] - 1) & 1) ->
				j = FRAME(entry[(f) * SLOTS + end2]);
				get_l1(j)
			:: else
			fi;
			if
			:: !failed -> end2++
			:: else
			fi
		:: else -> break
		od;
		if
		:: failed -> release_l2(f, end2); put(f)
		:: else
		fi
	fi
}

inline put_l2(f) {
	if
	:: count[f] == 1 -> release_l2(f, SLOTS)
	:: else
	fi;
	put(f)
}

inline put_type(f) {
	if
	:: type[f] == L1 -> put_l1(f)
	:: else -> put_l2(f)
	fi
}

inline mod_l1(f, k, value) {
	old = entry[(f) * SLOTS + (k)];
	if
	:: (value) == 0 -> wanted = 0
	:: else -> wanted = WITH_G(value)
	fi;
	if
	:: wanted > 0 && old > 0 && WITH_G(old) == wanted -> old = 0
	:: else ->
		if
		:: HAS_RW(wanted) -> get_writable(FRAME(wanted))
		:: else
		fi
	fi;
	if
	:: !failed ->
		entry[(f) * SLOTS + (k)] = wanted;
		if
		:: HAS_RW(old) -> put(FRAME(old))
		:: else
		fi
	:: else
	fi
}

inline mod_l2(f, k, value) {
	old = entry[(f) * SLOTS + (k)];
	if
	:: (value) > 0 && old > 0 && FRAME(old) == FRAME(value) -> old = 0
	:: (value) > 0 && !(old > 0 && FRAME(old) == FRAME(value)) -> j = FRAME(value); get_l1(j)
	:: else
	fi;
	if
	:: !failed ->
		entry[(f) * SLOTS + (k)] = value;
		if
		:: old > 0 -> j = FRAME(old); put_l1(j)
		:: else
		fi
	:: else
	fi
}

inline mmu_update(f, k, value) {
	if
	:: count[f] > 0 && type[f] == L1 -> mod_l1(f, k, value)
	:: count[f] > 0 && type[f] == L2 -> mod_l2(f, k, value)
	:: else -> entry[(f) * SLOTS + (k)] = value
	fi
}

inline update_va(f, value) {
	old = window[f];
	if
	:: (value) == 2 && old < 2 -> get_writable(f)
	:: (value) < 2 && old >= 2 -> put(f)
	:: else
	fi;
	if
	:: !failed -> window[f] = value
	:: else
	fi
}

inline pin(f, level) {
	if
	:: (level) == L1 -> get_l1(f)
	:: else -> get_l2(f)
	fi;
	if
	:: !failed && pinned[f] -> put_type(f)
	:: !failed && !pinned[f] -> pinned[f] = 1
	:: else
	fi
}

inline unpin(f) {
	if
	:: pinned[f] -> pinned[f] = 0; put_type(f)
	:: else
	fi
}

inline check() {
	i = 0;
	do
	:: i < FRAMES -> assert(!(count[i] > 0 && type[i] != WRITABLE && window[i] >= 2)); i++
	:: else -> break
	od
}

#define STEP(what) :: d_step { failed = 0; what; check(); forget() }
/* What is hidden from states has the same value in all. */
#define forget() i = 0; j = 0; old = 0; wanted = 0; slot1 = 0; slot2 = 0; end1 = 0; end2 = 0; failed = 0

#define VALUES_OF(f, k, g) STEP(mmu_update(f, k, 1 + g * 4)) STEP(mmu_update(f, k, 3 + g * 4))
#if FRAMES == 1
#define VALUES(f, k) STEP(mmu_update(f, k, 0)) VALUES_OF(f, k, 0)
#elif FRAMES == 2
#define VALUES(f, k) STEP(mmu_update(f, k, 0)) VALUES_OF(f, k, 0) VALUES_OF(f, k, 1)
#elif FRAMES == 3
#define VALUES(f, k) STEP(mmu_update(f, k, 0)) VALUES_OF(f, k, 0) VALUES_OF(f, k, 1) VALUES_OF(f, k, 2)
#else
#define VALUES(f, k) STEP(mmu_update(f, k, 0)) VALUES_OF(f, k, 0) VALUES_OF(f, k, 1) VALUES_OF(f, k, 2) VALUES_OF(f, k, 3)
#endif

#if SLOTS == 1
#define UPDATES(f) VALUES(f, 0)
#elif SLOTS == 2
#define UPDATES(f) VALUES(f, 0) VALUES(f, 1)
#else
#define UPDATES(f) VALUES(f, 0) VALUES(f, 1) VALUES(f, 2)
#endif

#define ALL(f) UPDATES(f) \
	STEP(update_va(f, 0)) STEP(update_va(f, 1)) STEP(update_va(f, 2)) \
	STEP(pin(f, L1)) STEP(pin(f, L2)) STEP(unpin(f))

active proctype guest() {
	i = 0;
	d_step {
		do
		:: i < FRAMES -> window[i] = 3; type[i] = WRITABLE; count[i] = 1; i++
		:: else -> break
		od;
		forget()
	};
	do
	ALL(0)
#if FRAMES > 1
	ALL(1)
#endif
#if FRAMES > 2
	ALL(2)
#endif
#if FRAMES > 3
	ALL(3)
#endif
	od
}

"""The subset of the rules that all peers have (README.md), in Python, and as a state machine of Hypothesis.

  subset.py random FRAMES SLOTS OPERATIONS SEED    operations per second, and a digest of the answers
  subset.py hypothesis FRAMES SLOTS PROGRAMS       steps per second of a RuleBasedStateMachine
"""

import json
import sys
import time

NONE, WRITABLE, L1, L2 = range(4)
RO, RW, START = 1, 2, 3
EBUSY, EINVAL = 16, 22
PROGRAM = 200


class Model:
    """An entry is None, or frame, RW and G."""

    def __init__(self, frames, slots):
        self.entry = [[None] * slots for _ in range(frames)]
        self.window = [START] * frames
        self.type = [WRITABLE] * frames
        self.count = [1] * frames
        self.pinned = [False] * frames

    def get_writable(self, f):
        if self.count[f] and self.type[f] != WRITABLE:
            return EBUSY
        self.type[f] = WRITABLE
        self.count[f] += 1
        return 0

    def put(self, f):
        self.count[f] -= 1
        if self.count[f] == 0:
            self.type[f] = NONE

    def put_entry(self, entry):
        if entry and entry[1]:
            self.put(entry[0])

    def put_type(self, f):
        if self.count[f] == 1:
            for entry in self.entry[f]:
                if entry and self.type[f] == L1:
                    self.put_entry(entry)
                elif entry:
                    self.put_type(entry[0])
        self.put(f)

    def get_table(self, f, level):
        if self.count[f]:
            if self.type[f] != level:
                return EINVAL
            self.count[f] += 1
            return 0
        self.type[f], self.count[f] = level, 1
        for k, entry in enumerate(self.entry[f]):
            error = self.take(f, k, entry, level) if entry else 0
            if error:
                for held in filter(None, self.entry[f][:k]):
                    self.put_entry(held) if level == L1 else self.put_type(held[0])
                self.put(f)
                return error
        return 0

    def take(self, f, k, entry, level):
        frame, rw, g = entry
        if level == L2:
            return EINVAL if g else self.get_table(frame, L1)
        error = self.get_writable(frame) if rw else 0
        if not error:
            self.entry[f][k] = (frame, rw, True)
        return error

    def mmu_update(self, f, k, value):
        old = self.entry[f][k]
        kind = self.type[f] if self.count[f] else NONE
        if kind == L1:
            return self.mod_l1(f, k, old, value)
        if kind == L2:
            return self.mod_l2(f, k, old, value)
        self.entry[f][k] = value
        return 0

    def mod_l1(self, f, k, old, value):
        if value:
            value = (value[0], value[1], True)
            if old and old[:2] == value[:2]:
                self.entry[f][k] = value
                return 0
            if value[1] and self.get_writable(value[0]):
                return EBUSY
        self.entry[f][k] = value
        self.put_entry(old)
        return 0

    def mod_l2(self, f, k, old, value):
        if value and old and old[0] == value[0]:
            old = None
        elif value:
            error = self.get_table(value[0], L1)
            if error:
                return error
        self.entry[f][k] = value
        if old:
            self.put_type(old[0])
        return 0

    def update_va(self, f, value):
        old = self.window[f]
        if value == RW and old < RW:
            if self.get_writable(f):
                return EBUSY
        elif value < RW <= old:
            self.put(f)
        self.window[f] = value
        return 0

    def pin(self, f, level):
        error = self.get_table(f, level)
        if error:
            return error
        if self.pinned[f]:
            self.put_type(f)
            return EINVAL
        self.pinned[f] = True
        return 0

    def unpin(self, f):
        if not self.pinned[f]:
            return EINVAL
        self.pinned[f] = False
        self.put_type(f)
        return 0

    def check(self):
        for f, window in enumerate(self.window):
            assert not (self.count[f] and self.type[f] != WRITABLE and window >= RW)


def operations(frames, slots):
    values = [None] + [(f, rw, False) for f in range(frames) for rw in (False, True)]
    listed = [("mmu_update", f, k, v) for f in range(frames) for k in range(slots) for v in values]
    listed += [("update_va", f, v) for f in range(frames) for v in (0, RO, RW)]
    for f in range(frames):
        listed += [("pin", f, L1), ("pin", f, L2), ("unpin", f)]
    return listed


def run_random(frames, slots, count, seed):
    listed = operations(frames, slots)
    model, digest, x = Model(frames, slots), 2166136261, seed
    begin = time.perf_counter()
    for i in range(1, count + 1):
        x = (x ^ x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x = (x ^ x << 5) & 0xFFFFFFFF
        name, *operands = listed[x % len(listed)]
        digest = ((digest ^ getattr(model, name)(*operands)) * 16777619) & 0xFFFFFFFF
        if i % PROGRAM == 0:
            model = Model(frames, slots)
    return {"operations": count, "digest": digest, "seconds": time.perf_counter() - begin}


def run_hypothesis(frames, slots, programs):
    from hypothesis import HealthCheck, Phase, settings, strategies
    from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

    steps = 0
    frame = strategies.integers(0, frames - 1)
    value = strategies.none() | strategies.tuples(frame, strategies.booleans(), strategies.just(False))

    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.model = Model(frames, slots)

        @rule(f=frame, k=strategies.integers(0, slots - 1), v=value)
        def mmu_update(self, f, k, v):
            nonlocal steps
            steps += 1
            self.model.mmu_update(f, k, v)

        @rule(f=frame, v=strategies.integers(0, RW))
        def update_va(self, f, v):
            nonlocal steps
            steps += 1
            self.model.update_va(f, v)

        @rule(f=frame, level=strategies.sampled_from([L1, L2]))
        def pin(self, f, level):
            nonlocal steps
            steps += 1
            self.model.pin(f, level)

        @rule(f=frame)
        def unpin(self, f):
            nonlocal steps
            steps += 1
            self.model.unpin(f)

        @invariant()
        def no_writable_table(self):
            self.model.check()

    begin = time.perf_counter()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=programs,
            stateful_step_count=PROGRAM,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return {"operations": steps, "seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    mode, *numbers = sys.argv[1:]
    run = run_random if mode == "random" else run_hypothesis
    print(json.dumps(run(*map(int, numbers))))

"""Many processes contend for overlapping claims, and some are killed: ``python -m tests.crash.claims``.

Each contender takes sets of scopes through the product's own lock and table, holds them for a moment and lets them go.
The successor of one that was killed releases what it left, as ``continue`` does: with the session's lock in its hand.
An observer of its own decides afterwards whether there was ever a moment with two overlapping claims.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.coordinator import claiming
from gitfleet.model.claim import Claim
from gitfleet.recovery.boundary import release_orphans
from gitfleet.store.claims import Claims, Granted
from gitfleet.store.layout import Layout
from gitfleet.store.locks import claims_lock, session_lock
from gitfleet.store.state import State
from gitfleet.store.turns import Turns
from tests.crash import claims_observer
from tests.crash.claims_observer import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.store.claims import Clash

NARROW = (
    ("aa/",), ("ab/",), ("ba/",), ("a/a/",), ("a/b/",), ("b/a/",), ("b/b/",), ("bb/b/a",), ("a/ba",), ("bb/a",),
    ("ab/*a",), ("b/?b/",), ("aa/b*",), ("ba/,!ba/b/",), ("a/,!a/a/,!a/b/",),
    ("a/a/", "b/b/"), ("aa/a", "bb/b/"), ("ab/a/", "ba/b/", "b/a/"), ("a/a/,!a/a/b", "a/a/b"),
)  # fmt: skip
WIDE = (
    ("a/",), ("b/",), (".",), ("*/a/",), ("**/bb",), ("a*/b/",), ("*,!a/,!b/",), ("b/,!b/**/a",), ("**/a,!a/",),
    ("**/ab", "ba/ba,!**/ab"),
)  # fmt: skip
"""What is wanted: directories, files, patterns, exclusions, all there is, and sets that are taken whole or not at all.

Entries of one scope have commas between them.
"""

NARROW_SHARE = 0.95

RETRY_SECONDS = 0.004
HOLD_SECONDS = 0.001


class Counters:
    """Numbers that all processes see: one a contender, and whether it is over."""

    def __init__(self, contenders: int) -> None:
        """Share memory with the children to come."""
        self._memory = mmap.mmap(-1, 8 * (contenders + 1))
        self.contenders = contenders

    def add(self, contender: int) -> None:
        """One more; each contender writes its own number alone."""
        struct.pack_into("q", self._memory, 8 * contender, self.of(contender) + 1)

    def of(self, contender: int) -> int:
        """How many a contender has."""
        return int(struct.unpack_from("q", self._memory, 8 * contender)[0])

    @property
    def all(self) -> list[int]:
        """How many each has."""
        return [self.of(contender) for contender in range(self.contenders)]

    def end(self) -> None:
        """Tell everybody that it is over."""
        struct.pack_into("q", self._memory, 8 * self.contenders, 1)

    @property
    def over(self) -> bool:
        """Whether it is over."""
        return self.of(self.contenders) != 0


@dataclass(slots=True)
class Contender:
    """One process of a contention; ``life`` counts those that were killed in its place before."""

    layout: Layout
    counters: Counters
    number: int
    life: int
    dice: random.Random
    clash: Clash
    _diary: int = -1
    _taken: int = 0
    _claims: Claims = field(init=False)
    _turns: Turns = field(init=False)

    @property
    def session(self) -> str:
        """The session that it is the coordinator of, life after life."""
        return f"contender-{self.number:02d}"

    def run(self) -> None:
        """Release what was left by the one before, then contend until it is over."""
        self._claims = Claims(self.layout)
        self._turns = Turns(self.layout, time.time)
        path = diary_of(self.layout, self.number)
        self._diary = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with session_lock(self.layout, self.session, timeout=30.0):
            self._note("life", str(self.life))
            release_orphans(self.layout, State(self.layout), self._claims, "", session=self.session, runs={})
            while not self.counters.over:
                self._once()

    def _once(self) -> None:
        scopes = self.dice.choice(NARROW if self.dice.random() < NARROW_SHARE else WIDE)
        self._taken += 1
        wanted = [
            Claim(
                instance=f"fleet-{self.session}-w1-a{place}",
                session=self.session,
                task=f"t{self.life}-{self._taken}-{place}",
                scope=tuple(scope.split(",")),
                acquired="2026-01-01T00:00:00Z",
            )
            for place, scope in enumerate(scopes, 1)
        ]
        began = time.monotonic_ns()
        while True:
            with claims_lock(self.layout) as proof:
                granted = isinstance(self._turns.take(self._claims, proof, wanted, self.clash), Granted)
            if granted:
                break
            if self.counters.over:
                return
            time.sleep(self.dice.uniform(0.0, 2 * RETRY_SECONDS))
        self._note("taken", str(time.monotonic_ns() - began), *scopes)
        time.sleep(self.dice.uniform(0.0, 2 * HOLD_SECONDS))
        self._note("let-go")
        with claims_lock(self.layout) as proof:
            gone = self._claims.release(proof, [claim.instance for claim in wanted])
        assert len(gone) == len(wanted), f"{wanted} were held, and only {gone} could be released"
        self.counters.add(self.number)

    def _note(self, *words: str) -> None:
        os.write(self._diary, ("\t".join((str(time.monotonic_ns()), *words)) + "\n").encode())


def diary_of(layout: Layout, number: int) -> Path:
    """Where a contender notes what it held and when."""
    return layout.common_dir / f"diary-{number:02d}"


@dataclass(slots=True)
class Contention:
    """The whole: starts the processes, kills some, and judges."""

    root: Path
    contenders: int
    acquisitions: int
    seed: int
    clash: Clash = claiming.clash
    kills: int = 0
    _pids: dict[int, tuple[int, int]] = field(default_factory=dict)

    def play(self) -> list[str]:
        """Contend until so many claims were granted; gives what went wrong."""
        layout = Layout(self.root)
        layout.claims.mkdir(parents=True)
        counters = Counters(self.contenders)
        for number in range(self.contenders):
            # A session whose books cannot be read is never taken for one that is over.
            layout.session(f"contender-{number:02d}").mkdir(parents=True)
        seen = self.root / "seen.json"
        watcher = forked(lambda: claims_observer.watch(layout.claims, seen, lambda: counters.over))
        dice = random.Random(self.seed)  # noqa: S311 - moments, not secrets
        began = time.monotonic()
        for number in range(self.contenders):
            self._start(layout, counters, number, 0, dice)
        problems = self._reign(layout, counters, dice)
        seconds = time.monotonic() - began
        os.waitpid(watcher, 0)
        return problems + self._judge(layout, counters, seen, seconds)

    def _start(self, layout: Layout, counters: Counters, number: int, life: int, dice: random.Random) -> None:
        own = random.Random(dice.random())  # noqa: S311 - as above
        self._pids[forked(Contender(layout, counters, number, life, own, self.clash).run)] = (number, life)

    def _reign(self, layout: Layout, counters: Counters, dice: random.Random) -> list[str]:
        """Kill one now and then until enough was granted, and wait for all to end."""
        problems = []
        every = max(self.acquisitions // 100, 50)
        following = every
        while self._pids:
            for pid in list(self._pids):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if not ended:
                    continue
                number, life = self._pids.pop(pid)
                if os.WIFSIGNALED(status):
                    self._start(layout, counters, number, life + 1, dice)
                elif status:
                    problems.append(f"contender {number} ended with {os.waitstatus_to_exitcode(status)}")
                    counters.end()
            granted = sum(counters.all)
            if granted >= self.acquisitions:
                counters.end()
            elif granted >= following and not counters.over:
                following += every
                self.kills += 1
                os.kill(dice.choice(list(self._pids)), signal.SIGKILL)
            time.sleep(dice.uniform(0.001, 0.005))
        return problems

    def _judge(self, layout: Layout, counters: Counters, seen: Path, seconds: float) -> list[str]:
        problems = []
        with session_lock(layout, "judge"), claims_lock(layout) as proof:
            # What the last one killed had begun to write is swept by whoever comes next; a claim would be left.
            Claims(layout).sweep(proof)
            left = sorted(path.name for path in layout.claims.iterdir())
        if left:
            problems.append(f"claims are left: {left}")
        noted, waits = diaries(layout, self.contenders)
        scans, watched = claims_observer.observed(seen)
        for what, intervals in (("noted", noted), ("watched", watched)):
            found = claims_observer.clashes(intervals)
            problems += [f"{what}: {one} and {other} at the same time" for one, other in found[:5]]
        if claims_observer.together(noted) < 2 or len(watched) < len(noted) // 1000:
            problems.append("hardly anything was held at the same time, or seen: nothing was shown")
        waits.sort()
        each = counters.all
        print(
            f"{sum(each)} acquisitions by {self.contenders} processes in {seconds:.1f} s "
            f"({sum(each) / seconds:.0f} a second), {self.kills} killed\n"
            f"waits: half within {waits[len(waits) // 2] / 1e6:.1f} ms, 99 % within "
            f"{waits[len(waits) * 99 // 100] / 1e6:.0f} ms, longest {waits[-1] / 1e6:.0f} ms; "
            f"a process got {min(each)} to {max(each)}\n"
            f"observer: {len(noted)} claims noted, at most {claims_observer.together(noted)} at the same time; "
            f"directory read {scans} times, {len(watched)} claims seen twice or more; left at the end: {len(left)}"
        )
        if min(each) * 4 < max(each):
            problems.append(f"some starved: {each}")
        return problems


def diaries(layout: Layout, contenders: int) -> tuple[list[Interval], list[int]]:
    """What the contenders held, and how long they waited for it."""
    held: list[Interval] = []
    waits = []
    for number in range(contenders):
        taken: tuple[int, list[str]] | None = None
        for line in diary_of(layout, number).read_text().splitlines():
            at, word, *more = line.split("\t")
            if word == "taken":
                waits.append(int(more[0]))
                taken = int(at), more[1:]
            elif taken is not None:
                # Let go, or found by the next life: until then the claim was there.
                held += [Interval(taken[0], int(at), scope, f"contender {number}") for scope in taken[1]]
                taken = None
    return held, waits


def forked(work: Callable[[], None]) -> int:
    """Do a work in a child; gives its pid. A traceback of it goes to standard error."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:  # noqa: BLE001 - a child must not come back from here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Contend, print what there was, and exit with 1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.claims", description=__doc__)
    parser.add_argument("--acquisitions", type=int, default=100_000, metavar="N", help="how many claims are granted")
    parser.add_argument("--contenders", type=int, default=16, metavar="N", help="processes that contend")
    parser.add_argument("--seed", type=int, default=int(time.time() // 86_400), help="what decides wants and victims")
    parser.add_argument("--careless", action="store_true", help="with a table that grants everything: must fail")
    options = parser.parse_args()
    clash = (lambda _mine, _theirs: None) if options.careless else claiming.clash
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="fleet-claims-", dir=memory if memory.is_dir() else None) as scratch:
        root = Path(scratch).resolve()
        problems = Contention(root, options.contenders, options.acquisitions, options.seed, clash).play()
    for problem in problems:
        print(f"FAILED {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

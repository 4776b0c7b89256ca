"""Who held what, seen from outside: a second opinion that shares no code with the table of claims or with scopes.

Two witnesses. The contenders' own diaries: stamped after a claim was granted and before it is given up, so a noted
interval lies within the true one. And a process that does nothing but read the directory of claims: a file that it read
twice was there in between. Whether two scopes overlap is told by listing every path of a small world.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.scopes import all_paths, scope_matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

PATHS = all_paths("ab", longest=2, deepest=3)
"""The world: every path of up to three names of up to two letters."""

PAUSE_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class Interval:
    """A claim was held at least from ``start`` to ``end`` (monotonic nanoseconds)."""

    start: int
    end: int
    scope: str
    owner: str


class World:
    """Which paths a scope holds, as bits, found by trying each."""

    def __init__(self) -> None:
        """Know no scope yet."""
        self._known: dict[str, int] = {}

    def paths(self, scope: str) -> int:
        """The paths of a scope, written as its entries with commas between them."""
        if scope not in self._known:
            entries = scope.split(",")
            self._known[scope] = sum(1 << place for place, path in enumerate(PATHS) if scope_matches(entries, path))
        return self._known[scope]


def clashes(intervals: Iterable[Interval]) -> list[tuple[Interval, Interval]]:
    """Pairs of claims that were held at one moment and share a path."""
    world = World()
    found: list[tuple[Interval, Interval]] = []
    live: list[Interval] = []
    for interval in sorted(intervals, key=lambda interval: interval.start):
        live = [other for other in live if other.end >= interval.start]
        mine = world.paths(interval.scope)
        found += [(other, interval) for other in live if world.paths(other.scope) & mine]
        live.append(interval)
    return found


def together(intervals: Sequence[Interval]) -> int:
    """Most claims that were held at one moment: were it one, nothing would have been shown."""
    steps = sorted([(one.start, 1) for one in intervals] + [(one.end, -1) for one in intervals])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def watch(directory: Path, diary: Path, over: Callable[[], bool]) -> None:
    """Read the directory of claims again and again until it is over; what was seen more than once goes into a diary."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    scopes: dict[str, str] = {}
    scans = 0
    while not over():
        # The observer must not take the machine from those whom it observes.
        time.sleep(PAUSE_SECONDS)
        scans += 1
        for entry in list(os.scandir(directory)):
            if entry.name.startswith("."):
                continue
            before = time.monotonic_ns()
            try:
                with open(entry.path, "rb") as stream:  # noqa: PTH123 - as fast as it goes
                    claim = json.loads(stream.read())
            except FileNotFoundError:
                continue
            # Every acquisition has a task of its own: a file with the same one is the same claim.
            name = f"{claim['task']} {claim['instance']}"
            if name in first:
                last[name] = before
            else:
                first[name] = time.monotonic_ns()
                scopes[name] = ",".join(claim["scope"])
    seen = [[first[name], last[name], scopes[name], name] for name in last if last[name] > first[name]]
    diary.write_text(json.dumps({"scans": scans, "seen": seen}))


def observed(diary: Path) -> tuple[int, list[Interval]]:
    """How often the directory was read, and what was seen in it."""
    told = json.loads(diary.read_text())
    return told["scans"], [Interval(start, end, scope, owner) for start, end, scope, owner in told["seen"]]

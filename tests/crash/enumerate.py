"""Kills whole sessions: ``python -m tests.crash.enumerate --all`` at each durable operation, ``--random 200`` anywhere.

The session runs undisturbed first, and what it does is counted by kind and by process; then one round for each place
(before and after it, and for git calls also while git goes on alone), or for the share that was asked for. A failure
names its place, and ``--only PLACE`` or ``--seeds SEED`` runs it again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash import invariants, randomly, scenario
from tests.crash.interpose import AFTER, ANY, BEFORE, GIT, INDEX, REF, WHILE
from tests.crash.rounds import CONTINUE, COORDINATOR, Point, Result, forked, one_round
from tests.crash.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Work = tuple[str, Callable[[Path], Callable[[Result], None]]]


@dataclass(slots=True)
class Stage:
    """Where rounds take place, and the undisturbed run that they are held against."""

    what: scenario.Scenario
    root: Path
    jobs: int
    keep: Path | None = None
    setup: bool = False
    whole: invariants.Whole = field(init=False)
    length: float = field(init=False)
    points: list[Point] = field(init=False)

    def __post_init__(self) -> None:
        """Run the session undisturbed and list every place where a process of it can die."""
        (self.root / "home").mkdir()
        environment(self.root / "home")
        scenario.make_template(self.what, self.template, setup=self.setup)
        scenario.make_template(self.what, self.furnished, setup=True)
        place, report = self.root / "whole", self.root / "whole.json"
        os.waitpid(forked(one_round(self.what, self.template, place, None, None, None), Result("whole"), report), 0)
        result = Result(**json.loads(report.read_text()))
        if result.problems:
            sys.exit(f"the undisturbed run: {result.problems[0]}")
        for name in dict.fromkeys((place / "modules").read_text().split()):
            if name != "__main__":
                importlib.import_module(name)
        self.length = result.session
        self.whole = invariants.Whole(invariants.tree(place / "repo"), invariants.names(place / "repo/.git"))
        self.points = list(
            places(self.what, (line.split("\t", 4) for line in (place / "ops").read_text().splitlines()))
        )

    @property
    def template(self) -> Path:
        """What every round starts from."""
        return self.root / "template"

    @property
    def furnished(self) -> Path:
        """The same, where trees are made ready first: what every second random round starts from."""
        return self.root / "furnished"

    def play(self, works: Sequence[Work]) -> Iterator[Result]:
        """Run the rounds, so many at a time; results come as they end."""
        waiting = list(enumerate(works))[::-1]
        running: dict[int, Path] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                number, (label, work) = waiting.pop()
                report = self.root / f"{number}.json"
                running[forked(work(self.root / f"r{number}"), Result(label), report)] = report
            pid, _ = os.wait()
            report = running.pop(pid)
            result = Result(**json.loads(report.read_text()))
            report.unlink()
            yield result
            place = self.root / result.place
            if result.problems and self.keep:
                self.keep.mkdir(parents=True, exist_ok=True)
                shutil.move(place, self.keep / result.label.replace("/", "-").replace(" ", "-"))
            shutil.rmtree(place, ignore_errors=True)

    def enumerated(self, points: Iterable[Point]) -> list[Work]:
        """A round for each place."""

        def work(point: Point) -> Work:
            second = second_of(point)
            return str(point), lambda place: one_round(self.what, self.template, place, point, second, self.whole)

        return [work(point) for point in points]

    def at_random(self, seeds: Iterable[int]) -> list[Work]:
        """A round for each seed."""

        def work(seed: int) -> Work:
            template = self.furnished if seed % 2 else self.template
            return f"seed {seed}", lambda place: randomly.one_round(
                self.what, template, place, seed, self.length, self.whole
            )

        return [work(seed) for seed in seeds]


def environment(home: Path) -> None:
    """Give this process and all below it a person's environment without anything of theirs."""
    kept = {name: os.environ[name] for name in ("PATH", "GITFLEET_TEST_MARK") if name in os.environ}
    fixed = {"LANG": "C.UTF-8", "TERM": "dumb", "GIT_CONFIG_NOSYSTEM": "1", "GITFLEET_TRACEBACK": "1"}
    os.environ.clear()
    os.environ.update({**kept, **fixed, "HOME": str(home)})


def places(what: scenario.Scenario, lines: Iterable[list[str]]) -> Iterator[Point]:
    """Every place of an undisturbed run where a process can die."""
    commands = {COORDINATOR, *(step.process for step in what.steps)}
    for process, _, kind, number, detail in lines:
        if process not in commands and not process.startswith("warden"):
            continue
        whens: tuple[str, ...] = (BEFORE, AFTER)
        if kind in {GIT, REF, INDEX} and not detail.startswith(("pygit2", "rename", "replace")):
            whens = (BEFORE, WHILE, AFTER)
        for when in whens:
            yield Point(process, kind, int(number), when)


def share_of(points: Sequence[Point], share: int, day: int) -> list[Point]:
    """One place of so many, and at least two of each kind and process; in as many days it was the turn of all."""
    if share == 1:
        return list(points)
    kinds: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        kinds.setdefault(row_of(point), []).append(point)
    found = []
    for some in kinds.values():
        # Mixed: neighbours are the same operation, before and after it.
        mixed = sorted(some, key=lambda point: zlib.crc32(str(point).encode()))
        step = max(1, min(share, len(mixed) // 2))
        found += mixed[day % step :: step]
    return found


def drawn(points: Sequence[Point], count: int, day: int) -> list[Point]:
    """So many places of all, others every day until it was the turn of each."""
    mixed = sorted(points, key=lambda point: zlib.crc32(str(point).encode()))
    return [mixed[(day * count + number) % len(mixed)] for number in range(count)]


def row_of(point: Point) -> tuple[str, str]:
    """What places are counted by: whose process and which kind of operation."""
    return point.process.split(" ")[0], point.kind


def second_of(point: Point) -> Point | None:
    """For every fourth place of the coordinator ``continue`` dies as well, mostly while it mends."""
    dice = zlib.crc32(str(point).encode())
    if dice % 4 or point.process != COORDINATOR:
        return None
    reach = 600 if dice % 12 == 0 else 80
    return Point(CONTINUE, ANY, 1 + dice // 16 % reach, (BEFORE, AFTER, WHILE)[dice // 4 % 3])


@dataclass(slots=True)
class Tally:
    """What came of the rounds, by process and kind."""

    began: float = field(default_factory=time.monotonic)
    rounds: int = 0
    cpu: float = 0.0
    failures: list[str] = field(default_factory=list)
    deaths: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    whens: Counter[str] = field(default_factory=Counter)
    wanted: set[tuple[str, str]] = field(default_factory=set)
    missed: int = 0
    twice: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def take(self, result: Result) -> None:
        """Count a round, and tell of one that failed."""
        self.rounds += 1
        self.cpu += result.cpu
        rows = [(death.split("/")[0].split(" ")[0], death.split("/")[1]) for death in result.deaths]
        self.deaths.update(rows)
        self.whens.update(death.rpartition("/")[2] for death in result.deaths)
        self.missed += not rows
        self.twice += len(rows) > 1
        self.notes.update(result.notes)
        if result.problems:
            self.failed.update(rows[:1])
            self.failures.append(result.label)
            print(f"FAILED {result.label}\n  exit codes {result.codes}, deaths {result.deaths}")
            print(f"  {result.problems[0][-2000:]}")
        if self.rounds % 50 == 0:
            print(f"{self.rounds} rounds, {len(self.failures)} failed, {self.line}")
        sys.stdout.flush()

    @property
    def line(self) -> str:
        """Times."""
        seconds = time.monotonic() - self.began
        each = max(self.rounds, 1)
        return f"{seconds:.0f} s, {seconds / each:.2f} s and {self.cpu / each:.2f} s of CPU a round"

    def table(self, points: Iterable[Point]) -> None:
        """Print what was enumerated and what was run."""
        total = Counter(row_of(point) for point in points)
        print(f"{'process':12} {'kind':18} places deaths failed")
        for key in sorted(total | self.deaths):
            print(f"{key[0]:12} {key[1]:18} {total[key]:6} {self.deaths[key]:6} {self.failed[key]:6}")
        print(f"{self.rounds} rounds, {self.twice} with more than one death, {self.missed} without any: {self.line}")
        print("deaths: " + ", ".join(f"{count} {when}" for when, count in sorted(self.whens.items())))
        for note, count in sorted(self.notes.items()):
            print(f"  {count} x {note}")
        for key in sorted(self.wanted - self.deaths.keys()):
            print(f"FAILED nobody died: {key[0]}, {key[1]}")
            self.failures.append(f"no death of {key}")
        print(f"{len(self.failures)} failed")


def main() -> None:
    """Read the command line, play, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.enumerate", description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, default="waves", help="which session is killed")
    parser.add_argument("--all", action="store_true", help="every place")
    parser.add_argument("--share", type=int, metavar="N", help="one place of N, others every day")
    parser.add_argument("--draw", type=int, default=0, metavar="N", help="N places, others every day")
    parser.add_argument("--only", nargs="+", metavar="PLACE", help="these places, as a failure names them")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N rounds of kills at random times")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="these random rounds")
    parser.add_argument("--setup", action="store_true", help="trees are made ready first; of random rounds half are")
    parser.add_argument("--day", type=int, default=int(time.time() // 86_400), help="decides shares and seeds")
    parser.add_argument("--from", type=int, default=0, dest="start", metavar="I", help="go on from the I-th round")
    parser.add_argument("--jobs", type=int, default=3, help="rounds at the same time")
    parser.add_argument("--keep", type=Path, help="where the repositories of failed rounds stay")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="fleet-crash-", dir=memory if memory.is_dir() else None) as scratch:
        stage = Stage(SCENARIOS[options.scenario], Path(scratch).resolve(), options.jobs, options.keep, options.setup)
        works: list[Work] = []
        if options.all or options.share:
            share = options.share or 1
            works += stage.enumerated(share_of(stage.points, share, options.day))
        works += stage.enumerated(drawn(stage.points, options.draw, options.day))
        if options.only:
            works += stage.enumerated(Point.parse(text) for text in options.only)
        seeds = options.seeds or [options.day * 1000 + number for number in range(options.random)]
        works += stage.at_random(seeds)
        print(f"{len(stage.points)} places, {len(works)} rounds, seeds {seeds[:1]} to {seeds[-1:]}")
        tally = Tally(
            wanted={row_of(point) for point in stage.points}
            if (options.all or options.share) and not options.start
            else set()
        )
        for result in stage.play(works[options.start :]):
            tally.take(result)
        tally.table(stage.points)
        sys.exit(1 if tally.failures else 0)


if __name__ == "__main__":
    main()

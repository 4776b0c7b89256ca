"""One round: a session in a process of its own that is killed somewhere, ``continue``, and what must be true then.

Everything runs in forks of one process that has imported all there is, so a round costs no start of an interpreter.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.__main__ import main
from gitfleet.coordinator.radar.watch import RadarWatch
from gitfleet.runtime.hosts import local
from tests.crash import invariants, scenario
from tests.crash.interpose import Killer
from tests.crash.interpose_git import watch_coordinator

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.runtime.hosts.base import Handle, LaunchSpec

WRAPPER = Path(__file__).with_name("warden_wrapper.py")
LIMIT_SECONDS = 60.0
KILLED = -signal.SIGKILL
COORDINATOR, CONTINUE = "coordinator", "continue"


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process dies: at the n-th operation of a kind."""

    process: str
    kind: str
    number: int
    when: str

    def __str__(self) -> str:
        """One line for people, and for ``--only``."""
        return f"{self.process}/{self.kind}/{self.number}/{self.when}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """Read what ``str`` wrote."""
        process, kind, number, when = text.split("/")
        return cls(process, kind, int(number), when)


@dataclass(slots=True)
class Result:
    """What came of a round."""

    label: str
    place: str = ""
    deaths: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    session: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Round:
    """Runs commands in one place and answers for the person meanwhile."""

    place: Path
    what: scenario.Scenario
    wardens: Point | None = None
    person: scenario.Person = field(init=False)
    _number: int = 0
    last: Path = field(init=False)

    def __post_init__(self) -> None:
        """Become the parent of every orphan, so that none outlives the round unseen."""
        self.person = scenario.Person(self.place)
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)

    @property
    def repo(self) -> Path:
        """The person's checkout."""
        return self.place / "repo"

    @property
    def temporary(self) -> Path:
        """What its commands take for the system's temporary directory."""
        return self.place / "tmp"

    @property
    def imported(self) -> Path:
        """The modules that commands which came to their end had imported; whoever forks imports them first."""
        return self.place / "modules"

    @property
    def ops(self) -> Path:
        """What was counted, and who died where."""
        return self.place / "ops"

    def start(self, process: str, *args: str, target: Point | None = None) -> int:
        """Start a command; ``process`` is what its operations are filed under. Gives its pid."""
        self._number += 1
        self.last = self.place / f"out.{self._number}"
        orders = self.place / "orders.json"
        orders.write_text(json.dumps({"notes": str(self.ops), "target": asdict(self.wardens) if self.wardens else {}}))
        pid = os.fork()
        if pid:
            return pid
        try:
            self._become(process, args, target, orders)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent reads it in the output
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(70)

    def _become(self, process: str, args: tuple[str, ...], target: Point | None, orders: Path) -> None:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(self.last, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        faulthandler.enable(open(out, "w", closefd=False))  # noqa: SIM115 - for the life of this process
        os.chdir(self.repo)
        os.environ |= {"TMPDIR": str(self.temporary), **scenario.account_environment(self.place)}
        tempfile.tempdir = str(self.temporary)  # without the probe, which may be cut off too
        watched = (*local.INTERPRETER, str(WRAPPER), str(orders))
        local.LocalHost.__init__.__kwdefaults__["interpreter"] = watched  # type: ignore[index]
        _hurry(radar=self.what.radar)
        if target is None or target.process != process:
            killer = Killer(str(self.ops), process)
        else:
            killer = Killer(str(self.ops), process, target.kind, target.number, target.when)
        watch_coordinator(killer)
        code = main(list(args))
        with self.imported.open("a") as file:
            file.write(" ".join(sys.modules) + "\n")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def wait(self, pid: int, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Wait for a command; gives its exit code, or minus the signal that ended it."""
        until = time.monotonic() + LIMIT_SECONDS
        hung = False
        while True:
            ended = self._reap()
            if pid in ended:
                if hung:
                    msg = f"hung: see {self.last}"
                    raise AssertionError(msg)
                return ended[pid]
            self.person.look()
            meanwhile()
            if not hung and time.monotonic() > until:
                hung = True
                os.kill(pid, signal.SIGABRT)  # faulthandler writes where every thread is
            time.sleep(0.004)

    def _reap(self) -> dict[int, int]:
        ended: dict[int, int] = {}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if not pid:
                return ended
            ended[pid] = os.waitstatus_to_exitcode(status)

    def run(self, process: str, *args: str, target: Point | None = None) -> int:
        """Start a command and wait for its end."""
        return self.wait(self.start(process, *args, target=target))

    def deaths(self) -> list[str]:
        """Who died where, as the dying wrote it."""
        found = []
        for line in self.ops.read_text().splitlines() if self.ops.exists() else ():
            facts = line.split("\t")
            if facts[1] == "died":
                found.append("/".join([facts[0], *facts[2:]]))
        return found

    def clear(self) -> None:
        """End what a failed round left."""
        for pid in invariants.processes(self.place):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def settled(self) -> None:
        """Wait until no process of this round is left; raises ``AssertionError`` naming those that stay."""
        until = time.monotonic() + 5
        while left := invariants.processes(self.place):
            self._reap()
            self.person.look()
            if time.monotonic() > until:
                self.clear()
                msg = f"processes are left: {left}"
                raise AssertionError(msg)
            time.sleep(0.004)


def _hurry(*, radar: bool) -> None:
    """Shorten the one deadline that is meant to pass, and what the radar waits for before it looks first."""
    start = local.LocalHost.start

    def hurried(self: local.LocalHost, spec: LaunchSpec) -> Handle:
        if spec.deadline_seconds == scenario.TIMEOUT_SECONDS:
            spec = replace(spec, deadline_seconds=scenario.SHORTER)
        return start(self, spec)

    local.LocalHost.start = hurried  # type: ignore[method-assign]
    if radar:
        look = RadarWatch.look

        def at_once(self: RadarWatch, *, ending: bool) -> None:
            if self._worker._thread is None:  # nothing was there to be compared yet
                self._due = 0.0
            look(self, ending=ending)

        RadarWatch.look = at_once  # type: ignore[method-assign]
        RadarWatch._young = lambda _: set()  # type: ignore[assignment, method-assign]


def forked(work: Callable[[Result], None], result: Result, report: Path) -> int:
    """Do a round in a child; what came of it is in ``report`` when the child is gone. Gives its pid."""
    pid = os.fork()
    if pid:
        return pid
    began = time.monotonic()
    try:
        work(result)
    except BaseException as error:  # noqa: BLE001 - it is the round's result
        text = str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
        result.problems.append(text)
    result.seconds = round(time.monotonic() - began, 3)
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    result.cpu = round(own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime, 3)
    report.write_text(json.dumps(asdict(result)))
    os._exit(0)


def end(round_: Round, whole: invariants.Whole | None, result: Result, target: Point | None = None) -> None:
    """Do what a session that came this far still needs of people, and hold what it left against what must be true."""
    code, note = invariants.came_to_an_end(round_, result.codes[-1])
    if code == round_.what.exit_code and round_.what.steps:
        round_.what.holds(round_.place, round_.deaths(), over=False)
    for step in round_.what.steps if code == round_.what.exit_code else ():
        step.before(round_.place)
        code = round_.run(step.process, *step.args, target=target)
        if code == KILLED:
            code = round_.run(f"{step.process} again", *step.args)
        result.codes.append(code)
        over = code == 0 and "no session to continue" in round_.last.read_text()
        assert code == step.exit_code or over, f"{step.process}: exit {code}: {round_.last.read_text()}"
    result.deaths = round_.deaths()
    invariants.check(round_, whole)
    round_.what.holds(round_.place, result.deaths, over=True)
    result.notes = note


def one_round(
    what: scenario.Scenario,
    template: Path,
    place: Path,
    point: Point | None,
    second: Point | None,
    whole: invariants.Whole | None,
) -> Callable[[Result], None]:
    """The work of a round that dies at ``point``, whose ``continue`` dies at ``second``."""

    def work(result: Result) -> None:
        result.place = place.name
        scenario.copy(template, place)
        warden = point if point is not None and point.process.startswith("warden") else None
        round_ = Round(place, what, warden)
        target = point if warden is None else None
        try:
            began = time.monotonic()
            code = round_.run(COORDINATOR, *what.command, target=target)
            result.session = time.monotonic() - began
            result.codes.append(code)
            if code == KILLED:
                if second is not None:
                    result.codes.append(round_.run(CONTINUE, "continue", target=second))
                if result.codes[-1] == KILLED:
                    result.codes.append(round_.run("last", "continue"))
            end(round_, whole, result, target)
            if whole is None:
                what.struck(scenario.Facts(scenario.state_runs(round_.repo / ".git"), round_.ops.read_text()))
        except BaseException:
            result.deaths = round_.deaths()
            round_.clear()
            raise
        if whole is not None:
            shutil.rmtree(place)

    return work

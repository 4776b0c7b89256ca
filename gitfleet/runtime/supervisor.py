"""Whether a running attempt works: a judgement over what its warden measured, the same for whoever asks.

It reads files alone, so ``status`` in another terminal, with no coordinator anywhere, says what the coordinator would.
All ages are awake seconds of this boot. Files in the worktree bear times of the wall clock and are many, so they are
looked at only when nothing else shows life; for one stall period after the clock was set they cannot be dated, and the
attempt gets the benefit of the doubt. The judgement never ends anything: that is the coordinator's policy.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from gitfleet.model.reports import Activity
from gitfleet.runtime import attempt
from gitfleet.runtime.hosts.base import Pulse
from gitfleet.runtime.pulse import read_pulse
from gitfleet.runtime.tables import open_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RECENT_SECONDS: Final = 60.0
"""Output younger than this, or than the stall period if that is shorter, needs no further word."""

STUCK_SECONDS: Final = 30.0
"""A warden that did not beat for so long (it does so every few seconds) is stopped, or the machine is."""

ENTRIES: Final = 300_000
"""Most entries of a worktree that are looked at; in a larger one, file changes do not show that an agent lives."""

_EVENTS = ("events.jsonl", "handoff.json")


class Vitality(StrEnum):
    """How an attempt that has not ended stands."""

    WORKING = "working"
    QUIET = "quiet"
    SILENT = "silent"
    PAUSED = "paused"
    STUCK = "stuck"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of an attempt without a recorded end at one moment.

    ``held``: somebody holds its lock. ``awake`` and ``wall`` are the present. ``changed`` is a change in its worktree
    in POSIX seconds, 0 where there is none and none where nobody looked. ``paused`` says why its warden holds it, where
    it does.
    """

    held: bool
    pulse: Pulse
    stall: float
    awake: float
    wall: float
    changed: float | None = None
    paused: str = ""

    def with_change(self, changed: float) -> Reading:
        """Give the same with what a look at the files showed; 0 for nothing."""
        return replace(self, changed=changed)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How an attempt stands.

    ``seconds`` are awake seconds since ``sign``, the newest sign of life, and ``output`` those since the last output.
    ``stopped``: the agent's process was, by a signal. ``paused``: why its warden holds it. ``lasting``: whatever is
    done about it by policy had its time.
    """

    vitality: Vitality
    seconds: float
    sign: str
    output: float
    stopped: bool = False
    lasting: bool = False
    paused: str = ""

    @property
    def activity(self) -> Activity:
        """The word for it in reports: one that is quiet works."""
        return Activity.WORKING if self.vitality is Vitality.QUIET else Activity(self.vitality.value)

    @property
    def note(self) -> str:
        """What there is to add: that it is quiet and how one knows that it works, or for how long it is silent."""
        match self.vitality:
            case Vitality.WORKING | Vitality.DEAD:
                return ""
            case Vitality.QUIET if self.sign == "output":
                return f"quiet: no output for {spell(self.output)}"
            case Vitality.QUIET:
                return f"quiet: no output for {spell(self.output)}, {self.sign} {spell(self.seconds)} ago"
            case Vitality.SILENT:
                return f"no sign of life for {spell(self.seconds)}" + ", stopped by a signal" * self.stopped
            case Vitality.PAUSED:
                return f"paused: {self.paused}"
            case Vitality.STUCK:
                return "its warden does not move"
            case _:
                assert_never(self.vitality)


def judge(reading: Reading) -> Judgement:
    """Judge an attempt that has not ended.

    ``quiet`` is working without output: something else showed life within the stall period. ``silent`` is nothing at
    all for that long, ``stuck`` a warden that does not beat, and ``dead`` an attempt that nobody holds.
    """
    pulse = reading.pulse
    signs = {"output": pulse.output, "CPU": pulse.cpu, "children": pulse.children}
    if reading.changed is not None and reading.changed <= reading.wall + 1:
        signs["files"] = reading.awake - max(reading.wall - reading.changed, 0)
    if reading.changed is not None and pulse.stepped:
        signs["clock"] = pulse.stepped
    sign = max(signs, key=lambda name: signs[name])
    seconds = max(reading.awake - signs[sign], 0.0)
    output = max(reading.awake - pulse.output, 0.0)
    if not reading.held:
        vitality = Vitality.DEAD
    elif reading.awake - pulse.beat > STUCK_SECONDS:
        vitality = Vitality.STUCK
    elif reading.paused:
        vitality = Vitality.PAUSED
    elif output < min(RECENT_SECONDS, reading.stall):
        vitality = Vitality.WORKING
    elif seconds < reading.stall:
        vitality = Vitality.QUIET
    else:
        vitality = Vitality.SILENT
    lasting = vitality is Vitality.STUCK or (vitality is Vitality.SILENT and seconds >= 2 * reading.stall)
    return Judgement(vitality, seconds, sign, output, pulse.stopped, lasting, reading.paused)


class Supervisor:
    """Reads attempts of this machine; ``wall`` and ``awake`` tell the present."""

    def __init__(
        self, *, wall: Callable[[], float] = time.time, awake: Callable[[], float] = time.monotonic, files: bool = True
    ) -> None:
        """Build one; with ``files`` false nobody looks at worktrees."""
        self._wall = wall
        self._awake = awake
        self._files = files
        self._boot: str | None = None

    def look(self, directory: Path, *, held: bool) -> Judgement | None:
        """Judge the attempt in a directory, which has not ended, and ``held`` says whether its lock is held.

        None where that cannot be said: its warden has just started, runs on another machine, or watches for nobody.
        """
        reading = self.read(directory, held=held)
        if reading is None:
            return None
        found = judge(reading)
        if found.vitality is not Vitality.SILENT or not self._files:
            return found
        changed = newest_change(directory, reading.wall - reading.stall, reading.wall)
        return judge(reading.with_change(changed or 0.0))

    def read(self, directory: Path, *, held: bool) -> Reading | None:
        """Read what is known of an attempt, its worktree left out."""
        # First: a pause that ends leaves a sign of life in the pulse before it says that it is over.
        paused = attempt.read_words(str(directory), attempt.PAUSED)
        facts = read_pulse(str(directory / attempt.PULSE))
        warden = attempt.read_json(str(directory), attempt.WARDEN)
        if facts is None or warden is None or not warden.get("stall"):
            return None
        if self._boot is None:
            self._boot = open_table().boot()
        if held and warden["boot"] != self._boot:
            return None
        return Reading(held, Pulse(*facts), float(warden["stall"]), self._awake(), self._wall(), paused=paused)


def spell(seconds: float) -> str:
    """Write a length of time for a sentence."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"


def overdue(directory: Path, awake: float) -> float | None:
    """Say by how many awake seconds an attempt is past its deadline, negative before it; none without one."""
    warden = attempt.read_json(str(directory), attempt.WARDEN) or {}
    deadline = attempt.deadline_of(str(directory))
    if deadline is None or "awake" not in warden:
        return None
    stood = 0.0
    with contextlib.suppress(ValueError):
        stood = float(attempt.read_words(str(directory), attempt.STOOD) or 0)
    return awake - float(warden["awake"]) - deadline - stood


def newest_change(directory: Path, after: float, now: float) -> float | None:
    """Find a change that an attempt made after a time: in its worktree, on its branch, to its events or its handoff.

    Gives its time in POSIX seconds, none where there is none; not necessarily the newest, which would take a look at
    everything. Changes that claim to come from after ``now`` are passed over: the clock was set back since.
    """
    spec = attempt.read_json(str(directory), attempt.SPEC) or {}
    worktree = os.fsencode(str(spec.get("worktree", "")))
    times = [_modified(os.fsencode(directory / name)) for name in _EVENTS]
    times += [_modified(path) for path in _ref_files(worktree)]
    known = [at for at in times if at is not None and after < at <= now + 1]
    if known:
        return max(known)
    return next((at for at in _tree_times(worktree) if after < at <= now + 1), None)


def _ref_files(worktree: bytes) -> Iterator[bytes]:
    """Files that git writes when a commit is made in a linked worktree: the log of its HEAD, and its branch."""
    try:
        with open(os.path.join(worktree, b".git"), "rb") as file:
            private = file.read(8192).removeprefix(b"gitdir: ").rstrip(b"\n")
        with open(os.path.join(private, b"HEAD"), "rb") as file:
            branch = file.read(8192).removeprefix(b"ref: ").rstrip(b"\n")
    except OSError:
        return
    yield os.path.join(private, b"logs", b"HEAD")
    yield os.path.join(private, b"..", b"..", branch)


def _tree_times(worktree: bytes) -> Iterator[float]:
    left = ENTRIES
    todo = [worktree] if worktree else []
    while todo:
        directory = todo.pop()
        at = _modified(directory)
        if at is not None:
            yield at
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return
                    if entry.name == b".git":
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False).st_mtime
        except OSError:
            # It is being changed under our eyes, which the next look will see.
            continue


def _modified(path: bytes) -> float | None:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return None

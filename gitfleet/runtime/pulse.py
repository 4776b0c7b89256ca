"""The pulse: when an attempt last showed life, as its warden measured it; standard library only.

Each sign has the awake time (``time.monotonic``, which all processes of one boot share) at which it was seen, so that a
clock that is set makes no attempt silent and none alive. The wall clock's time of the last output is kept for people.
``stepped`` says when the wall clock was last found to have been set, or the machine to have slept: times that other
files bear from before then say nothing. The warden alone writes here, and what it writes it has seen.
"""

from __future__ import annotations

import os
import time

from gitfleet.runtime.attempt import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

STEP_SECONDS = 1.0
"""How far the wall clock may drift between two beats before it counts as set."""

_OFTEN = 0.1
_FORMAT = b"%020.6f %020d" + b" %020.6f" * 5 + b" %06d %b\n"
_SIZE = len(_FORMAT % (0, 0, 0, 0, 0, 0, 0, 0, b"-"))


class Pulse:
    """The writing side; a disk that refuses costs a beat and nothing else."""

    def __init__(
        self, path: str, *, wall: Callable[[], float] = time.time, awake: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the pulse; the start counts as output."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._wall = wall
        self._awake = awake
        self._offset = wall() - awake()
        self._late = False
        self._size = self._kin = 0
        self._stopped = False
        self._at = wall()
        self.output = self.beaten = awake()
        self._cpu = self._children = self._stepped = 0.0
        self.beat()

    def came(self, size: int) -> None:
        """Note that output came, ``size`` bytes so far; written at once or, in a flood, ten times a second."""
        self._at, self.output, self._size = self._wall(), self._awake(), size
        self._late = True
        if self.output - self.beaten >= _OFTEN:
            self.beat()

    def felt(self, *, cpu: bool, children: bool, kin: int, stopped: bool) -> None:
        """Note what a look at the tree showed: work, children that came or went, how many, an agent that is stopped."""
        now = self._awake()
        if cpu:
            self._cpu = now
        if children:
            self._children = now
        self._kin, self._stopped = kin, stopped
        self.beat()

    def woke(self) -> None:
        """Note that the agent could work from now on: a pause is over."""
        self._cpu, self._stopped = self._awake(), False
        self.beat()

    def flush(self) -> None:
        """Write what a flood held back."""
        if self._late:
            self.beat()

    def beat(self) -> None:
        """Write everything, and that the warden is there."""
        self.beaten = self._awake()
        self._late = False
        offset = self._wall() - self.beaten
        if abs(offset - self._offset) > STEP_SECONDS:
            self._stepped = self.beaten
        self._offset = offset
        signs = (self.output, self._cpu, self._children, self._stepped, self.beaten)
        line = _FORMAT % (self._at, self._size, *signs, self._kin, b"T" if self._stopped else b"-")
        try:
            # One write of fixed width, so that a reader sees a whole line.
            os.pwrite(self._descriptor, line, 0)
        except OSError:
            return


def read_pulse(path: str) -> tuple[float, int, float, float, float, float, float, int, bool] | None:
    """Read a pulse; none before the warden has started.

    POSIX seconds of the last output; bytes of output; awake seconds of the last output, of CPU, of children, of a step
    of the clock (0 for never) and of the beat itself; processes at the last look; whether the agent was stopped then.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            at, size, output, cpu, children, stepped, beat, kin, state = file.read(_SIZE).split()
        signs = float(output), float(cpu), float(children), float(stepped), float(beat)
        return float(at), int(size), *signs, int(kin), state == b"T"
    except (OSError, ValueError):
        return None

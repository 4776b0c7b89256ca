"""The pulse says when each sign of life was seen, in a time that nobody can set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.runtime.hosts.base import Pulse as Reading
from gitfleet.runtime.pulse import Pulse, read_pulse

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Clocks:
    """A wall clock that can be set, and an awake one that cannot."""

    wall: float = 1_700_000_000.0
    awake: float = 5000.0

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.awake += seconds

    def pulse(self, path: Path) -> Pulse:
        return Pulse(str(path), wall=lambda: self.wall, awake=lambda: self.awake)


def seen(path: Path) -> Reading:
    facts = read_pulse(str(path))
    assert facts is not None
    return Reading(*facts)


def test_a_pulse_that_is_not_there_or_no_pulse_is_none(tmp_path: Path) -> None:
    assert read_pulse(str(tmp_path / "none")) is None
    (tmp_path / "junk").write_text("1 2 3\n")
    assert read_pulse(str(tmp_path / "junk")) is None


def test_the_pulse_counts_output_and_starts_with_the_attempt(tmp_path: Path) -> None:
    before = time.time(), time.monotonic()
    pulse = Pulse(str(tmp_path / "pulse"))
    first = seen(tmp_path / "pulse")
    assert before[0] - 0.001 <= first.at <= time.time() + 0.001
    assert before[1] - 0.001 <= first.output <= first.beat <= time.monotonic() + 0.001
    assert (first.size, first.cpu, first.children, first.stepped, first.kin, first.stopped) == (0, 0, 0, 0, 0, False)
    pulse.came(10)
    pulse.came(20)
    pulse.flush()
    last = seen(tmp_path / "pulse")
    assert last.size == 20
    assert last.output >= first.output


def test_a_flood_is_written_ten_times_a_second(tmp_path: Path) -> None:
    clocks = Clocks()
    pulse = clocks.pulse(tmp_path / "pulse")
    clocks.go(1)
    pulse.came(1)
    clocks.go(0.05)
    pulse.came(2)
    assert seen(tmp_path / "pulse").size == 1
    pulse.flush()
    assert seen(tmp_path / "pulse").size == 2
    clocks.go(0.11)
    pulse.came(3)
    assert seen(tmp_path / "pulse").size == 3


def test_each_sign_has_its_own_time(tmp_path: Path) -> None:
    clocks = Clocks()
    pulse = clocks.pulse(tmp_path / "pulse")
    clocks.go(3)
    pulse.felt(cpu=True, children=False, kin=2, stopped=False)
    clocks.go(3)
    pulse.felt(cpu=False, children=True, kin=3, stopped=True)
    found = seen(tmp_path / "pulse")
    assert (found.output, found.cpu, found.children, found.beat) == (5000, 5003, 5006, 5006)
    assert (found.kin, found.stopped) == (3, True)


def test_a_clock_that_is_set_moves_no_sign_and_is_noted(tmp_path: Path) -> None:
    clocks = Clocks()
    pulse = clocks.pulse(tmp_path / "pulse")
    clocks.go(2)
    clocks.wall += 0.4  # what keeps a clock right is no step
    pulse.beat()
    assert seen(tmp_path / "pulse").stepped == 0
    for jump in (-3600, 7200):
        clocks.go(2)
        clocks.wall += jump
        pulse.beat()
        found = seen(tmp_path / "pulse")
        assert (found.output, found.stepped, found.beat) == (5000, clocks.awake, clocks.awake)
    clocks.go(2)
    pulse.beat()
    assert seen(tmp_path / "pulse").stepped == clocks.awake - 2

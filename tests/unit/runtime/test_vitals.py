"""What counts as work of a tree, on tables that a test writes: CPU above the idle share, children that come and go."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from gitfleet.runtime import vitals
from gitfleet.runtime.processes import Process
from gitfleet.runtime.pulse import read_pulse
from gitfleet.runtime.tables import open_table
from gitfleet.runtime.tree import Tree
from gitfleet.runtime.vitals import Vitals
from gitfleet.runtime.warden.heart import Heart

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.runtime.processes import Table

ROOT, AGENT = 100, 101


@dataclass
class Machine:
    """A table of processes that a test writes; ``looked`` counts how often each was read."""

    processes: dict[int, Process] = field(default_factory=dict)
    environments: dict[int, bytes] = field(default_factory=dict)
    looked: Counter[int] = field(default_factory=Counter)
    scans: int = 0

    def add(self, pid: int, parent: int, *, start: int = 50, state: str = "S") -> Process:
        self.processes[pid] = Process(
            pid=pid, parent=parent, start=start, state=state, name=f"p{pid}", terminal=False, cpu=0.0
        )
        return self.processes[pid]

    def besides(self, strangers: set[int]) -> dict[int, Process]:
        self.scans += 1
        strangers.intersection_update(self.processes)
        found = {pid: process for pid, process in self.processes.items() if pid not in strangers}
        self.looked.update(found.keys())
        return found

    def environment(self, process: Process) -> bytes | None:
        return self.environments.get(process.pid)

    def tree(self) -> Tree:
        return Tree(cast("Table", self), nonce="abc", worktree="", since=40, root=ROOT)


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.add(1, 0, start=1)
    made.add(ROOT, 1)
    made.add(AGENT, ROOT)
    return made


def watching(machine: Machine) -> Vitals:
    """Vitals that have seen the tree as it is, at 0."""
    made = Vitals(machine.tree(), ROOT, AGENT, 0.0)
    assert made.look(0.0).children
    return made


def test_an_event_loop_that_waits_does_not_work(machine: Machine) -> None:
    watched = watching(machine)
    for look in range(1, 400):
        # 1 % of a core, and the garbage collector's tenth of a second a minute.
        machine.processes[AGENT].cpu += 0.03 + (0.1 if look % 20 == 0 else 0)
        signs = watched.look(look * 3.0)
        assert not signs.cpu
        assert not signs.children


def test_a_compiler_is_seen_at_once_and_slow_work_soon(machine: Machine) -> None:
    watched = watching(machine)
    machine.processes[AGENT].cpu += 3.0
    assert watched.look(3.0).cpu
    assert not watched.look(6.0).cpu
    seen = []
    for look in range(3, 40):
        machine.processes[AGENT].cpu += 0.15  # 5 %
        if watched.look(look * 3.0).cpu:
            seen.append(look)
    assert len(seen) >= 10


def test_cpu_of_a_child_that_its_parent_waited_for_is_not_lost(machine: Machine) -> None:
    watched = watching(machine)
    machine.processes[AGENT].cpu += 1.0  # cutime: the child came and went between two looks
    assert watched.look(3.0).cpu


def test_children_that_come_and_go_are_work_and_one_that_stays_is_none(machine: Machine) -> None:
    watched = watching(machine)
    child = machine.add(200, AGENT)
    assert watched.look(3.0).children
    signs = watched.look(6.0)
    assert (signs.children, signs.kin) == (False, 2)
    child.state = "Z"
    signs = watched.look(9.0)
    assert (signs.children, signs.kin) == (True, 1)
    del machine.processes[200]
    assert not watched.look(12.0).children
    machine.add(200, AGENT, start=60)
    assert watched.look(15.0).children
    machine.add(200, AGENT, start=70)
    assert watched.look(18.0).children, "the pid is the same, the process is not"


def test_processes_of_others_are_no_work_and_are_read_once(machine: Machine) -> None:
    for pid in range(500, 600):
        machine.add(pid, 1, start=5)
    watched = watching(machine)
    machine.looked.clear()
    machine.add(700, 550)
    machine.processes[550].cpu += 100
    for look in range(1, 10):
        signs = watched.look(look * 3.0)
        assert (signs.cpu, signs.children) == (False, False)
    assert machine.looked == {AGENT: 9, 700: 1}


def test_an_orphan_is_still_ours_where_nobody_reaps_it(machine: Machine) -> None:
    known = machine.add(200, AGENT)
    watched = watching(machine)
    known.parent = 1
    machine.environments[300] = b"\0GITFLEET_NONCE=abc\0"
    machine.add(300, 1)
    machine.add(301, 1)
    machine.add(302, 300)
    assert watched.look(3.0).kin == 4  # the agent, the orphan it had, the one it never showed, and that one's child
    known.cpu += 5
    assert watched.look(6.0).cpu


def test_one_whose_parent_ended_while_we_looked_is_not_given_up(machine: Machine) -> None:
    machine.add(200, 199)  # 199 was ours and is gone; the subreaper has not got it yet
    watched = watching(machine)
    machine.processes[200].parent = ROOT
    assert watched.look(3.0).kin == 2


def test_a_stopped_agent_is_told(machine: Machine) -> None:
    watched = watching(machine)
    machine.processes[AGENT].state = "T"
    assert watched.look(3.0).stopped


def test_looks_are_few_and_none_while_output_comes(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(os, "getpid", lambda: ROOT)
    tree = machine.tree()
    heart = Heart(str(tmp_path / "pulse"), stall=300.0, started=now[0], awake=lambda: now[0])

    def minutes(count: int, *, output: bool) -> int:
        before = machine.scans
        for second in range(count * 120):
            now[0] += 0.5
            if output and second % 2:
                heart.came(second)
            heart.beat(tree, AGENT)
        return machine.scans - before

    assert minutes(10, output=True) == 0
    assert minutes(10, output=False) <= 600 / vitals.SOONEST
    assert minutes(10, output=False) >= 600 / (vitals.LATEST + 0.5), "known within stall + 5 s"


def test_nobody_is_looked_at_where_nobody_waits(machine: Machine, tmp_path: Path) -> None:
    now = [1000.0]
    heart = Heart(str(tmp_path / "pulse"), stall=None, started=now[0], awake=lambda: now[0])
    for _ in range(100):
        now[0] += 1
        heart.beat(machine.tree(), AGENT)
    assert machine.scans == 0
    facts = read_pulse(str(tmp_path / "pulse"))
    assert facts is not None
    assert now[0] - facts[6] < 2  # and yet it beats


def test_a_look_that_is_dear_is_taken_less_often() -> None:
    assert vitals.interval(0.001, 300) == vitals.SOONEST
    assert vitals.interval(0.03, 300) == pytest.approx(3.0)
    assert vitals.interval(5.0, 300) == vitals.LATEST
    assert vitals.interval(5.0, 1) == pytest.approx(1 / 3)


@pytest.mark.parametrize("kind", ["proc", "ps"])
def test_both_tables_count_cpu(kind: str) -> None:
    table = open_table(kind)
    before = table.look(os.getpid())
    assert before is not None
    # What ended children used counts in the table, and not in these times: only the difference is compared.
    begun = sum(os.times()[:2])
    while sum(os.times()[:2]) < begun + 1.2:
        sum(range(10000))
    after = table.look(os.getpid())
    assert after is not None
    assert after.cpu > before.cpu
    strangers = {1, 99_999_999}
    found = table.besides(strangers)
    assert os.getpid() in found
    assert 1 not in found
    assert strangers == {1}


def test_ps_times_are_read() -> None:
    from gitfleet.runtime.ps_table import _seconds  # noqa: PLC0415 - what macOS says cannot be had here

    assert [_seconds(text) for text in ("0:01.50", "12:34.00", "01:02:03", "2-03:04:05")] == [1.5, 754, 3723, 183845]

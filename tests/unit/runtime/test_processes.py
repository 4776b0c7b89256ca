"""Looks at processes that start and end while they are looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime.ladder import gone
from gitfleet.runtime.processes import ZOMBIE, Process, ProcTable
from gitfleet.runtime.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")


class Between(ProcTable):
    """A table in which something happens after the list was made, and before the look is over."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def besides(self, strangers: set[int]) -> dict[int, Process]:
        found = super().besides(strangers)
        self._happens()
        return found


def test_a_child_that_came_after_the_list_was_made_is_found() -> None:
    started: list[subprocess.Popen[bytes]] = []
    table = Between(lambda: started.append(subprocess.Popen(["sleep", "100"])))
    try:
        assert table.snapshot().keys().isdisjoint(one.pid for one in started), (
            "nobody asked for whose children they are"
        )
        found = table.snapshot(os.getpid())
        assert found[started[-1].pid].parent == os.getpid()
    finally:
        for one in started:
            one.kill()
            one.wait()


class Dying(ProcTable):
    """Of a chain of processes each look finds the last one dead, and only the last look of all a living one."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def besides(self, strangers: set[int]) -> dict[int, Process]:  # noqa: ARG002
        self.left -= 1
        pid, state = 10**9 - self.left, ZOMBIE if self.left else "R"
        return {pid: Process(pid=pid, parent=7, start=1, state=state, name="runs", terminal=False)}


@pytest.mark.parametrize("looks", [1, 2, 5])
def test_looks_in_which_somebody_died_do_not_prove_that_nobody_is_left(looks: int) -> None:
    assert not gone(Tree(Dying(looks), nonce="x", worktree="", since=0, root=7))

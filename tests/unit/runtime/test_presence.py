"""Who works in a directory, on a table that a test writes: one look, and nobody else's environment is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitfleet.runtime import presence
from gitfleet.runtime.presence import working_in
from gitfleet.runtime.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PLACES = {1: b"/", 50: b"%s", 51: b"/", 52: b"%s/src", 53: b"%s", 54: b"%s-2"}
TERMINALS = {50}
PARENTS = {51: 50}
ENVIRONMENTS = {53: b"\0GITFLEET_OPEN=git\0"}


class Machine:
    """A person's shell with a program below it, an orphan, a call of our own git, and who works elsewhere."""

    missed = 0

    def __init__(self, directory: Path) -> None:
        self.directories = {pid: place.replace(b"%s", os.fsencode(directory)) for pid, place in PLACES.items()}
        self.looks = 0
        self.read: set[int] = set()

    def snapshot(self, _: int | None = None) -> dict[int, Process]:
        self.looks += 1
        return {
            pid: Process(pid=pid, parent=PARENTS.get(pid, 1), start=pid, state="S", name="p", terminal=pid in TERMINALS)
            for pid in PLACES
        }

    def environment(self, process: Process) -> bytes | None:
        self.read.add(process.pid)
        return ENVIRONMENTS.get(process.pid, b"\0HOME=/\0")

    def directory(self, process: Process) -> bytes | None:
        return self.directories[process.pid]

    def owner(self, _: Process) -> int | None:
        return os.getuid()


def test_one_look_names_who_works_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    monkeypatch.setattr(presence, "open_table", lambda _: machine)
    # What a person's shell started counts where it works itself, and our own git never does.
    assert working_in(tmp_path) == ("p (50)", "p (52)")
    assert machine.looks == 1
    assert machine.read == {50, 52, 53}

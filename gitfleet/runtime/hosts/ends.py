"""The end of an attempt: as its warden recorded it, or found out when the warden was killed.

An attempt without a recorded end is settled under its lock, so no warden can still start or record anything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from gitfleet.model.base import decode
from gitfleet.model.evidence import Exit
from gitfleet.runtime import attempt, ladder
from gitfleet.runtime.tables import open_table
from gitfleet.store.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.runtime.hosts.base import Handle
    from gitfleet.runtime.tree import Tree


def recorded_end(handle: Handle) -> Exit | None:
    """How the attempt ended, as its warden or a host wrote it; none when that is not known yet."""
    try:
        return decode(read_regular(handle.directory / attempt.EXIT), Exit)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        # The agent can write here too; what it leaves is no evidence of anything.
        return Exit(reason="lost", message="What its directory says of its end cannot be read.")


def settle(handle: Handle, now: Callable[[], float]) -> Exit:
    """Find the end of an attempt whose lock the caller holds; cleared and written as lost when there is none."""
    found = recorded_end(handle)
    if found is not None:
        return found
    spec = attempt.read_json(str(handle.directory), attempt.SPEC)
    warden = attempt.read_json(str(handle.directory), attempt.WARDEN)
    climbed = ladder.Climbed()
    tree = None
    if spec is not None and warden is not None:
        table = open_table(spec.get("processes"))
        # After a restart of the machine no process of the attempt can be left, and its pids belong to others.
        if warden["boot"] == table.boot():
            tree = ladder.tree_of(table, spec, since=warden["since"], root=None, spared=_ourselves())
            steps = [(str(name), float(seconds)) for name, seconds in spec["leftover_ladder"]]
            climbed = ladder.climb(tree, steps)
    return _write_lost(handle, climbed, tree, now, began=warden is not None or attempt.began(str(handle.directory)))


def _write_lost(
    handle: Handle, climbed: ladder.Climbed, tree: Tree | None, now: Callable[[], float], *, began: bool
) -> Exit:
    message = "Its warden ended without recording how the agent ended."
    if not began:
        message = "Its warden ended before it started the agent."
    facts: dict[str, Any] = {"reason": "lost", "ended": attempt.instant(now()), "message": message}
    facts |= {} if began else {"seconds": 0.0}
    if tree is not None:
        facts |= ladder.account(tree, climbed, message)
    attempt.write_end(str(handle.directory), facts)
    found = recorded_end(handle)
    if found is None:
        msg = f"{handle.directory / attempt.EXIT} does not read back"
        raise RuntimeError(msg)
    return found


def _ourselves() -> list[int]:
    """Find this process and those it descends from: a person may well run `continue` inside the worktree."""
    table = open_table()
    found: list[int] = []
    process = table.look(os.getpid())
    while process is not None and process.pid > 1 and process.pid not in found:
        found.append(process.pid)
        process = table.look(process.parent)
    return found

"""The table of processes that fits this system; standard library only."""

from __future__ import annotations

import os

from gitfleet.runtime.processes import ProcTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitfleet.runtime.processes import Table


def open_table(kind: str | None = None) -> Table:
    """Open the table for this system, or the one asked for by name: ``proc`` or ``ps``."""
    if kind is None:
        kind = "proc" if os.path.exists("/proc/self/stat") else "ps"
    if kind == "proc":
        return ProcTable()
    from gitfleet.runtime.ps_table import PsTable  # noqa: PLC0415 - Linux need not read it

    return PsTable()

"""Which processes there are, and how to signal one of them; standard library only, since the warden runs without more.

Two tables answer the same questions: ``/proc`` on Linux, and ``ps`` with ``lsof`` anywhere else (``ps_table``). A
process is a pid and the time it started, so that a signal never meets a stranger who got the pid afterwards.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # `typing` costs a tenth of the warden's start
if TYPE_CHECKING:
    from typing import Protocol

ZOMBIE = "Z"

_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """One process as a table saw it.

    ``start`` is what tells two processes with one pid apart: clock ticks since boot, or seconds since the epoch where
    the system says no more. ``terminal`` tells whether it has a controlling terminal. ``cpu`` are seconds of CPU time
    that it used, with those of the children that it waited for where the system says so.
    """

    __slots__ = ("cpu", "name", "parent", "pid", "start", "state", "terminal", "uid")

    def __init__(
        self,
        *,
        pid: int,
        parent: int,
        start: int,
        state: str,
        name: str,
        terminal: bool,
        uid: int | None = None,
        cpu: float = 0.0,
    ) -> None:
        """Keep what the table said."""
        self.pid = pid
        self.parent = parent
        self.start = start
        self.state = state
        self.name = name
        self.terminal = terminal
        self.uid = uid
        self.cpu = cpu

    def label(self) -> str:
        """Name it for a record: the program's short name and the pid, never its arguments, which may hold secrets."""
        name = "".join(char if char.isprintable() else "?" for char in self.name)
        return f"{name} ({self.pid})"


if TYPE_CHECKING:

    class Table(Protocol):
        """A way of looking at processes.

        ``missed`` counts those that ended between two snapshots or in one: they may have started others unseen.
        """

        missed: int

        def snapshot(self, root: int | None = None) -> dict[int, Process]:
            """Give all processes that there are now, by pid; of ``root`` also children that it got meanwhile."""

        def besides(self, strangers: set[int]) -> dict[int, Process]:
            """Give all but those, and drop from them the pids that nobody has any more."""

        def look(self, pid: int) -> Process | None:
            """Look for one process; none when there is none with that pid."""

        def children(self, pid: int) -> set[int]:
            """Give the children that a process has at this moment; none where the system keeps no list of them."""

        def living(self, processes: list[Process]) -> list[Process]:
            """Give those of some processes that still run."""

        def signal(self, processes: list[Process], number: int) -> None:
            """Send a signal to those of some processes that still run."""

        def environment(self, process: Process) -> bytes | None:
            """Read its environment, NUL between and around the variables; none when it cannot be read."""

        def directory(self, process: Process) -> bytes | None:
            """Read its working directory; none when it cannot be read."""

        def owner(self, process: Process) -> int | None:
            """Say which user it runs as."""

        def openers(self, path: str) -> set[int]:
            """Find the processes that have a file open; those of others may not be seen."""

        def boot(self) -> str:
            """Name this boot of the machine, to tell it from others."""


def alive(table: Table, process: Process) -> bool:
    """Say whether this very process still runs; a zombie does not."""
    now = table.look(process.pid)
    return now is not None and now.start == process.start and now.state != ZOMBIE


def send(table: Table, process: Process, number: int) -> bool:
    """Send a signal to this very process; false when it is gone or may not be signalled."""
    try:
        # The descriptor pins the process, so that the pid cannot change hands between the look and the signal.
        descriptor = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        return False
    except OSError:
        descriptor = -1  # a kernel or sandbox without pidfd
    try:
        if not alive(table, process):
            return False
        if descriptor >= 0:
            signal.pidfd_send_signal(descriptor, number)
        else:
            os.kill(process.pid, number)
    except OSError:
        return False
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return True


class ProcTable:
    """Linux: a few microseconds a process, by reading ``/proc``."""

    def __init__(self) -> None:
        """Start with no look taken."""
        self.missed = 0
        self._dead: set[int] = set()

    def snapshot(self, root: int | None = None) -> dict[int, Process]:
        """Give all processes that there are now, by pid; of ``root`` also children that it got meanwhile."""
        found = self.besides(set())
        # What forks and ends while we read is below a pid that was not in the list.
        late = self.children(root) - found.keys() if root is not None else ()
        found |= {pid: process for pid in late if (process := self.look(pid)) is not None}
        dead = {process.pid for process in found.values() if process.state == ZOMBIE}
        self.missed += len(dead - self._dead)
        self._dead = dead
        return found

    def besides(self, strangers: set[int]) -> dict[int, Process]:
        """Give all but those, and drop from them the pids that nobody has any more."""
        pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        strangers &= pids
        looked = [self.look(pid) for pid in pids - strangers]
        self.missed += looked.count(None)
        return {process.pid: process for process in looked if process is not None}

    def look(self, pid: int) -> Process | None:
        """Look for one process; none when there is none with that pid."""
        data = _read(f"/proc/{pid}/stat")
        if not data:
            return None
        # The name is in parentheses and may hold anything, parentheses and newlines included.
        opening, closing = data.index(b"("), data.rindex(b")")
        fields = data[closing + 2 :].split()
        return Process(
            pid=pid,
            parent=int(fields[1]),
            start=int(fields[19]),
            state=fields[0].decode(),
            name=data[opening + 1 : closing].decode("utf-8", "replace"),
            terminal=fields[4] != b"0",
            cpu=sum(map(int, fields[11:15])) / _TICKS,
        )

    def children(self, pid: int) -> set[int]:
        """Give the children that a process has at this moment; none where the kernel keeps no list of them."""
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return set()
        lists = (_read(f"/proc/{pid}/task/{task}/children") or b"" for task in tasks)
        return {int(child) for line in lists for child in line.split()}

    def living(self, processes: list[Process]) -> list[Process]:
        """Give those of some processes that still run."""
        return [process for process in processes if alive(self, process)]

    def signal(self, processes: list[Process], number: int) -> None:
        """Send a signal to those of some processes that still run."""
        for process in processes:
            send(self, process, number)

    def environment(self, process: Process) -> bytes | None:
        """Read its environment, NUL between and around the variables; none when it cannot be read."""
        data = _read(f"/proc/{process.pid}/environ")
        if not data and not alive(self, process):
            self.missed += 1
        return None if data is None else b"\0" + data + b"\0"

    def directory(self, process: Process) -> bytes | None:
        """Read its working directory; none when it cannot be read."""
        try:
            return os.readlink(f"/proc/{process.pid}/cwd".encode())
        except OSError:
            return None

    def owner(self, process: Process) -> int | None:
        """Say which user it runs as."""
        try:
            return os.stat(f"/proc/{process.pid}").st_uid
        except OSError:
            return None

    def openers(self, path: str) -> set[int]:
        """Find the processes that have a file open; those of others may not be seen."""
        wanted = os.stat(path)
        return {int(name) for name in os.listdir("/proc") if name.isdecimal() and _holds_open(name, wanted)}

    def boot(self) -> str:
        """Name this boot of the machine, to tell it from others."""
        return (_read("/proc/sys/kernel/random/boot_id") or b"").decode().strip()


def _holds_open(pid: str, wanted: os.stat_result) -> bool:
    directory = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(directory):
            try:
                seen = os.stat(f"{directory}/{name}")
            except OSError:
                continue  # closed meanwhile
            if os.path.samestat(seen, wanted):
                return True
    except OSError:
        pass  # gone, or another user's
    return False


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = b""
        while piece := os.read(descriptor, 65536):
            data += piece
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return data

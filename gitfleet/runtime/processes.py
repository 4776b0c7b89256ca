"""Which processes there are, and how to signal one of them; standard library only, since the warden runs without more.

Two tables answer the same questions: ``/proc`` on Linux, and ``ps`` with ``lsof`` anywhere else. A process is a pid and
the time it started, so that a signal never meets a stranger who got the pid afterwards.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # `typing` costs a tenth of the warden's start
if TYPE_CHECKING:
    from typing import Protocol

ZOMBIE = "Z"


class Process:
    """One process as a table saw it.

    ``start`` is what tells two processes with one pid apart: clock ticks since boot, or seconds since the epoch where
    the system says no more. ``terminal`` tells whether it has a controlling terminal.
    """

    __slots__ = ("name", "parent", "pid", "start", "state", "terminal", "uid")

    def __init__(
        self, *, pid: int, parent: int, start: int, state: str, name: str, terminal: bool, uid: int | None = None
    ) -> None:
        """Keep what the table said."""
        self.pid = pid
        self.parent = parent
        self.start = start
        self.state = state
        self.name = name
        self.terminal = terminal
        self.uid = uid

    def label(self) -> str:
        """Name it for a record: the program's short name and the pid, never its arguments, which may hold secrets."""
        name = "".join(char if char.isprintable() else "?" for char in self.name)
        return f"{name} ({self.pid})"


if TYPE_CHECKING:

    class Table(Protocol):
        """A way of looking at processes."""

        def snapshot(self) -> dict[int, Process]:
            """Give all processes that there are now, by pid."""

        def look(self, pid: int) -> Process | None:
            """Look for one process; none when there is none with that pid."""

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

    def snapshot(self) -> dict[int, Process]:
        """Give all processes that there are now, by pid."""
        found = {}
        for name in os.listdir("/proc"):
            if name.isdecimal():
                process = self.look(int(name))
                if process is not None:
                    found[process.pid] = process
        return found

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
        )

    def environment(self, process: Process) -> bytes | None:
        """Read its environment, NUL between and around the variables; none when it cannot be read."""
        data = _read(f"/proc/{process.pid}/environ")
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


class PsTable:
    """Anywhere: by running ``ps`` and ``lsof``, tens of milliseconds a look.

    Start times have a resolution of one second. Programs that the system protects do not show their environment;
    their working directory is what finds them.
    """

    def __init__(self) -> None:
        """Start with no look taken."""
        self._environments: dict[int, bytes] | None = None
        self._directories: dict[int, bytes] | None = None
        self._everyone = ["-A", "-E", "-ww"] if os.uname().sysname == "Darwin" else ["axeww"]

    def snapshot(self) -> dict[int, Process]:
        """Give all processes that there are now, by pid."""
        self._environments = self._directories = None
        return self._processes(["-A"])

    def look(self, pid: int) -> Process | None:
        """Look for one process; none when there is none with that pid."""
        return self._processes(["-p", str(pid)]).get(pid)

    def _processes(self, which: list[str]) -> dict[int, Process]:
        import time  # noqa: PLC0415 - with `_run`, only where ps is the way

        columns = ["pid=", "ppid=", "uid=", "stat=", "tty=", "lstart=", "comm="]
        own, listing = _run(["ps", *which, *(part for column in columns for part in ("-o", column))])
        found = {}
        for line in listing.splitlines():
            words = line.decode("utf-8", "replace").split(None, 10)
            if len(words) < 10 or int(words[0]) == own:
                continue
            start = int(time.mktime(time.strptime(" ".join(words[5:10]), "%a %b %d %H:%M:%S %Y")))
            name = words[10].rsplit("/", 1)[-1] if len(words) > 10 else "?"
            found[int(words[0])] = Process(
                pid=int(words[0]),
                parent=int(words[1]),
                start=start,
                state=words[3][0],
                name=name.removesuffix("<defunct>").strip(),
                terminal=words[4] not in {"?", "??", "-"},
                uid=int(words[2]),
            )
        return found

    def environment(self, process: Process) -> bytes | None:
        """Read its arguments and environment with blanks between; ps offers no better, and a nonce holds no blank."""
        if self._environments is None:
            self._environments = {}
            for line in _run(["ps", *self._everyone, "-o", "pid=", "-o", "args="])[1].splitlines():
                pid, *words = line.split()
                self._environments[int(pid)] = b"\0" + b"\0".join(words) + b"\0"
        return self._environments.get(process.pid)

    def directory(self, process: Process) -> bytes | None:
        """Read its working directory; none when it cannot be read."""
        if self._directories is None:
            self._directories = {}
            pid = 0
            listing = _run(["lsof", "-w", "-a", "-u", str(os.getuid()), "-d", "cwd", "-F0pn"])[1]
            for field in listing.replace(b"\n", b"").split(b"\0"):
                if field.startswith(b"p"):
                    pid = int(field[1:])
                elif field.startswith(b"n/"):
                    self._directories[pid] = field[1:]
        return self._directories.get(process.pid)

    def owner(self, process: Process) -> int | None:
        """Say which user it runs as."""
        return process.uid

    def openers(self, path: str) -> set[int]:
        """Find the processes that have a file open; those of others may not be seen."""
        own, listing = _run(["lsof", "-w", "-F", "p", "--", path])
        return {int(line[1:]) for line in listing.split() if line[:1] == b"p"} - {own}

    def boot(self) -> str:
        """Name this boot of the machine, to tell it from others."""
        return _run(["sysctl", "-n", "kern.boottime"])[1].decode("utf-8", "replace").strip()


def open_table(kind: str | None = None) -> Table:
    """Open the table for this system, or the one asked for by name: ``proc`` or ``ps``."""
    if kind is None:
        kind = "proc" if os.path.exists("/proc/self/stat") else "ps"
    return ProcTable() if kind == "proc" else PsTable()


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


def _run(argv: list[str]) -> tuple[int, bytes]:
    """Run a program that lists processes; its own pid, so that it can be left out, and its output."""
    import subprocess  # noqa: PLC0415 - ten milliseconds that Linux need not pay

    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        with subprocess.Popen(
            argv,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as child:
            return child.pid, child.communicate()[0]
    except OSError:
        return 0, b""

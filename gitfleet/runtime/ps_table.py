"""Which processes there are where there is no ``/proc``: by running ``ps`` and ``lsof``; standard library only."""

from __future__ import annotations

import contextlib
import os

from gitfleet.runtime.processes import ZOMBIE, Process

_AT_ONCE = 200


class PsTable:
    """Anywhere: by running ``ps`` and ``lsof``, tens of milliseconds a look.

    Start times have a resolution of one second. Programs that the system protects do not show their environment;
    their working directory is what finds them.
    """

    def __init__(self) -> None:
        """Start with no look taken."""
        self.missed = 0  # ps does not say
        self._environments: dict[int, bytes] | None = None
        self._directories: dict[int, bytes] | None = None
        self._everyone = ["-A", "-E", "-ww"] if os.uname().sysname == "Darwin" else ["axeww"]

    def snapshot(self, root: int | None = None) -> dict[int, Process]:  # noqa: ARG002 - ps tells of all at once
        """Give all processes that there are now, by pid."""
        self._environments = self._directories = None
        return self._processes(["-A"])

    def besides(self, strangers: set[int]) -> dict[int, Process]:
        """Give all but those, and drop from them the pids that nobody has any more."""
        found = self.snapshot()
        strangers.intersection_update(found)
        return {pid: process for pid, process in found.items() if pid not in strangers}

    def look(self, pid: int) -> Process | None:
        """Look for one process; none when there is none with that pid."""
        return self._processes(["-p", str(pid)]).get(pid)

    def children(self, pid: int) -> set[int]:  # noqa: ARG002 - starting ps takes as long as a look at all of them
        """Give none."""
        return set()

    def living(self, processes: list[Process]) -> list[Process]:
        """Give those of some processes that still run, by one look: a fork bomb has hundreds."""
        found: dict[int, Process] = {}
        for first in range(0, len(processes), _AT_ONCE):
            pids = ",".join(str(process.pid) for process in processes[first : first + _AT_ONCE])
            found |= self._processes(["-p", pids])
        now = [(process, found.get(process.pid)) for process in processes]
        return [one for one, seen in now if seen and seen.start == one.start and seen.state != ZOMBIE]

    def signal(self, processes: list[Process], number: int) -> None:
        """Send a signal to those of some processes that still run; nothing here could pin them meanwhile."""
        for process in self.living(processes):
            with contextlib.suppress(OSError):
                os.kill(process.pid, number)

    def _processes(self, which: list[str]) -> dict[int, Process]:
        import time  # noqa: PLC0415 - with `_run`, only where ps is the way

        columns = ["pid=", "ppid=", "uid=", "stat=", "tty=", "time=", "lstart=", "comm="]
        own, listing = _run(["ps", *which, *(part for column in columns for part in ("-o", column))])
        found = {}
        for line in listing.splitlines():
            words = line.decode("utf-8", "replace").split(None, 11)
            if len(words) < 11 or int(words[0]) == own:
                continue
            start = int(time.mktime(time.strptime(" ".join(words[6:11]), "%a %b %d %H:%M:%S %Y")))
            name = words[11].rsplit("/", 1)[-1] if len(words) > 11 else "?"
            found[int(words[0])] = Process(
                pid=int(words[0]),
                parent=int(words[1]),
                start=start,
                state=words[3][0],
                name=name.removesuffix("<defunct>").strip(),
                terminal=words[4] not in {"?", "??", "-"},
                uid=int(words[2]),
                cpu=_seconds(words[5]),
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
        # kern.boottime moves when somebody sets the clock, and every process would be taken for another one.
        answer = _run(["sysctl", "-n", "kern.bootsessionuuid"])[1] or _run(["sysctl", "-n", "kern.boottime"])[1]
        return answer.decode("utf-8", "replace").strip()


def _seconds(time: str) -> float:
    """Read what ps calls a time: ``[[days-]hours:]minutes:seconds``, with hundredths on macOS."""
    days, _, rest = time.rpartition("-")
    hours, minutes, seconds = ["0", "0", *rest.split(":")][-3:]
    return ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(seconds)


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

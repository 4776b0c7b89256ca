"""Commands as processes of their own that do not import everything anew: forked from one that has.

More than a third of what a short session costs is Python's start and its imports. ``Warm.run`` is ``subprocess.run`` of
``python -m gitfleet``, but for that: the process is forked from a keeper, then gets its own environment, directory,
arguments and standard streams, and runs the program from its beginning to the interpreter's own end.

Linux only, as forking after imports is no safe thing elsewhere; and not for tests of what happens before the program's
first line, or of what ``/proc`` says of it: its command line and initial environment are the keeper's.
``GITFLEET_TEST_COLD=1`` starts every command in the plain way.
"""

from __future__ import annotations

import array
import atexit
import functools
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COLD = "GITFLEET_TEST_COLD"
STARTUP = {"LANG": "C.UTF-8"}
"""What a keeper has of the variables that ``startup`` finds, beside where the code is."""
PACKAGES = ("gitfleet.cli", "gitfleet.app", "gitfleet.coordinator", "gitfleet.agents", "gitfleet.model.reports")
LIBRARIES = ("jsonschema", "ruamel.yaml", "pygit2", "rich.console", "rich.live", "rich.table")
_LARGEST = 1 << 20
_FDS = 4


@dataclass(slots=True)
class Warm:
    """The keeper of one process of tests."""

    process: subprocess.Popen[bytes]
    ours: socket.socket
    lock: threading.Lock

    @classmethod
    def begin(cls, root: Path) -> Warm:
        """Start a keeper; it ends with this process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
                env={"PATH": os.environ["PATH"], **STARTUP, "PYTHONPATH": str(root)},
                cwd=root,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        warm = cls(process, ours, threading.Lock())
        atexit.register(warm.end)
        return warm

    def end(self) -> None:
        """End the keeper."""
        self.ours.close()
        self.process.wait()

    def run(
        self, module: str, args: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a module of Python to its end, as ``subprocess.run(..., capture_output=True, text=True)`` does."""
        pipes = [os.pipe() for _ in range(_FDS)]
        (read_in, write_in), (read_out, write_out), (read_err, write_err), (read_told, write_told) = pipes
        job = json.dumps([module, list(args), os.fspath(cwd), dict(env)]).encode()
        given = array.array("i", [read_in, write_out, write_err, write_told])
        with self.lock:
            self.ours.sendmsg([job], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)])
        for fd in given:
            os.close(fd)
        taken: dict[int, bytearray] = {read_out: bytearray(), read_err: bytearray(), read_told: bytearray()}
        deadline = time.monotonic() + seconds
        writer = threading.Thread(target=_write, args=(write_in, stdin.encode()), daemon=True)
        writer.start()
        try:
            _take(taken, deadline)
        except TimeoutError:
            with suppress(ProcessLookupError, ValueError, IndexError):
                os.kill(int(taken[read_told].split()[0]), signal.SIGKILL)
            raise subprocess.TimeoutExpired([module, *args], seconds, bytes(taken[read_out])) from None
        finally:
            for fd in taken:
                os.close(fd)
        status = os.waitstatus_to_exitcode(int(taken[read_told].split()[1]))
        out, err = (taken[fd].decode().replace("\r\n", "\n") for fd in (read_out, read_err))
        return subprocess.CompletedProcess([module, *args], status, out, err)


@functools.cache
def keeper(root: Path) -> Warm | None:
    """The one keeper of this process of tests, where there can be one."""
    return None if sys.platform != "linux" or os.environ.get(COLD) == "1" else Warm.begin(root)


def startup(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that matter before the first line of a program."""
    return {name: value for name, value in environ.items() if name.startswith(("PYTHON", "LANG", "LC_", "LD_"))}


def _write(fd: int, data: bytes) -> None:
    with suppress(BrokenPipeError), open(fd, "wb") as stream:
        stream.write(data)


def _take(taken: dict[int, bytearray], deadline: float) -> None:
    """Read each pipe to its end."""
    with selectors.DefaultSelector() as selector:
        for fd in taken:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in selector.select(left):
                data = os.read(key.fd, 1 << 16)
                taken[key.fd] += data
                if not data:
                    selector.unregister(key.fd)


def keep(channel: socket.socket) -> list[Any]:
    """Fork a process for each job; give the job in that process, and end where nobody asks any more."""
    told: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not channel:
                    pid, fd = told.pop(key.fd)
                    os.write(fd, b"%d\n" % os.waitpid(pid, 0)[1])
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    os.close(fd)
                    continue
                data, fds, _, _ = socket.recv_fds(channel, _LARGEST, _FDS)
                if not data:
                    os._exit(0)
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    for watched, (_, fd) in told.items():
                        os.close(watched)
                        os.close(fd)
                    return [*json.loads(data), *fds]
                os.write(fds[3], b"%d\n" % pid)
                for fd in fds[:3]:
                    os.close(fd)
                watch = os.pidfd_open(pid)
                told[watch] = (pid, fds[3])
                selector.register(watch, selectors.EVENT_READ)


def become(module: str, args: list[str], cwd: str, env: dict[str, str], *fds: int) -> None:
    """Turn this process into one that runs a module; gives nothing back but an end."""
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = [module, *args]
    import random  # noqa: PLC0415 - nobody else needs it

    random.seed()
    if "COVERAGE_PROCESS_START" in env:
        importlib.import_module("coverage").process_startup(force=True)
    importlib.import_module("runpy").run_module(module, run_name="__main__", alter_sys=True)


def _preload() -> None:
    for library in LIBRARIES:
        importlib.import_module(library)
    for package in PACKAGES:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


if __name__ == "__main__":
    _preload()
    with socket.socket(fileno=int(sys.argv[1])) as _channel:
        _job = keep(_channel)
    become(*_job)

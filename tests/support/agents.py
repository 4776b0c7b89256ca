"""Scripted agents: real processes that do what agents do, good and bad, and say when they have done it.

A script tells the test where it is through a FIFO, so no test sleeps to let something happen.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from gitfleet.runtime.hosts.base import Handle, LaunchSpec
from gitfleet.runtime.hosts.local import LocalHost

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.model.evidence import Exit

_PRELUDE = """
import os, signal, sys, time

def tell(path):
    with open(path, "w") as fifo:
        fifo.write(str(os.getpid()))

def hear(path):
    with open(path) as fifo:
        return fifo.read()

def ignore(*names):
    for name in names:
        signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)

def detach():
    # True in a grandchild in a session of its own, whose parent is gone: what agents' tools look like.
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    for descriptor in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    return True

def again(source, *arguments, environment=None, directory=None):
    if directory is not None:
        os.chdir(directory)
    line = [sys.executable, "-I", "-S", "-c", PRELUDE + source, *arguments]
    os.execve(sys.executable, line, dict(os.environ) if environment is None else environment)

def rest():
    while True:
        time.sleep(1000)
"""


def python(source: str, *arguments: str | Path) -> tuple[str, ...]:
    """A command line that runs a script with the words above at hand."""
    return (sys.executable, "-I", "-S", "-c", f"PRELUDE = {_PRELUDE!r}\n{_PRELUDE}{source}", *map(str, arguments))


def commits(name: str, text: str) -> tuple[str, ...]:
    """Write a file and commit it."""
    return ("sh", "-c", 'printf %s "$2" >"$1" && git add -- "$1" && git commit -qm "Add $1"', "sh", name, text)


def hangs(ready: Path) -> tuple[str, ...]:
    """Say that it is there and never end by itself."""
    return python("tell(sys.argv[1]); rest()", ready)


def crashes(number: int) -> tuple[str, ...]:
    """End by a signal."""
    return python("os.kill(os.getpid(), int(sys.argv[1]))", str(number))


def stubborn(ready: Path, *children: Path) -> tuple[str, ...]:
    """Ignore INT and TERM, and have a grandchild in a session of its own for each further FIFO, just as stubborn."""
    return python(
        """
ignore("INT", "TERM")
for path in sys.argv[2:]:
    if detach():
        tell(path)
        rest()
tell(sys.argv[1])
rest()
""",
        ready,
        *children,
    )


def leaves_children(go: Path, *children: Path) -> tuple[str, ...]:
    """End once a test writes to ``go``, leaving a grandchild in a session of its own for each further FIFO."""
    return python(
        """
for path in sys.argv[2:]:
    if detach():
        tell(path)
        rest()
    os.wait()
hear(sys.argv[1])
print("done")
""",
        go,
        *children,
    )


def holds_output(go: Path, ready: Path) -> tuple[str, ...]:
    """End once a test writes to ``go``, leaving a child that keeps standard output open."""
    return python(
        """
if os.fork() == 0:
    os.setsid()
    tell(sys.argv[2])
    rest()
hear(sys.argv[1])
print("done", flush=True)
""",
        go,
        ready,
    )


def floods(size: int) -> tuple[str, ...]:
    """Write so many bytes of numbered lines as fast as it can."""
    return python(
        """
left, number = int(sys.argv[1]), 0
while left > 0:
    block = b"".join(b"line %09d\\n" % n for n in range(number, number + 5000))[:left]
    number += 5000
    left -= len(block)
    sys.stdout.buffer.write(block)
sys.stdout.flush()
""",
        str(size),
    )


@dataclass(slots=True)
class Stage:
    """A host with a worktree and a place for attempts; every attempt of a test has the nonce ``nonce``."""

    root: Path
    nonce: str
    host: LocalHost = field(init=False)
    worktree: Path = field(init=False)
    _started: list[Handle] = field(default_factory=list)
    _attempts: int = 0
    _fifos: int = 0

    def __post_init__(self) -> None:
        """Make the directories."""
        self.host = LocalHost(nonce=lambda: self.nonce)
        self.worktree = self.root / "tree"
        self.worktree.mkdir()

    def fifo(self) -> Path:
        """A new FIFO for a script to tell its pid through."""
        self._fifos += 1
        path = self.root / f"fifo-{self._fifos}"
        os.mkfifo(path)
        return path

    def spec(self, *argv: str, **options: object) -> LaunchSpec:
        """What to run in the worktree, with short ladders unless ``options`` say otherwise."""
        self._attempts += 1
        facts: dict[str, object] = {
            "instance": "fleet-test-w1-a1",
            "attempt": self._attempts,
            "directory": self.root / "attempts" / str(self._attempts),
            "argv": argv,
            "cwd": self.worktree,
            "env": {"PATH": os.environ["PATH"]},
            "ladder": (("INT", 0.2), ("TERM", 0.2), ("KILL", 5.0)),
            "leftover_ladder": (("INT", 0.2), ("TERM", 0.2), ("KILL", 5.0)),
        }
        return LaunchSpec(**(facts | options))  # type: ignore[arg-type]

    def start(self, *argv: str, **options: object) -> Handle:
        """Start an attempt."""
        handle = self.host.start(self.spec(*argv, **options))
        self._started.append(handle)
        return handle

    def clear(self) -> list[psutil.Process]:
        """End what is left of every attempt, and say what that was: nothing, after a test that went well."""
        left = self.left()
        for process in left:
            process.kill()
        for handle in self._started:
            self.host.stop(handle)
            self.host.wait(handle)
        return left

    def run(self, *argv: str, **options: object) -> tuple[Exit, bytes]:
        """Start an attempt, wait for its end, and give the end and its output."""
        handle = self.start(*argv, **options)
        ended = self.host.wait(handle)
        return ended, self.host.log(handle, 0, 1 << 20).data

    def left(self) -> list[psutil.Process]:
        """The living processes that carry the nonce, found without the code under test."""
        return carrying(self.nonce)


def hear(fifo: Path) -> int:
    """Wait until a script tells its pid."""
    return int(fifo.read_text())


def tell(fifo: Path) -> None:
    """Let a script that waits go on."""
    fifo.write_text("go")


def carrying(nonce: str) -> list[psutil.Process]:
    """The living processes whose environment carries a nonce."""
    found = []
    for process in psutil.process_iter():
        try:
            carries = nonce in process.environ().get("GITFLEET_NONCE", "").split("/")
            if carries and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

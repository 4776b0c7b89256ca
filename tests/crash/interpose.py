"""Counts the durable operations of this process and kills it at a chosen one.

Standard library alone and few imports, since wardens load it too. Each operation has a kind and a number among those
of its kind; every one is written down, so that a failed round can be read, and so is the death.
"""

from __future__ import annotations

import os
import signal
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FSYNC, RENAME, UNLINK, MKDIR = "fsync", "rename or link", "unlink or rmdir", "mkdir"
REF, INDEX, SPAWN, GIT = "ref update", "index write", "spawn", "git call"
KINDS = (FSYNC, RENAME, UNLINK, MKDIR, REF, INDEX, SPAWN, GIT)
ANY = "any"

BEFORE, WHILE, AFTER = "before", "while", "after"
"""``while`` is a git call that goes on when whoever started it is dead."""

NAMES = {
    "fsync": FSYNC,
    "rename": RENAME,
    "replace": RENAME,
    "link": RENAME,
    "symlink": RENAME,
    "unlink": UNLINK,
    "remove": UNLINK,
    "rmdir": UNLINK,
    "mkdir": MKDIR,
}


class Killer:
    """Numbers the operations of one process; ``kind``, ``number`` and ``when`` are where it dies (0: nowhere)."""

    def __init__(self, notes: str, process: str, kind: str = ANY, number: int = 0, when: str = BEFORE) -> None:
        """Append what is seen to the file ``notes``; ``kind`` may be ``any``, which numbers all operations together."""
        self._notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._process = process
        self._target = (kind, number)
        self._when = when
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._write = os.write

    def before(self, kind: str, what: str) -> tuple[int, int]:
        """Number an operation that is about to be done."""
        with self._lock:
            numbers = self._counts[kind], self._counts[ANY] = self._next(kind), self._next(ANY)
            self._note("op", kind, numbers[0], what)
        self.reached(kind, numbers, BEFORE)
        return numbers

    def _next(self, kind: str) -> int:
        return self._counts.get(kind, 0) + 1

    def reached(self, kind: str, numbers: tuple[int, int], when: str) -> None:
        """Die here if this is the place."""
        if when == self._when and self._target in {(kind, numbers[0]), (ANY, numbers[1])}:
            self._note("died", kind, numbers[0], when)
            os.kill(os.getpid(), signal.SIGKILL)

    def _note(self, *facts: object) -> None:
        line = "\t".join(str(fact).replace("\n", " ").replace("\t", " ") for fact in (self._process, *facts))
        self._write(self._notes, line.encode("utf-8", "replace") + b"\n")


def around(killer: Killer, kind: str, function: Callable[..., Any], word: str) -> Callable[..., Any]:
    """The same function, counted."""

    def counted(*args: Any, **kwargs: Any) -> Any:
        found = INDEX if kind == RENAME and len(args) > 1 and _name(args[1]) == "index" else kind
        what = f"{word} {' '.join(str(arg) for arg in args)}"
        numbers = killer.before(found, what)
        result = function(*args, **kwargs)
        killer.reached(found, numbers, AFTER)
        return result

    return counted


def _name(path: object) -> str:
    return str(path).rpartition("/")[2]


def watch_files(killer: Killer) -> None:
    """Count what changes names in the file system, and what makes it durable."""
    for name, kind in NAMES.items():
        setattr(os, name, around(killer, kind, getattr(os, name), name))


def watch_forks(killer: Killer) -> None:
    """Count forks; the child goes on uncounted."""
    fork = os.fork

    def counted() -> int:
        numbers = killer.before(SPAWN, "fork")
        pid = fork()
        if pid:
            killer.reached(SPAWN, numbers, AFTER)
        return pid

    os.fork = counted

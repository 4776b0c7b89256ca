"""Counts a coordinator's git calls, its ref and index writes, and the wardens that it starts."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING, Any

from gitfleet.git.command import Git
from gitfleet.git.engine_pygit2 import LibgitEngine
from tests.crash.interpose import AFTER, GIT, INDEX, REF, SPAWN, WHILE, Killer, around, watch_files

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX_WRITERS = frozenset({"update-index", "reset", "add", "checkout", "merge", "commit", "rm", "apply", "clean"})
REF_WRITERS = frozenset({"update-ref", "symbolic-ref", "branch", "tag", "fetch"})


def kind_of(words: tuple[str | bytes, ...]) -> str:
    """The kind of a git call, from its arguments."""
    command = str(words[0])
    if command in INDEX_WRITERS or (command == "read-tree" and "-n" not in words):
        return INDEX
    return REF if command in REF_WRITERS else GIT


def watch_coordinator(killer: Killer) -> None:
    """Count everything that this process does to the disk and to others, itself or through git."""
    watch_files(killer)
    here = threading.local()
    start = subprocess.Popen.__init__

    def started(self: Any, args: Any, *more: Any, **options: Any) -> None:
        call = getattr(here, "call", None)
        if call is not None:
            start(self, args, *more, **options)
            killer.reached(call[0], call[1], WHILE)
            return
        numbers = killer.before(SPAWN, " ".join(map(str, args[-2:])))
        start(self, args, *more, **options)
        killer.reached(SPAWN, numbers, AFTER)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Git, *words: Any, **options: Any) -> Any:
            kind = kind_of(words)
            numbers = killer.before(kind, " ".join(map(str, words)))
            here.call = (kind, numbers)
            try:
                result = function(self, *words, **options)
            finally:
                here.call = None
            killer.reached(kind, numbers, AFTER)
            return result

        return call

    Git.run = counted(Git.run)  # type: ignore[method-assign]
    Git.serve = counted(Git.serve)  # type: ignore[method-assign]
    move = around(killer, REF, LibgitEngine.move_private_ref, "pygit2")
    LibgitEngine.move_private_ref = move  # type: ignore[method-assign]

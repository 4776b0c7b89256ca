"""What a warden is told before it starts: its attempt as a document, and a temporary directory of the attempt's own.

Only words that survive any locale are written: a path may hold any byte.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from gitfleet.errors import GitfleetError, Kind
from gitfleet.runtime.environment import temporary_directory

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.runtime.hosts.base import LaunchSpec


def make_temporary(spec: LaunchSpec) -> str | None:
    """Make the directory that TMPDIR names, where it is the attempt's own; its name then, to be removed by."""
    temporary = temporary_directory(spec.directory)
    if spec.env.get("TMPDIR") != str(temporary):
        return None
    temporary.mkdir(mode=0o700, exist_ok=True)
    facts = temporary.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise GitfleetError(
            Kind.ENVIRONMENT,
            "temporary-taken",
            f"Something that is not ours stands at {temporary}, where {spec.instance} would have its temporary files.",
            hint="Remove it, or set TMPDIR to a directory of your own.",
        )
    return text(temporary)


def document(spec: LaunchSpec) -> dict[str, Any]:
    """What a warden is told of its attempt, but for what no file may hold: the secrets."""
    return {
        "argv": [text(word) for word in spec.argv],
        "worktree": text(spec.cwd),
        "env": {text(name): text(value) for name, value in spec.env.items()},
        "stdin": None if spec.stdin is None else text(spec.stdin),
        "deadline_seconds": spec.deadline_seconds,
        "stall_seconds": spec.stall_seconds,
        "log_limit": spec.log_limit,
        "digest": spec.digest,
        "ladder": spec.ladder,
        "leftover_ladder": spec.leftover_ladder,
        "drain_seconds": spec.drain_seconds,
        "sweep": spec.sweep,
        "subreaper": spec.subreaper,
        "processes": spec.processes,
    }


def text(word: str | Path) -> str:
    """Turn a word into UTF-8 text of the same bytes, whatever the locale here; the warden runs in UTF-8 mode."""
    return os.fsencode(word).decode("utf-8", "surrogateescape")

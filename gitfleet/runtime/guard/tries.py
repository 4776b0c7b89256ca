"""What an agent tried and its guard refused, as the guard's scripts wrote it down."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.runtime.attempt import open_regular

if TYPE_CHECKING:
    from pathlib import Path

FILE = "tries"
_BYTES = 1 << 17
_FIELDS = 5
_WORD = 300


@dataclass(frozen=True, slots=True)
class Try:
    """One thing that was refused.

    ``kind`` says what it would have changed (``ref``, ``stash``, ``config``, ``push``, ``repository``), ``name`` which
    one, ``old`` and ``new`` the object ids where a hook was told them, ``by`` the hook or the command line.
    """

    kind: str
    name: str
    old: str
    new: str
    by: str

    @property
    def becomes(self) -> str:
        """Where a ref would have been moved to; empty where it would be gone."""
        return self.new.strip("0") and self.new

    @property
    def was(self) -> str:
        """Where it was; empty where git was not told or there was none."""
        return self.old.strip("0") and self.old


def read_tries(directory: Path) -> tuple[Try, ...]:
    """Read what a guard refused, each once, in order.

    The agent can write there: lines that are none are left out, and so is what is past a bound.
    """
    try:
        with open(directory / FILE, "rb", opener=open_regular) as file:
            data = file.read(_BYTES)
    except OSError:
        return ()
    found: dict[tuple[str, ...], Try] = {}
    for line in data.decode("utf-8", "replace").split("\n")[:-1]:
        words = [_plain(word) for word in line.split("\t")]
        if len(words) == _FIELDS:
            one = Try(*words)
            found.setdefault((one.kind, one.name, one.new, one.by), one)
    return tuple(found.values())


def _plain(word: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in word[:_WORD])


def forget(directory: Path) -> None:
    """Forget the tries of an attempt that is about to start."""
    (directory / FILE).unlink(missing_ok=True)


def began(directory: Path) -> float | None:
    """When a guard was laid out, in POSIX seconds; none where there is none."""
    try:
        return os.stat(directory / "hook").st_mtime  # noqa: PTH116 - one call, said as such
    except OSError:
        return None

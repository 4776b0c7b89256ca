"""Moving the target: one compare-and-swap.

The ref is the only thing here that other people see, and nothing in this module writes any other, but for the refs
that the landing was asked to write afterwards.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import NOT_ALLOWED
from gitfleet.git.command import GitFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.git.command import Git

# A fsync of the ref alone would leave it pointing into the page cache (DESIGN 4, "Durability").
_DURABLE = "core.fsync=reference,committed"

_NOT_ALLOWED = tuple(os.strerror(number) for number in sorted(NOT_ALLOWED))


@dataclass(frozen=True, slots=True)
class Swapped:
    """The ref moved."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The ref was not where it was expected; ``actual`` is where it is."""

    actual: str | None


@dataclass(frozen=True, slots=True)
class RefHeld:
    """Another git command holds the ref's lock; ``why`` is git's sentence."""

    why: str


def resolve(git: Git, ref: str) -> str:
    """The ref that is written when ``ref`` is: itself, unless it is a symbolic one."""
    return git.run("symbolic-ref", "-q", ref, ok=(0, 1, 128)).text or ref


def read(git: Git, ref: str) -> str | None:
    """Where a ref is, ``None`` when it does not exist."""
    return git.run("rev-parse", "--verify", "-q", "--end-of-options", ref, ok=(0, 1, 128)).text or None


def swap(git: Git, ref: str, *, new: str, old: str, message: str) -> Swapped | Elsewhere | RefHeld:
    """Move a ref from ``old`` to ``new``, durably, and only from there.

    A person may have made it a symbolic one since it was resolved: that stays one, and what it names moves.
    Raises ``GitFailed`` where this user may not write it: nobody's lock is in the way, and waiting would not help.
    """
    done = git.having(_DURABLE).run("update-ref", "-m", message, ref, new, old, ok=range(256))
    if done.code == 0:
        return Swapped()
    actual = read(git, ref)
    if actual != old:
        return Elsewhere(actual)
    if any(reason in done.error for reason in _NOT_ALLOWED):
        raise GitFailed(done)
    return RefHeld(done.error)


def write_refs(git: Git, refs: Mapping[str, str]) -> None:
    """Write further refs, whatever they were; doing it again changes nothing."""
    if refs:
        lines = "".join(f"update {ref}\0{oid}\0\0" for ref, oid in refs.items())
        git.having(_DURABLE).run("update-ref", "--stdin", "-z", stdin=lines.encode())

"""Whether the machine is to blame for what did not work: then no task failed, and the session waits for a person.

A full disk, too few open files, a broken disk or a place that this user may not write pass, and what they hit can be
done again. What is asked is the error itself, and the places that every session needs: git and agents often say only
that a file could not be written. Where a disk has some room left and those places may be written, a refusal that says
no reason counts as the task's own: an agent can take away rights in its own worktree.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import BROKEN_DISK, RUN_OUT
from gitfleet.git.command import GitFailed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitfleet.parts import Parts

LEAST_BYTES = 128 << 10
"""A disk with less room than this is full: the next index, pack or checkout may not fit."""

LEAST_FILES = 16
"""A disk that can hold no more than so many further files is full, too."""

_NUMBERS = RUN_OUT | BROKEN_DISK
_WORDS = tuple(os.strerror(number) for number in sorted(_NUMBERS))


@dataclass(frozen=True, slots=True)
class Refused:
    """The machine could not do what was asked; ``why`` is a sentence for people."""

    why: str


def refused(parts: Parts, error: BaseException) -> Refused | None:
    """Whether an error is the machine's refusal, by what it says or because a disk that is worked on is full."""
    causes = list(_chain(error))
    if any(isinstance(cause, OSError) and cause.errno in _NUMBERS for cause in causes):
        return Refused(_sentence(str(error)))
    said = " ".join(cause.completed.error for cause in causes if isinstance(cause, GitFailed))
    return Refused(_sentence(str(error))) if _tells(said) else unfit(parts)


def refused_by_words(parts: Parts, why: str) -> Refused | None:
    """The same, of what git or the system said of it."""
    return Refused(_sentence(why)) if _tells(why) else unfit(parts)


def _tells(words: str) -> bool:
    return any(reason in words for reason in _WORDS)


def unfit(parts: Parts) -> Refused | None:
    """Whether the machine, as it stands, lets no attempt of this session work."""
    return full(parts) or barred(parts)


def barred(parts: Parts) -> Refused | None:
    """Whether a place that every attempt and landing needs may not be written; asked of the system, which knows why."""
    repository, layout = parts.repository.common_dir, parts.layout
    for place in (repository, repository / "objects", repository / "refs", layout.root, layout.state, parts.pool):
        there = _nearest(place)
        if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
            return Refused(f"Permission denied: {there} cannot be written by this user.")
    return None


def full(parts: Parts) -> Refused | None:
    """Whether a disk that attempts and their landings are written to is full."""
    for place in _full((parts.repository.common_dir, parts.pool)):
        return Refused(f"The disk with {place} is full.")
    return None


def _full(places: Iterable[Path]) -> Iterable[Path]:
    for place in places:
        try:
            facts = os.statvfs(_nearest(place))
        except OSError:
            continue
        few_files = facts.f_files > 0 and facts.f_favail < LEAST_FILES
        # A file system that does not count its blocks (some network ones) says nothing here.
        if facts.f_blocks and (facts.f_bavail * facts.f_frsize < LEAST_BYTES or few_files):
            yield place


def _nearest(place: Path) -> Path:
    """Give the place, or what of the way to it is there."""
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return place


def _chain(error: BaseException) -> Iterable[BaseException]:
    chain: list[BaseException] = []
    seen: BaseException | None = error
    # An error that a worker raised again from itself would never end.
    while seen is not None and not any(seen is one for one in chain):
        chain.append(seen)
        seen = seen.__cause__
    return chain


def _sentence(text: str) -> str:
    return f"The machine refused what the session needs: {text.strip().rstrip('.')}."

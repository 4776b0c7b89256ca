"""What the newest commits of a branch changed, as far as it matters for which files change together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import final


class Cut(StrEnum):
    """Why a reading of history ended before the first commit."""

    NONE = ""
    COMMITS = "commits"
    SECONDS = "seconds"
    BYTES = "bytes"
    MISSING = "missing"


@final
@dataclass(frozen=True, slots=True)
class Change:
    """One commit with one parent: the paths it changed, and (old, new) of files that it moved as they were.

    A commit over too many files has no paths and is ``large``: it says little of which two belong together.
    """

    commit: str
    when: int
    paths: tuple[bytes, ...] = ()
    moved: tuple[tuple[bytes, bytes], ...] = ()
    large: bool = False


@final
@dataclass(frozen=True, slots=True)
class History:
    """Changes reachable from ``tip``, newest first; ``cut`` says what kept the reader from going further back."""

    tip: str
    changes: tuple[Change, ...] = ()
    cut: Cut = Cut.NONE

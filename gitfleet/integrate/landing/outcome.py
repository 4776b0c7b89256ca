"""What a landing is asked for and how it can end; outcomes are values that callers match exhaustively."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitfleet.git.command import Git

WAIT_SECONDS = 60.0
"""How long a held index lock, or a rebase or bisect of the target, is waited for (DESIGN 9)."""


POLL_SECONDS = 0.05
"""The shortest pause between two looks at what is waited for."""


class Reason(StrEnum):
    """Why a path is in the way."""

    STAGED = "staged"
    MODIFIED = "modified"
    DELETED = "deleted"
    UNTRACKED = "untracked"
    UNMERGED = "unmerged"
    REFUSED = "refused"


_SENTENCES = {
    Reason.STAGED: "has staged changes",
    Reason.MODIFIED: "has changes that are not committed",
    Reason.DELETED: "is deleted, and the deletion is not committed",
    Reason.UNTRACKED: "is there but not tracked, and the landing adds it",
    Reason.UNMERGED: "is unmerged",
    Reason.REFUSED: "cannot be written",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One path of one checkout that the landing would have to overwrite; ``detail`` holds git's words, if any."""

    worktree: Path
    path: bytes
    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        """A clause for people: which file, and what about it."""
        text = f"{quote_path(self.path)} {_SENTENCES[self.reason]}" if self.path else _SENTENCES[self.reason]
        return f"{text} ({self.detail})" if self.detail else text


@dataclass(frozen=True, slots=True)
class LandingRequest:
    """Move ``target`` from ``old`` to ``new``, and every checkout of it along.

    ``target`` is a full ref name, ``old`` and ``new`` are commit ids. ``id`` names the landing and its directory below
    ``intents`` (``<common>/gitfleet/landings``); it must be usable as a file name. ``worktree`` is where the command
    runs and ``git_dir`` its git directory, needed where git itself cannot tell the main checkout's place
    (``--separate-git-dir``). ``refs`` are written once the target has moved. ``git`` carries the descriptors that its
    children keep open. Times are in seconds.
    """

    git: Git
    common_dir: Path
    target: str
    old: str
    new: str
    intents: Path
    id: str
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    say: Callable[[str], None]
    worktree: Path | None = None
    git_dir: Path | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    wait: float = WAIT_SECONDS


@dataclass(frozen=True, slots=True)
class Landed:
    """The target is at the new commit; ``followed`` are the checkouts whose files moved along."""

    followed: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A person's work is where the landing has to write.

    With ``landed`` false nothing was changed at all. With ``landed`` true the target has moved and everything else
    was written (the machine died, or a file changed under the landing's hands): the intent stays, and ``recover``
    finishes once the paths are moved away.
    """

    obstacles: tuple[Obstacle, ...]
    landed: bool = False

    @property
    def paths(self) -> tuple[bytes, ...]:
        """The paths, each once, in order."""
        return tuple(dict.fromkeys(obstacle.path for obstacle in self.obstacles if obstacle.path))

    @property
    def why(self) -> str:
        """One line a path."""
        return "\n".join(dict.fromkeys(map(str, self.obstacles)))


@dataclass(frozen=True, slots=True)
class TargetMoved:
    """Somebody else moved the target; ``actual`` is where it is, ``None`` when it is gone. Nothing was changed."""

    actual: str | None


@dataclass(frozen=True, slots=True)
class Busy:
    """Waited, and it is still held; ``why`` is a clause, ``who`` the holder as far as it is known.

    With ``landed`` true the target has moved, and ``recover`` has a checkout left to bring along.
    """

    why: str
    who: str
    landed: bool = False


@dataclass(frozen=True, slots=True)
class NotLanded:
    """What ``recover`` says when the landing died before the target moved; nothing of it is left."""


LandingOutcome = Landed | InTheWay | TargetMoved | Busy
RecoveryOutcome = Landed | NotLanded | InTheWay | Busy

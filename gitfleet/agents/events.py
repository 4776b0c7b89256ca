"""What an agent's output says, in words that are the same for every agent.

A reader turns lines of the CLI's own stream into these; a line that it does not know gives none. They are derived from
the log whenever somebody wants them, and stored nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitfleet.model.run import FailureSource
    from gitfleet.model.usage import Tokens


LAST_SECOND = 253_402_300_800
"""The end of the year 9999, in POSIX seconds: instants have four digits for a year."""

_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@dataclass(frozen=True, slots=True)
class Began:
    """The CLI's own session began or was resumed."""

    cli_session: str
    model: str = ""

    def __post_init__(self) -> None:
        """Forget what names no session: it becomes a word of a command line, and one with a dash would be a flag."""
        if not _SESSION.fullmatch(self.cli_session):
            object.__setattr__(self, "cli_session", "")


@dataclass(frozen=True, slots=True)
class Said:
    """The model said something to the person."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A tool was called; ``argument`` is the part that a person wants to see, such as a command or a path."""

    tool: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """What a turn used. The last word on a turn counts, so one that is told twice is counted once.

    ``exact`` is false where more was used than is told so far.
    """

    turn: str
    tokens: Tokens
    model: str = ""
    helper: bool = False
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Retrying:
    """The CLI tries a request again by itself, after ``seconds`` where it says so."""

    why: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The account met a limit: ``resets`` is when it ends, in POSIX seconds, none where unknown or no time at all.

    ``hard`` says that requests are refused; else it is a warning. ``window`` names the limit; ``share`` of it (0 to 1)
    is used up.
    """

    hard: bool
    resets: float | None = None
    window: str = ""
    share: float | None = None

    def __post_init__(self) -> None:
        """Forget an end that no calendar has, such as one in milliseconds; nobody could wait for it."""
        if self.resets is not None and not 0 <= self.resets < LAST_SECOND:
            object.__setattr__(self, "resets", None)


@dataclass(frozen=True, slots=True)
class Denied:
    """A permission was denied.

    ``allows`` says what a permission of it would let the program do, where its rules cannot be as narrow as this one
    use; empty where they can. ``every`` says that it is no denial of one tool: no command could be run at all.
    """

    tool: str
    argument: str = ""
    allows: str = ""
    every: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """The CLI waits for a person."""

    why: str


@dataclass(frozen=True, slots=True)
class Troubled:
    """An error that the CLI reports: ``code`` is one of the failure codes. It may still recover."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The CLI's own end event. ``code`` is empty for success, else one of the failure codes.

    With ``totals`` what is told of usage adds up to the whole, even where a part of the stream is missing.
    """

    code: str = ""
    message: str = ""
    source: FailureSource | None = None
    totals: bool = False


AgentEvent = Began | Said | Called | Used | Retrying | RateLimited | Denied | Waiting | Troubled | Ended

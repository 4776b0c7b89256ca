"""What a whole stream amounts to, folded from its events; and following a stream that still grows.

The fold is pure: the same bytes give the same transcript, in whatever pieces they come, so that a coordinator that
adopts an attempt knows what the one before it knew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, assert_never

from gitfleet.agents.events import (
    Began,
    Called,
    Denied,
    Ended,
    RateLimited,
    Retrying,
    Said,
    Troubled,
    Used,
    Waiting,
)
from gitfleet.agents.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitfleet.agents.events import AgentEvent

TEXT_CHARACTERS = 1 << 20
"""How much of what the model said is kept: the end of it."""


class Reader(Protocol):
    """Reads one CLI's stream; holds what is needed between lines, such as counters of turns."""

    def read(self, line: bytes) -> Iterable[AgentEvent]:
        """Give the events of one line without its end; none for a line that says nothing. Never raises."""


@dataclass(slots=True)
class Transcript:
    """What was told so far. ``whole`` is false where a part of the stream is missing."""

    cli_session: str = ""
    model: str = ""
    said: str = ""
    last_said: str = ""
    tool_calls: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)
    retries: int = 0
    retrying: Retrying | None = None
    limit: RateLimited | None = None
    denied: list[Denied] = field(default_factory=list)
    waiting: Waiting | None = None
    trouble: Troubled | None = None
    limited: bool = False
    """Whether it waits for the end of a limit."""
    ended: Ended | None = None
    whole: bool = True
    _pending: int = 0

    @property
    def turns(self) -> int:
        """Turns of the agent itself, its helpers' left out."""
        return sum(1 for used in self.used.values() if not used.helper)

    @property
    def tokens(self) -> int:
        """All tokens so far."""
        return sum(used.tokens.total for used in self.used.values())

    def tell(self, event: AgentEvent) -> None:  # noqa: C901 - a case an event
        """Take in one event."""
        match event:
            case Began():
                self.cli_session = event.cli_session or self.cli_session
                self.model = event.model or self.model
            case Said():
                self.last_said = event.text
                self.said = f"{self.said}{event.text}\n"[-TEXT_CHARACTERS:]
                self._goes_on()
            case Called():
                self.tool_calls += 1
                self._pending += 1
                self._goes_on()
            case Used():
                self.used[event.turn] = event
                self.calls[event.turn] = self.calls.get(event.turn, 0) + self._pending
                self._pending = 0
            case Retrying():
                self.retries += 1
                self.retrying = event
            case RateLimited():
                self.limit = event
                self.limited = event.hard
            case Denied():
                self.denied.append(event)
            case Waiting():
                self.waiting = event
            case Troubled():
                self.trouble = event
            case Ended():
                self.ended = event
            case _:
                assert_never(event)

    def _goes_on(self) -> None:
        self.retrying = self.waiting = self.trouble = None
        self.limited = False


class Standing(StrEnum):
    """What an agent that runs does, where it is not at work."""

    NEEDS_PERSON = "needs-person"
    RATE_LIMITED = "rate-limited"
    RETRYING = "retrying"


def standing(stream: Transcript) -> Standing | None:
    """What an agent waits for by its own word; none where it is at work, or has come to its end."""
    if stream.ended is not None:
        return None
    if stream.waiting is not None:
        return Standing.NEEDS_PERSON
    if stream.limited:
        return Standing.RATE_LIMITED
    return Standing.RETRYING if stream.retrying is not None else None


@dataclass(slots=True)
class Follower:
    """Reads a stream as it grows."""

    reader: Reader
    transcript: Transcript = field(default_factory=Transcript)
    offset: int = 0
    """Where to go on reading, in bytes of output."""
    _lines: Lines = field(default_factory=Lines)
    _broken: bool = False
    """Whether the next line is the rest of one whose beginning is gone."""

    def feed(self, offset: int, data: bytes) -> list[AgentEvent]:
        """Take in ``data``, which begins at ``offset`` of the output; gives the new events."""
        if offset > self.offset:
            # The middle of the log is gone, and with it the rest of a line.
            self.transcript.whole = False
            self._lines, self._broken = Lines(), True
        self.offset = offset + len(data)
        lines = self._lines.feed(data)
        if self._broken and lines:
            lines, self._broken = lines[1:], False
        return self._tell(lines)

    def finish(self) -> Transcript:
        """The stream is over: what came of its last line counts too."""
        if not self._broken:
            self._tell([self._lines.finish()])
        return self.transcript

    def _tell(self, lines: Iterable[bytes | int]) -> list[AgentEvent]:
        found: list[AgentEvent] = []
        for line in lines:
            if isinstance(line, int):
                self.transcript.whole = False  # what it said of usage is lost
            elif line.strip():
                found.extend(self.reader.read(line))
        for event in found:
            self.transcript.tell(event)
        return found


def read_whole(reader: Reader, log: Callable[[int, int], tuple[int, bytes]], piece: int = 1 << 20) -> Transcript:
    """Read a stream that is over; ``log`` gives at most so many bytes from an offset on, and where they begin."""
    follower = Follower(reader)
    while True:
        offset, data = log(follower.offset, piece)
        if not data:
            return follower.finish()
        follower.feed(offset, data)

"""An agent's stream as people read it: who said what, which tool was called with what, what went wrong.

Pure. A line that is no event of the program's, such as a warning of the shell, is shown as it is; one that says nothing
to people, such as a count of tokens, is left out.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

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
    from gitfleet.agents.events import AgentEvent
    from gitfleet.agents.transcript import Reader


_OWN_LOG = re.compile(rb"\d{4}-\d\d-\d\dT\S+ +(?:INFO|DEBUG|TRACE) ")
"""A line of a program's own log, such as the trace that Codex's retries and answers are read from."""


@dataclass(slots=True)
class Rendering:
    """Turns pieces of a stream into text, whole lines at a time."""

    reader: Reader
    _lines: Lines = field(default_factory=Lines)
    _session: str = ""

    def feed(self, data: bytes) -> bytes:
        """The text of the lines that are whole now."""
        return b"".join(map(self._told, self._lines.feed(data)))

    def finish(self) -> bytes:
        """The text of a last line without an end."""
        last = self._lines.finish()
        return self._told(last) if last else b""

    def _told(self, line: bytes | int) -> bytes:
        if isinstance(line, int):
            return f"~ a line of {line} bytes is left out: `gitfleet logs --raw` shows it\n".encode()
        return self._line(line)

    def _line(self, line: bytes) -> bytes:
        events = [event for event in self.reader.read(line) if not self._again(event)]
        told = [text for event in events if (text := words(event))]
        plain = line.strip() and not line.lstrip().startswith(b"{") and not _OWN_LOG.match(line)
        if plain and not events:
            return line + b"\n"
        return "".join(f"{text}\n" for text in told).encode()

    def _again(self, event: AgentEvent) -> bool:
        """Whether an event says once more which session began."""
        if not isinstance(event, Began):
            return False
        before, self._session = self._session, event.cli_session
        return before == self._session


def words(event: AgentEvent) -> str:  # noqa: C901, PLR0911 - a case an event
    """What a person reads of an event; empty for one that says nothing to them."""
    match event:
        case Began():
            return f"= session {event.cli_session}{f', {event.model}' if event.model else ''}"
        case Said():
            return event.text.strip()
        case Called():
            return f"> {event.tool} {event.argument}".rstrip()
        case Used():
            return ""
        case Retrying():
            return f"~ asks again: {event.why}" + (f", in {event.seconds:.0f} s" if event.seconds else "")
        case RateLimited():
            return _limit(event)
        case Denied():
            return f"! not allowed: {event.tool} {event.argument}".rstrip()
        case Waiting():
            return f"! waits for a person: {event.why}"
        case Troubled():
            return f"! {event.code}: {event.message}"
        case Ended():
            return f"= ended: {event.code or 'success'}" + (f", {event.message}" if event.message else "")
        case _:
            assert_never(event)


def _limit(event: RateLimited) -> str:
    if not event.hard and event.share is None:
        return ""
    what = f"the limit {event.window}" if event.window else "a limit"
    until = f", until {_clock(event.resets)}" if event.resets else ""
    return f"! {what} is used up{until}" if event.hard else f"~ {what} is used to {event.share or 0:.0%}{until}"


def _clock(seconds: float) -> str:
    """A time as a person's own clock has it, or had it then."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

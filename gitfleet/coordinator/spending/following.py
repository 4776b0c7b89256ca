"""The streams of running attempts, read as they grow: one bounded read an attempt, at most five times a second.

What is read is shared by everybody who wants to know: budgets, the live table, whoever looks for a person being needed.
A coordinator that adopts an attempt reads its log from the beginning, and soon knows what the one before it knew.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.agents.registry import agent_for, as_done
from gitfleet.agents.transcript import Follower, standing
from gitfleet.coordinator.attempt.streams import read_on, reader_of
from gitfleet.coordinator.rounds import Rounds
from gitfleet.errors import GitfleetError
from gitfleet.model.base import encode
from gitfleet.model.usage import Figures, LiveFigures
from gitfleet.store.files import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.books import Books
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle

LOOK_SECONDS = 0.2
LEAVE_SECONDS = 1.0
"""How often figures are left for those who look from elsewhere, at most."""


@dataclass(slots=True)
class _Followed:
    handle: Handle
    follower: Follower | None


@dataclass(slots=True)
class Following:
    """Follows the attempts of one session; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    reads: int = 0
    """How often a log was read so far."""
    _rounds: Rounds[_Followed] = field(init=False)
    _left: float = float("-inf")
    _known: LiveFigures = LiveFigures(attempts={})  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        """Build what lives as long as the coordinator."""
        self._rounds = Rounds(
            self.parts, self.books, LOOK_SECONDS, lambda run, handle: _Followed(handle, self._follower(run))
        )

    @property
    def transcripts(self) -> Mapping[str, Transcript]:
        """What running attempts said so far, by task; those whose output is text are missing."""
        found = {task: followed.follower for task, followed in self._rounds.kept.items()}
        return {task: follower.transcript for task, follower in found.items() if follower is not None}

    def look(self) -> None:
        """Read on where it is time to."""
        now = self.parts.monotonic()
        running = self._rounds.due(now)
        if running is None:
            return
        for _, followed in running:
            if followed.follower is not None:
                self.reads += 1
                read_on(self.parts, followed.handle, followed.follower)
        if now - self._left >= LEAVE_SECONDS:
            self._left = now
            self._leave()

    def close(self) -> None:
        """Take away what was left for others."""
        with suppress(OSError):
            self.parts.layout.figures(self.books.session.id).unlink(missing_ok=True)

    def _leave(self) -> None:
        """Leave the figures where ``status`` finds them; nothing depends on them."""
        figures = LiveFigures(
            attempts={
                f"{followed.handle.instance}/{followed.handle.attempt}": _figures(followed.follower.transcript)
                for followed in self._rounds.kept.values()
                if followed.follower is not None
            }
        )
        if figures != self._known:
            self._known = figures
            session = self.books.session.id
            with suppress(OSError):
                # The directory is every session's; an unfinished file is swept with its own.
                by_way_of = self.parts.layout.session(session)
                write_private(self.parts.layout.figures(session), encode(figures), by_way_of=by_way_of)

    def _follower(self, run: Run) -> Follower | None:
        with suppress(GitfleetError):  # an agent that the config no longer has is told of where it is collected
            task = as_done(self.books.plan.task(run.task), run.attempts[-1], self.parts.config)
            reader = reader_of(agent_for(task, self.parts.config), run.attempts)
            return Follower(reader) if reader is not None else None
        return None


def _figures(stream: Transcript) -> Figures:
    tokens = stream.tokens if stream.used else None
    return Figures(turns=stream.turns, tokens=tokens, tool_calls=stream.tool_calls, standing=standing(stream) or "")

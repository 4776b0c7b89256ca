"""Running attempts that wait: for the end of a limit, for a person, or for an answer that is asked for again.

What an attempt waits for, its program tells in its stream. While it waits for a limit or a person its deadline moves
along with the clock, so that waiting uses up none of it. The deadline lies in a file of the attempt's, which its warden
reads: a coordinator that takes over goes on from what stands there, and where none lives the deadline holds as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.agents.transcript import Standing, standing
from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState
from gitfleet.runtime.attempt import deadline_of

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.spending.following import Following
    from gitfleet.parts import Parts

MOVE_SECONDS = 1.0
"""How often a deadline is moved, at most."""


@dataclass(slots=True)
class Waits:
    """What the running attempts of one session wait for; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    following: Following
    _since: dict[str, tuple[Standing, float]] = field(default_factory=dict)

    def look(self) -> None:
        """Tell what began to wait, and move the deadlines of what waits."""
        now = self.parts.monotonic()
        transcripts = self.following.transcripts
        self._since = {task: seen for task, seen in self._since.items() if task in transcripts}
        for task, stream in transcripts.items():
            run = self.books.runs[task]
            stands = standing(stream) if run.state is RunState.RUNNING else None
            seen = self._since.get(task)
            if stands is None or stands is Standing.RETRYING:
                self._since.pop(task, None)
                continue
            if seen is None or seen[0] is not stands:
                self._since[task] = stands, now
                why = stream.waiting.why if stream.waiting else "its account met a limit"
                self.books.event(EventKind.WAITING, f"{task} waits: {why}", run=run, status=stands.value)
            elif now - seen[1] >= MOVE_SECONDS:
                self._since[task] = stands, now
                handle = handle_of(self.parts, run)
                until = deadline_of(str(handle.directory))
                if until is not None:
                    self.parts.host.move_deadline(handle, until + now - seen[1])

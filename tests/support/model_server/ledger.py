"""The server's own count: every request that it answered, and what it told each about usage."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.model_server.script import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """One request and its answer. ``turn`` is the place in the script, or -1 for a helper's request."""

    number: int
    scenario: str
    dialect: str
    model: str
    turn: int
    helper: bool
    status: int
    usage: Usage
    """What the whole answer costs; nothing for an error."""
    told: bool
    """Whether that usage went out, down to the last event that tells it."""

    @property
    def cut(self) -> bool:
        """Whether the stream ended before its usage was sent."""
        return self.status == 200 and not self.told


@dataclass(slots=True)
class Ledger:
    """Answers in the order in which they were over, and requests in the order in which they came."""

    _answers: list[Answered] = field(default_factory=list)
    _arrived: list[tuple[str, int]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def arrive(self, scenario: str, turn: int) -> int:
        """A request came; gives its number."""
        with self._changed:
            self._arrived.append((scenario, turn))
            self._changed.notify_all()
            return len(self._arrived)

    def enter(self, answered: Answered) -> None:
        """A request was answered."""
        with self._changed:
            self._answers.append(answered)
            self._changed.notify_all()

    def answers(self, scenario: str | None = None) -> list[Answered]:
        """The answers of a scenario, or all."""
        with self._changed:
            return [one for one in self._answers if scenario in {None, one.scenario}]

    def usage(self, scenario: str | None = None) -> Usage:
        """The sum of all usage that was told, helpers included."""
        return sum((one.usage for one in self.answers(scenario) if one.told), Usage())

    def arrived(self, scenario: str, turn: int) -> int:
        """How often a turn was asked for."""
        with self._changed:
            return self._arrived.count((scenario, turn))

    def wait(self, ready: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait until something holds of the ledger; a ``TimeoutError`` that says ``what`` did not come."""
        with self._changed:
            if not self._changed.wait_for(ready, seconds):
                msg = f"{what} did not come within {seconds:.0f} s; requests so far: {self._arrived}"
                raise TimeoutError(msg)

    def wait_for(self, scenario: str, turn: int, times: int = 1, seconds: float = SECONDS) -> None:
        """Wait until a turn was asked for so often."""
        self.wait(
            lambda: self._arrived.count((scenario, turn)) >= times, f"turn {turn} of {scenario} (x{times})", seconds
        )

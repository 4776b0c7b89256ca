"""The server's own count: every request that it answered, and what it told each about usage."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from tests.support.model_server.script import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """What the whole answer costs; nothing when a failure was scripted."""
    told: bool
    """Whether that usage went out, down to the last event that tells it."""
    at: float
    """When it was asked, in epoch seconds."""

    @property
    def cut(self) -> bool:
        """Whether the stream ended before its usage was sent."""
        return self.status == 200 and not self.told


@dataclass(slots=True)
class Ledger:
    """Answers in the order in which they began."""

    _answers: list[Answered] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def number(self) -> int:
        """A number for a request."""
        return next(self._numbers)

    def enter(self, answered: Answered) -> None:
        """A request is answered now."""
        with self._changed:
            self._answers.append(answered)
            self._changed.notify_all()

    def lose(self, answered: Answered) -> None:
        """An answer did not go out whole."""
        with self._changed:
            self._answers[self._answers.index(answered)] = replace(answered, told=False)

    def answers(self, scenario: str | None = None) -> list[Answered]:
        """The answers of a scenario, or all."""
        with self._changed:
            return [one for one in self._answers if scenario in {None, one.scenario}]

    def usage(self, scenario: str | None = None) -> Usage:
        """The sum of all usage that was told, helpers included."""
        return sum((one.usage for one in self.answers(scenario) if one.told), Usage())

    def wait_for(self, scenario: str, turn: int, times: int = 1, seconds: float = SECONDS) -> None:
        """Wait until a turn was asked for so often. Raises ``TimeoutError``."""

        def asked() -> bool:
            return sum((one.scenario, one.turn) == (scenario, turn) for one in self._answers) >= times

        with self._changed:
            if not self._changed.wait_for(asked, seconds):
                so_far = [(one.scenario, one.turn) for one in self._answers]
                msg = f"turn {turn} of {scenario} was not asked for (x{times}) within {seconds:.0f} s; so far: {so_far}"
                raise TimeoutError(msg)

"""What worker threads tell the coordinator's own thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitfleet.coordinator.attempt.collecting import Evidence, Unchecked
    from gitfleet.coordinator.attempt.preparing import Prepared, Unprepared
    from gitfleet.coordinator.attempt.resolving import Resolved, Unresolved
    from gitfleet.coordinator.machine import Refused
    from gitfleet.coordinator.trains.integration import Integration
    from gitfleet.integrate.train import TrainOutcome
    from gitfleet.model.evidence import Exit


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """An attempt's worktree stands, or does not."""

    task: str
    result: Prepared | Unprepared | Refused


@dataclass(frozen=True, slots=True)
class EndedMessage:
    """An attempt's process tree is gone."""

    task: str
    exit: Exit


@dataclass(frozen=True, slots=True)
class CollectedMessage:
    """An attempt's evidence is in, or the session or the machine was in the way."""

    task: str
    work: Evidence | Unchecked | Refused


@dataclass(frozen=True, slots=True)
class IntegratedMessage:
    """The train came to its end; none when the target moved under a landing that was tried again."""

    work: Integration
    outcome: TrainOutcome | None


@dataclass(frozen=True, slots=True)
class BrokenMessage:
    """A worker thread failed in a way that it did not expect."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class LookedMessage:
    """What a person did about a conflict was looked at."""

    task: str
    found: Resolved | Unresolved


Message = PreparedMessage | EndedMessage | CollectedMessage | IntegratedMessage | LookedMessage | BrokenMessage

"""What the runs of past sessions tell about the next one: how long work took, what came on top, how often it clashed.

Only what was measured counts, and only where there is enough of it; what is not known is none and never zero.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, final

from gitfleet.model.base import seconds_of
from gitfleet.model.evidence import Verdict
from gitfleet.model.run import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.model.evidence import Attempt
    from gitfleet.model.plan import TaskKind
    from gitfleet.model.run import Run

ENOUGH = 3
"""Measurements before a median says something."""

ENOUGH_RUNS = 10
"""Integrated runs before their share of clashes says something."""

_CLASHES = frozenset({"conflict", "check-failed"})


@final
@dataclass(frozen=True, slots=True)
class Past:
    """Medians in minutes: of attempts by kind and agent, of making a tree ready, of the checks of a landing.

    ``clashed`` of ``integrated`` runs did not fit in at first: they conflicted, or broke the checks of a candidate.
    """

    minutes: Mapping[tuple[TaskKind, str], float] = field(default_factory=dict)
    preparing: float | None = None
    landing: float | None = None
    integrated: int = 0
    clashed: int = 0


def past_of(runs: Iterable[Run]) -> Past:
    """Add up run records."""
    worked: defaultdict[tuple[TaskKind, str], list[float]] = defaultdict(list)
    preparing: list[float] = []
    checked: dict[str, float] = {}
    integrated = clashed = 0
    for run in runs:
        for attempt in run.attempts:
            if attempt.exit is not None and attempt.exit.started:
                preparing.append(max(0.0, seconds_of(attempt.exit.started) - seconds_of(attempt.started)))
            if attempt.outcome == "success" and attempt.exit is not None and attempt.exit.seconds is not None:
                worked[run.kind, run.agent].append(attempt.exit.seconds)
        if run.verification is not None and run.verification.checks:
            # A batch is checked once, and each of its runs says so.
            checked[run.verification.tree] = sum(check.seconds for check in run.verification.checks)
        ends = {*map(_outcome, run.attempts), run.failure.code if run.failure else ""}
        red = run.verification is not None and run.verification.verdict is Verdict.RED
        clash = red or bool(ends & _CLASHES)
        integrated += clash or (run.state is RunState.LANDED and run.merge is not None)
        clashed += clash
    return Past(
        {key: median(seconds) / 60 for key, seconds in worked.items() if len(seconds) >= ENOUGH},
        _usual(preparing),
        _usual(list(checked.values())),
        integrated,
        clashed,
    )


def _outcome(attempt: Attempt) -> str:
    return attempt.outcome


def _usual(seconds: list[float]) -> float | None:
    return median(seconds) / 60 if len(seconds) >= ENOUGH else None

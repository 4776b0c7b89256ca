"""What a plan may come to, beside one agent that does all of it: time, tokens, and changes that do not fit together.

A task takes as long as its author estimates; else as long as the median of past attempts of its kind by its agent;
else, for an agent, a third of its kind's timeout. What a command takes that nobody estimated and nothing measured is
not known, and then neither is the whole. The waves are then played through as sessions dispatch them.
Making a worktree and the checks of a landing are added where past runs measured them, and left out where none did.

The chance that changes clash without touching the same file is the larger of two that may be known:

* of history: ``1 - product(1 - share)`` over the pairs of tasks that may run at once and that ``coupling`` warns of;
  ``share`` is the part of commits to either scope that concerned both;
* of past sessions: ``1 - (1 - clashed / integrated) ** tasks``.

It is told in the words of Mastrandrea et al., 2010, for the IPCC, since its figures are no better than that.

Not promised: any of it. Retries, waiting for other sessions, a busy machine and how well tasks were cut are unforeseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import TYPE_CHECKING, final

from gitfleet.model.words import roughly
from gitfleet.planner.graph import in_order
from gitfleet.planner.past import ENOUGH_RUNS, Past
from gitfleet.planner.playing import play

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task
    from gitfleet.planner.coupling import Coupled
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule

ENOUGH_COMMITS = 50
"""Commits before their silence about two scopes says something."""

WORTH = 0.2
"""Part of the time that several agents must save to be worth what they cost."""

_LIKELY = 2 / 3


class Basis(StrEnum):
    """Where the minutes of a task come from."""

    ESTIMATE = "estimate"
    MEASURED = "measured"
    USUAL = "usual"
    UNKNOWN = "unknown"


class Likelihood(StrEnum):
    """A chance in words that stand for ranges: up to 10 %, a third, two thirds, and above."""

    UNKNOWN = "unknown"
    VERY_UNLIKELY = "very unlikely"
    UNLIKELY = "unlikely"
    EVEN = "about as likely as not"
    LIKELY = "likely"


@final
@dataclass(frozen=True, slots=True)
class Expected:
    """Minutes that a task is taken to need; none where that is not known."""

    minutes: float | None
    basis: Basis


@final
@dataclass(frozen=True, slots=True)
class Forecast:
    """Minutes of the whole plan: ``parallel`` as scheduled, ``sequence`` by one agent, ``chain`` its longest chain.

    ``doubts`` say why several agents are not worth it, as clauses; none where they are, or where nothing is known.
    """

    expected: Mapping[str, Expected]
    parallel: float | None
    sequence: float | None
    chain: tuple[str, ...]
    chain_minutes: float | None
    preparing: float | None
    landing: float | None
    clash: Likelihood
    doubts: tuple[str, ...] = ()


def forecast(
    plan: Plan,
    schedule: Schedule,
    config: Config,
    scopes: Mapping[str, Scope],
    past: Past,
    coupled: Sequence[Coupled],
    *,
    commits: int,
    fold: bool = False,
) -> Forecast:
    """Foresee a scheduled plan; ``coupled`` was found in so many ``commits``."""
    expected = {task.id: _expected(task, config, past) for task in plan.tasks}
    minutes = {task: found.minutes for task, found in expected.items() if found.minutes is not None}
    chance = _chance(plan, past, coupled, commits)
    risks = _risks(chance, coupled)
    if len(minutes) < len(expected):
        return Forecast(expected, None, None, (), None, past.preparing, past.landing, word_of(chance), risks)
    preparing, landing = past.preparing or 0.0, past.landing or 0.0
    bare, parallel = (
        play(plan, schedule, config, scopes, minutes, preparing=before, landing=after, fold=fold)
        for before, after in ((0.0, 0.0), (preparing, landing))
    )
    sequence = sum(minutes.values()) + landing
    chain = _chain(plan.tasks, minutes)
    taken = sum(minutes[task] for task in chain)
    doubts: tuple[str, ...] = ()
    if len(plan.tasks) > 1 and parallel > (1 - WORTH) * sequence:
        doubts = (_why(plan, config, chain, taken, bare=bare, parallel=parallel, sequence=sequence),)
    return Forecast(
        expected,
        parallel,
        sequence,
        chain,
        taken,
        past.preparing,
        past.landing,
        word_of(chance),
        (*doubts, *risks),
    )


def word_of(chance: float | None) -> Likelihood:
    """The word for a chance."""
    if chance is None:
        return Likelihood.UNKNOWN
    words = ((0.1, Likelihood.VERY_UNLIKELY), (1 / 3, Likelihood.UNLIKELY), (_LIKELY, Likelihood.EVEN))
    return next((word for limit, word in words if chance <= limit), Likelihood.LIKELY)


def _expected(task: Task, config: Config, past: Past) -> Expected:
    if task.estimate is not None and task.estimate.minutes is not None:
        return Expected(task.estimate.minutes, Basis.ESTIMATE)
    agent = "command" if task.command is not None else task.agent or config.agent or "command"
    measured = past.minutes.get((task.kind, agent))
    if measured is not None:
        return Expected(measured, Basis.MEASURED)
    if task.command is not None:
        return Expected(None, Basis.UNKNOWN)
    timeout: int = getattr(config.timeouts, task.kind.value)
    return Expected(timeout / 60 / 3, Basis.USUAL)


def _chance(plan: Plan, past: Past, coupled: Sequence[Coupled], commits: int) -> float | None:
    known: list[float] = []
    if commits >= ENOUGH_COMMITS or coupled:
        known.append(1 - prod(1 - pair.share for pair in coupled))
    if past.integrated >= ENOUGH_RUNS:
        writing = sum(bool(task.scope) for task in plan.tasks)
        known.append(1 - (1 - past.clashed / past.integrated) ** writing)
    return max(known, default=None)


def _risks(chance: float | None, coupled: Sequence[Coupled]) -> tuple[str, ...]:
    if chance is None or chance <= _LIKELY:
        return ()
    if coupled:
        return (f"what {coupled[0].first} and {coupled[0].second} write has changed together",)
    return ("most such work of past sessions did not fit together at first",)


def _chain(tasks: Sequence[Task], minutes: Mapping[str, float]) -> tuple[str, ...]:
    """The chain of dependencies that takes longest, from its first task on."""
    taken: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for task in in_order(tasks):
        last = before[task.id] = max(task.depends_on, key=taken.__getitem__, default=None)
        taken[task.id] = minutes[task.id] + (taken[last] if last is not None else 0.0)
    chain: list[str] = []
    place: str | None = max(taken, key=taken.__getitem__)
    while place is not None:
        chain.append(place)
        place = before[place]
    return tuple(reversed(chain))


def _why(
    plan: Plan,
    config: Config,
    chain: tuple[str, ...],
    taken: float,
    *,
    bare: float,
    parallel: float,
    sequence: float,
) -> str:
    """Name what keeps several agents from being faster: the first of these that does it by itself."""
    work = (1 - WORTH) * sequence
    if bare <= work:
        return f"worktrees and checks take {roughly(parallel - bare)} of it"
    if taken > work and len(chain) > 1:
        named = chain if len(chain) <= 4 else (*chain[:2], "...", chain[-1])
        return f"{' -> '.join(named)} is a chain that takes {roughly(taken)}"
    if taken > work:
        return f"{chain[0]} alone takes {roughly(taken)}"
    if config.waves.max_agents == 1:
        return f"only one of {len(plan.tasks)} agents works at a time"
    return "overlapping scopes and the limits of a wave put most tasks one after the other"

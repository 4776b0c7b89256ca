"""The arithmetic of budgets: what a task may use, and what is charged for it. Pure; ``rooms`` lets tasks start.

Before a task starts, its whole allowance is reserved in every budget that it counts in: its wave's, its session's and
its day's. A task starts only where all that is reserved and used stays within the cap. So no cap is passed by starting
what could pass it, as long as agents keep to their allowances; an agent that passes its own is stopped at the first
figure above it, and what it used counts in full. What was not measured counts as all that was reserved for it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, final

import msgspec

from gitfleet.model.agent_config import AgentKind
from gitfleet.model.budget import RUNAWAY, Budget
from gitfleet.model.usage import Truth
from gitfleet.model.words import dollars
from gitfleet.planner.hints import token_hint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.model.budget import BudgetsConfig
    from gitfleet.model.config import Config
    from gitfleet.model.evidence import Attempt
    from gitfleet.model.plan import Task

UNBOUNDED = float("inf")
DUST = 1e-9


@final
@dataclass(frozen=True, slots=True)
class Amount:
    """How much of each, measured or taken for granted."""

    tokens: float = 0
    tool_calls: float = 0
    seconds: float = 0
    usd: float = 0
    turns: float = 0

    def of(self, name: str) -> float:
        """How much of one of ``DIMENSIONS``."""
        value: float = getattr(self, name)
        return value

    def plus(self, other: Amount) -> Amount:
        """The sum of both."""
        return Amount(*(self.of(name) + other.of(name) for name in DIMENSIONS))

    def minus(self, other: Amount) -> Amount:
        """What is left of it without the other."""
        return Amount(*(self.of(name) - other.of(name) for name in DIMENSIONS))

    def at_least(self, other: Amount) -> Amount:
        """The larger of both, of each."""
        return Amount(*(max(self.of(name), other.of(name)) for name in DIMENSIONS))


DIMENSIONS = tuple(field.name for field in fields(Amount))
"""What budgets bound; the field of a ``Budget`` is ``max_`` and one of these."""

_WORDS = {"tokens": "tokens", "tool_calls": "tool calls", "seconds": "s", "usd": "US dollars", "turns": "turns"}


def told(name: str, value: float) -> str:
    """Say an amount, such as ``12,345 tokens`` or ``$1.20``."""
    if name == "usd":
        return dollars(value)
    return f"{value:,.0f} {_WORDS[name]}"


def cap(budget: Budget, name: str) -> float:
    """What a budget allows of one of ``DIMENSIONS``; without end where it does not say."""
    value: float | None = getattr(budget, f"max_{name}")
    return UNBOUNDED if value is None else value


def total(amounts: Iterable[Amount]) -> Amount:
    """Add up."""
    result = Amount()
    for amount in amounts:
        result = result.plus(amount)
    return result


# -- what a task may use -------------------------------------------------------------------------------------------


def runs_model(task: Task, config: Config) -> bool:
    """Whether a model is paid for; a command uses nothing but time, as far as anybody can tell."""
    if task.command is not None:
        return False
    agent = config.agent_named(task.agent or config.agent or "")
    return agent is not None and agent.kind is not AgentKind.COMMAND


def tells_no_cost(task: Task, config: Config) -> bool:
    """Whether the agent of a task runs a model and never says what it costs: then dollars cannot be bounded."""
    if task.command is not None:
        return False
    names = {name for stage in config.stages(task.agent or config.agent or "") for name in stage}
    return any(agent.kind is AgentKind.CODEX for name in names if (agent := config.agent_named(name)) is not None)


def budget_of(task: Task, config: Config) -> Budget:
    """What a task may use over all of its attempts.

    Its own word goes first, then ``budgets.task``. Where a wave, session or day has a cap that neither bounds, the
    task's token hint is its cap in tokens, and its deadline the one in seconds: what is reserved is held.
    """
    said = (task.budget or Budget()).over(config.budgets.task)
    bounded = {name for scope in _scopes(config.budgets) for name in scope.said()}
    if "max_seconds" in bounded and said.max_seconds is None:
        said = msgspec.structs.replace(said, max_seconds=task.timeout_seconds or config.timeouts.of(task.kind))
    hint = token_hint(task, config)
    if "max_tokens" in bounded and said.max_tokens is None and hint:
        said = msgspec.structs.replace(said, max_tokens=hint)
    return held_to(said.over(RUNAWAY), task, config)


def held_to(budget: Budget, task: Task, config: Config) -> Budget:
    """What of a budget the agent of a task is held to: a command to seconds alone, since nobody knows of more."""
    return budget if runs_model(task, config) else Budget(max_seconds=budget.max_seconds)


def _scopes(budgets: BudgetsConfig) -> tuple[Budget, ...]:
    return (budgets.wave, budgets.session, budgets.day)


def reservation(task: Task, config: Config) -> Amount:
    """What has to be set aside before a task starts for the first time."""
    return reserved(budget_of(task, config), model=runs_model(task, config))


def reserved(budget: Budget, *, model: bool) -> Amount:
    """What has to be set aside for a budget; without end where it bounds nothing. A command needs time alone."""
    if not model:
        return Amount(seconds=cap(budget, "seconds"))
    return Amount(*(cap(budget, name) for name in DIMENSIONS))


@final
@dataclass(frozen=True, slots=True)
class UsedUp:
    """A task has nothing left of its own budget: ``name`` is the dimension, ``used`` of ``most``."""

    name: str
    used: float
    most: float

    @property
    def words(self) -> str:
        """Say how much."""
        return f"{told(self.name, self.used)} of {told(self.name, self.most)}"

    @property
    def sentence(self) -> str:
        """Say so, behind the name of whatever it is."""
        return f"it used {self.words} (max_{self.name})"


def left(budget: Budget, used: Amount) -> Budget | UsedUp:
    """What the next attempt of a task may use after ``used`` by those before it."""
    rest: dict[str, float] = {}
    for name in DIMENSIONS:
        most = cap(budget, name)
        if most == UNBOUNDED:
            continue
        remains = most - used.of(name)
        if remains < (DUST if name == "usd" else 1):
            return UsedUp(name, used.of(name), most)
        rest[f"max_{name}"] = remains if name == "usd" else int(remains)
    return msgspec.structs.replace(budget, **rest)


def tightest(one: Budget, other: Budget) -> Budget:
    """What both allow."""
    bounds = {name: min(value, cap(one, name.removeprefix("max_"))) for name, value in other.said().items()}
    return msgspec.structs.replace(one, **bounds)


def beyond(used: Amount, reserve: Budget) -> Amount:
    """What of an amount is more than was kept for it."""
    return Amount(*(max(0.0, used.of(name) - (getattr(reserve, f"max_{name}") or 0)) for name in DIMENSIONS))


def overrun(budget: Budget, used: Amount) -> UsedUp | None:
    """The first thing of which an attempt used more than it may; none while it keeps to its budget."""
    over = (name for name in DIMENSIONS if used.of(name) > cap(budget, name) + DUST)
    return next((UsedUp(name, used.of(name), cap(budget, name)) for name in over), None)


# -- what is charged for it ----------------------------------------------------------------------------------------


def measured(attempt: Attempt) -> Amount:
    """What an attempt is known to have used, as far as it was told."""
    usage, seconds = attempt.usage, (attempt.exit.seconds if attempt.exit else None) or 0
    if usage is None:
        return Amount(seconds=seconds)
    return Amount(
        tokens=usage.tokens.total,
        tool_calls=usage.tool_calls,
        seconds=seconds,
        usd=usage.tokens.cost_usd or 0,
        turns=usage.turns,
    )


def charged(attempt: Attempt, *, live: bool) -> Amount:
    """What counts in budgets for an attempt: what it used where that is exact, else at least what it may use.

    ``live`` says that its end is not in the books yet. One that never ran is charged nothing.
    """
    may = attempt.budget or Budget()
    bounds = Amount(*(0 if cap(may, name) == UNBOUNDED else cap(may, name) for name in DIMENSIONS))
    if live:
        return bounds
    if attempt.exit is None and attempt.usage is None:
        return Amount()
    used = measured(attempt)
    if attempt.exit is not None and attempt.exit.never_ran:
        return used
    lost = attempt.exit is None or attempt.exit.seconds is None
    known = bounds if lost else replace(bounds, seconds=0)
    if attempt.usage is not None and attempt.usage.truth is Truth.EXACT:
        cost = bounds.usd if attempt.usage.turns and attempt.usage.tokens.cost_usd is None else 0
        known = Amount(seconds=known.seconds, usd=cost)
    return used.at_least(known)

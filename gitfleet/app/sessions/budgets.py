"""What is said and refused of budgets before anything starts."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.budget import BudgetsConfig
from gitfleet.planner.budgets import DIMENSIONS, UNBOUNDED, budget_of, cap, runs_model, tells_no_cost, told
from gitfleet.planner.rooms import never_fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.model.budget import Budget
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task
    from gitfleet.planner.rooms import Short
    from gitfleet.store.documents.source import Json


_GIVEN = re.compile(r"(\w+)\.(\w+)=([0-9]{1,15}(?:\.[0-9]{1,6})?)")


def refuse_unfit(plan: Plan, config: Config) -> None:
    """Raise ``GitfleetError`` (``over-budget``) where a task could never start, naming each."""
    unpriced = [task.id for task in plan.tasks if budget_of(task, config).max_usd and tells_no_cost(task, config)]
    if unpriced:
        raise GitfleetError(
            Kind.DOCUMENT,
            "no-cost-told",
            f"A budget in dollars cannot be held for {', '.join(unpriced)}: the agent's program tells no cost.",
            hint="Bound its tokens instead, with budget.max_tokens, and leave max_usd to tasks of other agents.",
        )
    unfit = never_fit(plan.tasks, config)
    if not unfit:
        return
    clauses = "; ".join(
        f"{task} {_asks(why)}, and budgets.{why.room} leaves {told(why.name, why.most)}" for task, why in unfit
    )
    name = unfit[0][1].name
    raise GitfleetError(
        Kind.DOCUMENT,
        "over-budget",
        f"The plan has tasks that no budget has room for: {clauses}.",
        hint=f"Set budget.max_{name} of the task or budgets.task.max_{name}, or raise the other budget.",
    )


def refuse_unpriced(planner: Task, config: Config) -> None:
    """Raise ``GitfleetError`` (``no-cost-told``) where dollars bound a planner whose program tells no cost."""
    budgets = {"reserve": config.budgets.reserve, "day": config.budgets.day}
    scopes = [name for name, budget in budgets.items() if budget.max_usd]
    if scopes and tells_no_cost(planner, config):
        keys = " and ".join(f"budgets.{name}.max_usd" for name in scopes)
        raise GitfleetError(
            Kind.DOCUMENT,
            "no-cost-told",
            f"{keys} cannot be held for the planner {planner.agent}: the agent's program tells no cost.",
            hint="Bound its tokens instead, with max_tokens, or set planner.agent to another agent.",
        )


def _asks(why: Short) -> str:
    if why.needed == UNBOUNDED:
        return f"may use any amount (it has no max_{why.name})"
    return f"may use {told(why.name, why.needed)}"


def caps(plan: Plan, config: Config) -> tuple[str, ...]:
    """What agents may use, a clause for each budget that bounds something."""
    said = [(name, getattr(config.budgets, name)) for name in ("wave", "session", "day", "reserve")]
    names = {"reserve": "kept for the planner", "day": "a day, over all sessions"}
    found = [f"{names.get(name, 'a ' + name)}: {_words(budget)}" for name, budget in said if budget.said()]
    each: dict[Budget, list[str]] = {}
    for task in plan.tasks:
        budget = budget_of(task, config)
        if budget.said() and (runs_model(task, config) or task.budget):
            each.setdefault(budget, []).append(task.id)
    for budget, tasks in each.items():
        who = "each task" if len(tasks) == len(plan.tasks) else ", ".join(tasks)
        found.append(f"{who}: {_words(budget)}")
    return tuple(found)


def _words(budget: Budget) -> str:
    bounded = [name for name in DIMENSIONS if cap(budget, name) != UNBOUNDED]
    return "at most " + ", ".join(told(name, cap(budget, name)) for name in bounded)


def given(words: Sequence[str]) -> BudgetsConfig:
    """Read budgets as a command line has them, such as ``session.max_tokens=2000000``. Raises ``GitfleetError``."""
    from gitfleet.store.documents.source import Source  # noqa: PLC0415 - hardly a call gives any
    from gitfleet.store.documents.validation import problems_of  # noqa: PLC0415

    found: dict[str, Json] = {}
    for word in words:
        match = _GIVEN.fullmatch(word)
        if match is None:
            raise _invalid(word, "it is not SCOPE.KEY=NUMBER")
        one: dict[str, Json] = {match[2]: float(match[3]) if "." in match[3] else int(match[3])}
        problems = problems_of("config", Source("--budget", {"budgets": {match[1]: one}}))
        if problems:
            raise _invalid(word, str(replace(problems[0], path="")).removeprefix("--budget: "))
        before = found.setdefault(match[1], {})
        assert isinstance(before, dict)  # noqa: S101 - made here
        before |= one
    return msgspec.convert(found, BudgetsConfig)


def _invalid(word: str, why: str) -> GitfleetError:
    return GitfleetError(
        Kind.USAGE,
        "invalid-budget",
        f"--budget {word}: {why}.",
        hint="As in session.max_tokens=2000000: task, wave, session, day or reserve, and a key of a budget.",
    )


def with_given(config: Config, plan: Plan, more: BudgetsConfig) -> tuple[Config, Plan]:
    """Config and plan with what a person gave since: it goes before both."""
    budgets = more.over(config.budgets)
    tasks = tuple(
        msgspec.structs.replace(task, budget=more.task.over(task.budget)) if task.budget else task
        for task in plan.tasks
    )
    return msgspec.structs.replace(config, budgets=budgets), msgspec.structs.replace(plan, tasks=tasks)

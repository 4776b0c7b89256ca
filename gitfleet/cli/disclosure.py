"""How a plan looks before it runs: the view of ``plan``, of ``wave --dry-run``, and what consent is given to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.cli.foresight import outlook, reasons, warnings
from gitfleet.cli.output import Line, Table
from gitfleet.model.session import Reversibility
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import Disclosure

_REVERSIBILITY = {
    Reversibility.GREEN: "revert its merges to take it back",
    Reversibility.AMBER: "revert each merge to take it back",
    Reversibility.RED: "taking it back may need more than reverts",
}


_ASKED = 400


def view(disclosure: Disclosure, *, explain: bool, asked: bool = False) -> Iterator[Piece]:
    """Draw the plan; ``explain`` adds a line with the whole reason of each placement.

    ``asked`` adds what each agent is asked to do, for a plan that the person has not read.
    """
    target = disclosure.target.removeprefix("refs/heads/")
    waves = plural(len(disclosure.waves), "wave")
    yield Line(f"{disclosure.plan}: {plural(disclosure.agents, 'agent')} in {waves}, landing on {target}.", "bold")
    if disclosure.direction:
        yield Line(f"  {disclosure.direction}")
    for wave in disclosure.waves:
        yield Line()
        yield Line(f"wave {wave.number}", "bold")
        yield Table(
            ("  task", "agent", "scope", "depends on"),
            [
                (
                    f"  {task.task}",
                    task.agent,
                    ", ".join(task.scope) or "read-only",
                    ", ".join(task.depends_on) or "-",
                )
                for task in wave.tasks
            ],
        )
        if asked:
            yield from (Line(f"  {task.task}: {_short(task.instructions)}") for task in wave.tasks if task.instructions)
        if explain:
            for task in wave.tasks:
                tokens = f" ({task.tokens} tokens)" if task.tokens else ""
                yield Line(f"  {task.task}{tokens}: {task.reason or 'nothing holds it back'}")
    yield Line()
    yield from _facts(disclosure, target)
    yield from warnings(disclosure)
    if explain:
        yield from reasons(disclosure)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _ASKED else line[: _ASKED - 1].rstrip() + "…"


def _facts(disclosure: Disclosure, target: str) -> Iterator[Piece]:
    created = " (made for this session)" if disclosure.creates_target else ""
    style = "as soon as each can (rolling)" if disclosure.rolling else "wave by wave"
    facts = [
        ("target", f"{target}{created} at {disclosure.base[:12]}"),
        ("agents", f"{disclosure.agents} in all, at most {disclosure.max_agents} at the same time, {style}"),
        ("checks", "; ".join(disclosure.checks) or "none: landings will be unverified"),
        (
            "budget",
            f"{disclosure.budget_tokens:,} tokens in all (hints, not measured)" if disclosure.budget_tokens else "",
        ),
        ("caps", "; ".join(disclosure.budgets)),
        ("forecast", outlook(disclosure)),
        ("permissions", disclosure.permissions),
        ("retries", disclosure.retries),
        ("worktrees", disclosure.worktrees),
        ("reversibility", _reversibility(disclosure)),
    ]
    for name, value in facts:
        if value:
            yield Line(f"{name + ':':<15}{value}", hang=15)
    named = [(task.task, task.command) for wave in disclosure.waves for task in wave.tasks if task.command]
    others = [command for command in disclosure.commands if command not in {text for _, text in named}]
    if named or others:
        yield Line("commands that will run:")
        yield from (Line(f"  {task}: {text}", copy=True) for task, text in named)
        yield from (Line(f"  {text}", copy=True) for text in others)
    yield from (Line(f"note: {note}", "yellow") for note in disclosure.notes)


def _reversibility(disclosure: Disclosure) -> str:
    level = disclosure.reversibility
    reason = f" ({disclosure.reversibility_reason})" if disclosure.reversibility_reason else ""
    return f"{level.value}{reason}: {_REVERSIBILITY[level]}"

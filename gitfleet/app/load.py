"""Documents that people write, to the structs that the program works on, or one refusal that names everything wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitfleet.errors import Problem
    from gitfleet.model.plan import Plan
    from gitfleet.planner.findings import Finding
    from gitfleet.store.documents.source import Source, Trail

CONFIG_HINT = "Every key is optional; `gitfleet init` writes a config that fits the repository."
NOT_BUILT = "is not built yet"


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan that may run, and what a person should know about how it was read."""

    plan: Plan
    notes: tuple[str, ...] = ()


def load_config(data: bytes | None, name: str) -> Config:
    """Read a config; ``None`` is a config without any key.

    Raises ``GitfleetError`` (``invalid-config``) with every problem.
    """
    if data is None:
        return Config()
    config, problems = read_config(data, name)
    if config is None or problems:
        raise _refusal("invalid-config", name, problems, CONFIG_HINT)
    return config


def load_plan(
    data: bytes, name: str, config: Config, *, fold: bool = False, outside: frozenset[str] = frozenset()
) -> Plan:
    """Read a plan in any format and check what it means.

    ``name`` is the path as messages show it, whose suffix chooses the format. ``fold`` says that the repository ignores
    case. ``outside`` are ids of tasks that are not in this plan and may be depended on. Raises ``GitfleetError``
    (``invalid-plan``) with every problem.
    """
    return load_plan_with_notes(data, name, config, fold=fold, outside=outside).plan


def load_plan_with_notes(
    data: bytes, name: str, config: Config, *, fold: bool = False, outside: frozenset[str] = frozenset()
) -> LoadedPlan:
    """Read a plan as ``load_plan`` does, with notes such as which finished rows of a table were left out."""
    loaded, problems = read_plan(data, name, config, fold=fold, outside=outside)
    if loaded is None or problems:
        raise _refusal("invalid-plan", name, problems, "")
    return loaded


def read_config(data: bytes, name: str) -> tuple[Config | None, list[Problem]]:
    """Return the config, unless its shape is wrong, and every problem of it."""
    from gitfleet.planner.lint_config import lint_config  # noqa: PLC0415 - without a document nobody pays for these
    from gitfleet.store.documents.reading import read  # noqa: PLC0415
    from gitfleet.store.documents.source import Unreadable, pruned  # noqa: PLC0415
    from gitfleet.store.documents.validation import ordered, problems_of  # noqa: PLC0415

    source = read(data, name)
    if isinstance(source, Unreadable):
        return None, [*source.problems]
    if source.data is None:  # an empty file, or one of comments only
        source.data = {}
    problems = problems_of("config", source)
    broken = [*source.trails.values()]
    try:
        config = msgspec.convert(pruned(source.data, broken), type=Config)
    except msgspec.ValidationError:
        return None, problems
    found = ordered([*problems, *_placed(lint_config(config), source, lambda trail: trail, broken)])
    return (None if problems else config), found


def read_plan(
    data: bytes,
    name: str,
    config: Config | None,
    *,
    fold: bool = False,
    outside: frozenset[str] = frozenset(),
) -> tuple[LoadedPlan | None, list[Problem]]:
    """Return the plan, unless its shape is wrong, and every problem; without a ``config`` agents are not checked."""
    from gitfleet.planner.lint import lint_plan  # noqa: PLC0415 - as above
    from gitfleet.store.documents.plans import normalise, salvage  # noqa: PLC0415
    from gitfleet.store.documents.reading import read  # noqa: PLC0415
    from gitfleet.store.documents.source import Unreadable  # noqa: PLC0415
    from gitfleet.store.documents.validation import ordered, problems_of  # noqa: PLC0415

    source = read(data, name, markdown=True)
    if isinstance(source, Unreadable):
        return None, [*source.problems]
    problems = problems_of("plan", source)
    broken = [*source.trails.values()]
    rest, unnamed = salvage(source, broken)
    try:
        result = normalise(source, rest)
    except msgspec.ValidationError:
        return None, problems
    findings = lint_plan(result.plan, config, fold=fold, outside=outside | unnamed)
    found = ordered([*problems, *result.problems, *_placed(findings, source, result.origin, broken)])
    return (None if problems else LoadedPlan(result.plan, tuple(source.notes))), found


def _placed(
    findings: Sequence[Finding], source: Source, origin: Callable[[Trail], Trail], broken: Sequence[Trail]
) -> list[Problem]:
    """Put findings at their places in the document; what only follows from a broken place is not said."""
    from gitfleet.store.documents.source import related  # noqa: PLC0415

    placed = []
    for finding in findings:
        trail = origin(finding.trail)
        if not any(related(trail, other) for other in broken):
            placed.append(source.problem(trail, finding.message, expected=finding.expected, hint=finding.hint))
    return placed


def _refusal(code: str, name: str, problems: Sequence[Problem], hint: str) -> GitfleetError:
    later = [problem for problem in problems if problem.message.endswith(NOT_BUILT)]
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    message = f"{name} cannot be used: {count}."
    if later:
        fields = ", ".join(dict.fromkeys(problem.message.removesuffix(f" {NOT_BUILT}") for problem in later))
        rest = len(problems) - len(later)
        also = "" if not rest else " There is one more problem." if rest == 1 else f" There are {rest} more problems."
        message = f"{name} asks for what {NOT_BUILT}: {fields}.{also}"
        hint = "Remove these fields, or wait for a release that has them."
    return GitfleetError(Kind.DOCUMENT, code, message, hint=hint, problems=problems)

"""Briefs: a run's handoff and the facts around it, compressed for the next wave, and the choice of whom to tell.

A brief has a hard size. What does not fit is cut from the least important end and counted; no item is shortened
silently. A brief repeats what agents said; it does not make it true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.brief import BriefHeader
from gitfleet.model.conflict import paths_of
from gitfleet.relay.text import code, inline
from gitfleet.store.documents import front_matter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gitfleet.model.evidence import CheckResult
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run

CAP_BYTES = 4096
_ITEM_LIMIT = 400
_TAIL_LIMIT = 300
_SHOWN_PATHS = 10


@dataclass(frozen=True, slots=True)
class Brief:
    """A brief with what is needed to decide who should get it."""

    run: Run
    text: str
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The briefs that a task gets, most relevant first, and the tasks whose briefs did not fit."""

    briefs: tuple[Brief, ...] = ()
    left_out: tuple[str, ...] = ()


def brief(run: Run, *, cap_bytes: int = CAP_BYTES) -> str:
    """Write the brief of a run in at most ``cap_bytes`` bytes of UTF-8 (never fewer than its front matter).

    Order: failures and blockers, decisions, discoveries, built, remaining; each item with its source instance. What
    was cut is the last line, such as ``cut: 3 discoveries, 2 built``.
    """
    outcome = str(run.state) if run.failure is None else f"{run.state} ({run.failure.code})"
    header = BriefHeader(session=run.session, task=run.task, instance=run.instance, outcome=outcome)
    sections = _sections(run)
    source = f" ({inline(run.instance)})" if run.instance else ""
    lines: list[str] = []
    cut: list[str] = []
    budget = cap_bytes - len(front_matter.render(header, "")) - _size(_cut_line([(999, name) for name, _ in sections]))
    for name, items in sections:
        added = 0
        for item in items:
            line = f"- {item}{source}"
            cost = _size([line]) + (0 if added else _size(["", f"## {name}", ""]))
            # After the first cut nothing less important may take the room.
            if cut or cost > budget:
                break
            if not added:
                lines += ["", f"## {name}", ""]
            lines.append(line)
            budget -= cost
            added += 1
        if added < len(items):
            cut.append(f"{len(items) - added} {name.lower()}")
    if cut:
        lines += ["", f"cut: {', '.join(cut)}"]
    if not lines:
        lines = ["", "Nothing was reported."]
    return front_matter.render(header, "\n".join([*lines, ""])).decode()


def select(
    briefs: Iterable[Brief],
    task: Task,
    *,
    budget_bytes: int,
    touches: Callable[[Sequence[str], Sequence[str]], bool],
) -> Selection:
    """Choose the briefs that a task gets: dependencies, then those that touch its paths, then the rest.

    ``touches`` says whether two lists of scope entries share a path. Within a rank newer waves come first. A brief
    that does not fit what is left of ``budget_bytes`` is left out, and a smaller one behind it may still fit.
    """
    own = (*task.scope, *task.reads)

    def rank(brief: Brief) -> int:
        if brief.run.task in task.depends_on:
            return 0
        theirs = (*brief.run.scope, *brief.reads)
        return 1 if own and theirs and touches(own, theirs) else 2

    ranked = sorted(briefs, key=lambda brief: (rank(brief), -brief.run.wave, brief.run.task))
    chosen: list[Brief] = []
    left_out: list[str] = []
    for candidate in ranked:
        size = len(candidate.text.encode())
        if size <= budget_bytes:
            chosen.append(candidate)
            budget_bytes -= size
        else:
            left_out.append(candidate.run.task)
    return Selection(tuple(chosen), tuple(left_out))


def _sections(run: Run) -> list[tuple[str, list[str]]]:
    handoff = run.handoff
    sections: list[tuple[str, list[str]]] = [("Failures", _failures(run))]
    if handoff is not None:
        discoveries = [
            inline(found.fact, _ITEM_LIMIT) + (f" — {_paths(found.paths)}" if found.paths else "")
            for found in handoff.discoveries
        ]
        built = [*handoff.built, *([f"no change: {handoff.no_change}"] if handoff.no_change else [])]
        sections += [
            ("Decisions", [inline(item, _ITEM_LIMIT) for item in handoff.decisions]),
            ("Discoveries", discoveries),
            ("Built", [inline(item, _ITEM_LIMIT) for item in built]),
            ("Remaining", [inline(item, _ITEM_LIMIT) for item in handoff.remaining]),
        ]
    if run.files:
        sections.append(("Files", [_paths([file.path for file in run.files])]))
    return [(name, list(dict.fromkeys(item for item in items if item))) for name, items in sections]


def _failures(run: Run) -> list[str]:
    items = []
    if run.failure is not None:
        items.append(f"{inline(run.failure.code, 40)}: {inline(run.failure.message, _ITEM_LIMIT)}")
    if run.gate is not None:
        items += [f"{code(found.path)} was not accepted: {inline(found.reason, 60)}" for found in run.gate.violations]
    checks = (*run.checks, *(run.verification.checks if run.verification else ()))
    items += [_red(check) for check in checks if check.red]
    if run.conflicts:
        items.append(f"conflicts with the target in {_paths(paths_of(run.conflicts))}")
    if run.handoff is not None:
        items += [inline(item, _ITEM_LIMIT) for item in (*run.handoff.failures, *run.handoff.conflicts)]
    return items


def _red(check: CheckResult) -> str:
    if check.timed_out:
        how = "timed out"
    elif check.wrote:
        how = f"changed {_paths(check.wrote)}"
    elif check.signal is not None:
        how = f"was ended by signal {check.signal}"
    else:
        how = f"exited {check.exit_code}"
    # The last lines say what failed.
    tail = inline(check.tail[-_TAIL_LIMIT:], _TAIL_LIMIT)
    return f"check {code(check.name)} {how}" + (f": {tail}" if tail else "")


def _paths(paths: Sequence[str]) -> str:
    shown = ", ".join(code(path) for path in paths[:_SHOWN_PATHS])
    more = len(paths) - _SHOWN_PATHS
    return f"{shown} and {more} more" if more > 0 else shown


def _cut_line(parts: list[tuple[int, str]]) -> list[str]:
    return ["", f"cut: {', '.join(f'{count} {name}' for count, name in parts)}", ""]


def _size(lines: list[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)

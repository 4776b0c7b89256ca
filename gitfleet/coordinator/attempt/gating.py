"""What ``scope.on_violation`` makes of an attempt that stepped over the border of its scope. In worker threads.

Only a step over the border can be spilled or extended: what touches ``.planning``, git's own names, protected paths or
submodules, or leads out through a link, is refused with everything that came with it. May be done again after a crash
at any point: what was spilled is found on its branch, and a claim that grew before grows by the same paths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.claiming import grow
from gitfleet.git import worktrees
from gitfleet.git.refs import Refs
from gitfleet.integrate import gate
from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.gate.checked import protection_of
from gitfleet.integrate.gate.history import forked_from
from gitfleet.integrate.gate.inspecting import BORDER
from gitfleet.integrate.gate.spilling import NothingInside, NotKept, Spill, spill, spill_branch, spilled
from gitfleet.model.config import ViolationPolicy
from gitfleet.model.paths import quote_path
from gitfleet.planner.scopes import Scope, ScopeError, entry_for
from gitfleet.recovery.keeping import keep_tree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitfleet.git.objects import Objects
    from gitfleet.integrate.gate import Inspection, Outside
    from gitfleet.integrate.gate.spilling import Spilled
    from gitfleet.model.evidence import GateReport
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

MOST_EXTENDED = 100
"""Paths that a claim grows by at once; whoever needs more has another scope in mind."""


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate says of an attempt: ``tip`` is the commit that goes on, ``claimed`` the claim where it grew.

    With ``open`` what is outside would have met the policy, had the attempt ended well: it is held against nobody.
    """

    tip: str
    start: str
    report: GateReport
    extended: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    open: bool = False


def bounds_of(parts: Parts, objects: Objects, task: Task, run: Run, scope: Scope) -> Bounds:
    """What a run may change now: its scope as it was extended, but for what must be named."""
    config = parts.config
    commands = [check.run for check in (*config.verify.commands, *task.verify)]
    protection = protection_of(objects, run.base, config.scope.protected, commands, fold=parts.fold)
    return Bounds.of(scope, extended=run.extended, protection=protection, fold=parts.fold)


def finish_spill(parts: Parts, objects: Objects, run: Run, tree: Path) -> None:
    """Bring a tree to what goes on, where a crash came while that was done; what else is in it is kept first."""
    found = _spilled(parts, objects, run)
    worktree = worktrees.locate(parts.repository, tree)
    if found is None or worktree is None or not tree.is_dir():
        return
    head = Refs(worktree.git(parts.repository.git)).head().oid
    if head == found.inside:
        keep_tree(parts, objects, run, "spilling was cut off")
        worktrees.go_to(parts.repository.git, worktree, found.inside, old=found.inside)


@dataclass(frozen=True, slots=True)
class Work:
    """What an attempt left: all up to ``tip``, in ``tree``, to land on the commit ``target``.

    Only what ended ``well`` meets the policy: a part of it, or more than its scope, goes on.
    """

    tip: str
    tree: Path
    target: str
    well: bool


def hold_against_scope(parts: Parts, objects: Objects, task: Task, run: Run, scope: Scope, work: Work) -> Gated:
    """Hold work against its scope, and what is outside against the policy.

    When a part of the work goes on, the tree is brought to that.
    """
    git, tip, target = parts.repository.git, work.tip, work.target
    passing = _Passing(parts, objects, run, bounds_of(parts, objects, task, run, scope), target)
    start = forked_from(git, objects, base=run.base, tip=tip, target=target)
    found = passing.look(tip)
    plain = Gated(tip, start or run.base, found.report())
    if found.passed:
        return passing.as_before(plain)
    policy = parts.config.scope.on_violation
    if policy is ViolationPolicy.REJECT:
        return plain
    why = _refuses_all(found, start)
    if why:
        return replace(plain, report=found.report(fallback=f"{_NOT_DONE[policy]}: {why}"))
    if not work.well:
        unwell = found.report(fallback=f"{_NOT_DONE[policy]}: only work that ended well goes on")
        return replace(plain, report=unwell, open=True)
    match policy:
        case ViolationPolicy.EXTEND:
            return passing.extend(plain, found)
        case ViolationPolicy.SPILL:
            return passing.spill(plain, found, work.tree, task.title)
        case other:
            assert_never(other)


_NOT_DONE = {ViolationPolicy.EXTEND: "its claim did not grow", ViolationPolicy.SPILL: "it was not spilled"}


def _refuses_all(found: Inspection, start: str | None) -> str:
    """Why no policy but ``reject`` may do anything about what was found, as a clause; empty where one may."""
    if any(one.reason == "read-only" for one in found.violations):
        return "the task is read-only"
    if not found.only_border:
        worse = next(one for one in found.violations if one.reason != BORDER)
        return f"{quote_path(worse.path)} ({worse.reason}) is more than a step over the border of its scope"
    return "" if start is not None else "it has no commit in common with the target"


@dataclass(frozen=True, slots=True)
class _Passing:
    parts: Parts
    objects: Objects
    run: Run
    bounds: Bounds
    target: str

    def look(self, tip: str, bounds: Bounds | None = None) -> Inspection:
        return gate.inspect(
            self.parts.repository.git,
            self.objects,
            base=self.run.base,
            tip=tip,
            target=self.target,
            bounds=bounds or self.bounds,
        )

    def as_before(self, plain: Gated) -> Gated:
        """What passes may be what a spill left before a crash: then its record tells of all."""
        found = _spilled(self.parts, self.objects, self.run)
        if found is None or found.inside != plain.tip or self.objects.resolve(found.original) is None:
            return plain
        whole = self.look(found.original)
        if whole.passed:
            return plain
        facts = {"spilled": _branch(self.parts, self.run), "original": found.original}
        return replace(plain, report=whole.report("spilled", **facts))

    def extend(self, plain: Gated, found: Inspection) -> Gated:
        grown = extension(self.parts, self.run, self.bounds, found.violations)
        if isinstance(grown, str):
            return replace(plain, report=found.report(fallback=f"its claim did not grow: {grown}"))
        entries, claimed = grown
        return replace(plain, report=found.report("extended"), extended=entries, claimed=claimed)

    def spill(self, plain: Gated, found: Inspection, tree: Path, name: str) -> Gated:
        git, branch = self.parts.repository.git, _branch(self.parts, self.run)
        taken = spill(
            self.objects,
            self.parts.refs,
            start=plain.start,
            tip=plain.tip,
            bounds=self.bounds,
            branch=branch,
            name=name,
        )
        match taken:
            case NothingInside():
                return replace(plain, report=found.report(fallback="nothing of it is in its scope"))
            case NotKept():
                return replace(plain, report=found.report(fallback=f"it was not spilled: {taken.why}"))
            case Spill():
                pass
            case _:
                assert_never(taken)
        if not self.look(taken.inside).passed:
            return replace(plain, report=found.report(fallback="what is in its scope cannot go on by itself"))
        worktree = worktrees.locate(self.parts.repository, tree)
        if worktree is None:
            return replace(plain, report=found.report(fallback="its worktree is gone"))
        worktrees.go_to(git, worktree, taken.inside, old=plain.tip)
        report = found.report("spilled", spilled=branch, original=plain.tip)
        return replace(plain, tip=taken.inside, report=report)


def extension(
    parts: Parts, run: Run, bounds: Bounds, violations: Iterable[Outside]
) -> tuple[tuple[str, ...], tuple[str, ...]] | str:
    """Grow a run's claim by what it wrote outside: all that it is extended by, and the claim; or why not."""
    paths = tuple(dict.fromkeys(one.path for one in violations))
    if len(paths) > MOST_EXTENDED:
        return f"{len(paths)} paths are more than the {MOST_EXTENDED} that a claim grows by"
    if bounds.scope.is_empty:
        return "the task is read-only"
    entries = tuple(entry_for(path) for path in paths)
    try:
        grown = bounds.grown(entries)
    except ScopeError as error:
        return str(error)
    left_out = next((entry for entry, path in zip(entries, paths, strict=True) if not grown.scope.matches(path)), None)
    if left_out is not None:
        return f"its scope excludes {left_out}"
    claimed = grow(parts, run.instance, entries)
    if isinstance(claimed, str):
        return claimed
    return (*run.extended, *entries), claimed.scope


def _branch(parts: Parts, run: Run) -> str:
    return spill_branch(parts.config.branch_prefix, run.session, run.task)


def _spilled(parts: Parts, objects: Objects, run: Run) -> Spilled | None:
    if parts.config.scope.on_violation is not ViolationPolicy.SPILL:
        return None
    return spilled(objects, parts.refs, _branch(parts, run))

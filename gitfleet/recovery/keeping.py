"""Keeping the work of an attempt before its tree is touched: which tree, which of its ignored files, under whose name.

What comes of it goes into the run's record, so that whoever reads of a failure also reads where the work is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.git import snapshots, worktrees
from gitfleet.git.refs import HEADS
from gitfleet.git.snapshots import Failed, Nothing, Origin, Taken
from gitfleet.model.evidence import WIP
from gitfleet.planner.scopes import Scope, ScopeError, entry_for, overlap

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.ignored import Wanted
    from gitfleet.git.objects import Objects
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


def tree_of(parts: Parts, run: Run) -> Path:
    """Where a run's last attempt works: the slot of the pool that the books name."""
    slot = run.attempts[-1].worktree if run.attempts else ""
    return parts.pool / (slot or run.instance)


def keep_tree(parts: Parts, objects: Objects, run: Run, reason: str, *, held: str = "") -> snapshots.Outcome:
    """Keep what the tree and the branch of a run's last attempt hold; may be repeated.

    ``reason`` is one word or a clause. ``held`` is a commit that the target holds, such as the run's merge: what it has
    needs no keeping. Safe in any thread that has its own ``objects``.
    """
    tree = tree_of(parts, run)
    tip = parts.refs.read(HEADS + run.branch) if run.branch else None
    origin = replace(_origin(run, reason), held=held, tips=(tip,) if tip else ())
    place = worktrees.locate(parts.repository, tree) or tree
    return snapshots.take(parts.repository, objects, place, origin, ignored=of_scope(run, fold=parts.fold))


def keep_tip(parts: Parts, objects: Objects, run: Run, tip: str, reason: str) -> str:
    """Keep a commit of a run's under a ref, and name that: the ref that has it already, or a new snapshot's.

    Raises ``OSError`` where it cannot be kept.
    """
    for number, kept in snapshots.numbers(parts.repository, run.instance).items():
        if objects.is_ancestor(tip, kept):
            return f"{WIP}{run.instance}/{number}"
    outcome = snapshots.keep(parts.repository, objects, tip, _origin(run, reason))
    match outcome:
        case Taken(ref):
            return ref
        case Nothing():
            return HEADS + run.branch
        case Failed(why):
            raise OSError(why)
        case _:
            assert_never(outcome)


def of_scope(run: Run, *, fold: bool) -> Wanted | None:
    """Which ignored paths are a run's own: those that its scope holds; of a run without a scope, none."""
    held = run.claim.scope if run.claim else ()
    if not run.scope and not held:
        return None
    scope = Scope.parse(dict.fromkeys((*run.scope, *held)))

    def wanted(path: bytes) -> bool:
        if path.endswith(b"/"):
            try:
                below = Scope.parse([entry_for(path[:-1])])
            except ScopeError:  # such as `.planning`, which no scope holds
                return False
            return overlap(below, scope, fold=fold) is not None
        return scope.matches(path, fold=fold)

    return wanted


def noted(run: Run, outcome: snapshots.Outcome) -> Run:
    """The run with what became of its work on the record of its last attempt."""
    if not run.attempts:
        return run
    last = run.attempts[-1]
    match outcome:
        case Taken(ref):
            last = msgspec.structs.replace(
                last,
                snapshots=tuple(dict.fromkeys((*last.snapshots, ref))),
                unkept=(*(f"{path} is a repository of its own" for path in outcome.nested), *outcome.gaps),
            )
        case Nothing():
            last = msgspec.structs.replace(last, unkept=())
        case Failed(why):
            last = msgspec.structs.replace(last, unkept=(why,))
        case _:
            assert_never(outcome)
    return msgspec.structs.replace(run, attempts=(*run.attempts[:-1], last))


def _origin(run: Run, reason: str) -> Origin:
    return Origin(run.instance, reason, run.session, run.task, len(run.attempts), run.base)


def where_kept(run: Run) -> str:
    """A clause that says where the work of the last attempt is; empty where there is none beyond its base."""
    if not run.attempts:
        return ""
    last = run.attempts[-1]
    told = []
    if last.snapshots:
        told.append(f"its work is kept: gitfleet rescue show {last.snapshots[-1].removeprefix(WIP)}")
    if last.unkept:
        told.append(f"its worktree holds the only copy of something ({'; '.join(last.unkept)})")
    return "; ".join(told)

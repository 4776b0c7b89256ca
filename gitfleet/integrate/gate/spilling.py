"""Spilling: of work that stepped over the border of its scope, what is inside goes on, and the rest is kept apart.

What goes on is one commit on the commit of the target that the work began from, so that nothing outside is in its
history either. The spill branch holds a merge of that commit and of the work as it was, with the work's own tree: the
difference to its first parent is what was spilled, and everything that the agent committed is reachable from it. What
the branch held before is its third parent. A spill branch is the only copy of work, and nobody but a person deletes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.refs import HEADS, Refs, Updated, zero
from gitfleet.git.trees import TreeEntry
from gitfleet.integrate.gate.history import between

if TYPE_CHECKING:
    from gitfleet.git.index import Entry
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.gate.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Spill:
    """Work taken apart: ``inside`` goes on, ``kept`` is what its spill branch is to point at."""

    inside: str
    kept: str
    branch: str


@dataclass(frozen=True, slots=True)
class NothingInside:
    """All of the work is outside of its scope."""


@dataclass(frozen=True, slots=True)
class NotKept:
    """The spill branch could not be written; ``why`` is a clause."""

    why: str


def spill_branch(prefix: str, session: str, task: str) -> str:
    """The branch that keeps what a task spilled."""
    return f"{spill_prefix(prefix)}/{session}/{task}"


def spill_prefix(prefix: str) -> str:
    """The first part of the names of spill branches, after that of task branches."""
    return f"{prefix}-spill"


def spill(
    objects: Objects, refs: Refs, *, start: str, tip: str, bounds: Bounds, branch: str, name: str
) -> Spill | NothingInside | NotKept:
    """Take the work from ``start``, a commit of the target, to ``tip`` apart, and keep it on ``branch``.

    ``name`` is what the commits call the work. Work that was taken apart before is found again. The branch is durable
    before this returns, and no other ref moves.
    """
    found = spilled(objects, refs, branch)
    if found is not None and found.original == tip:
        return Spill(found.inside, found.kept, branch)
    changed = between(objects, start, tip)
    inside = {change.path: _entry(change.new) for change in changed if bounds.why_outside(change) is None}
    if not inside:
        return NothingInside()
    tree = objects.edit_tree(objects.commit(start).tree, inside)
    commit = objects.create_commit(tree, [start], f"{name}: what is in its scope\n\nGitfleet-Spilled: {branch}\n")
    return keep(objects, refs, branch, inside=commit, tip=tip, tree=objects.commit(tip).tree, name=name)


def keep(objects: Objects, refs: Refs, branch: str, *, inside: str, tip: str, tree: str, name: str) -> Spill | NotKept:
    """Point a spill branch at ``tree`` on top of ``inside``, with ``tip`` and what the branch held before below it."""
    before = refs.read(HEADS + branch)
    message = f"{name}: what is outside of its scope\n\nSee it: git diff {inside[:12]} {branch}\n"
    kept = objects.create_commit(tree, [inside, tip, *([before] if before else [])], message)
    moved = refs.update(HEADS + branch, kept, before or zero(kept), why="gitfleet: spill")
    if isinstance(moved, Updated):
        return Spill(inside, kept, branch)
    return NotKept(f"the branch {branch} could not be written ({moved})")


@dataclass(frozen=True, slots=True)
class Spilled:
    """What a spill branch says of the last work that was taken apart onto it."""

    kept: str
    inside: str
    original: str


def spilled(objects: Objects, refs: Refs, branch: str) -> Spilled | None:
    """Read a spill branch; none where there is none, or what is there is not of our making."""
    at = refs.read(HEADS + branch)
    parents = objects.commit(at).parents if at is not None and objects.resolve(at) else ()
    return Spilled(at, parents[0], parents[1]) if at is not None and len(parents) in {2, 3} else None


def _entry(side: Entry | None) -> TreeEntry | None:
    return TreeEntry(side.mode, side.oid) if side is not None else None

"""Runs that began on commits which a person has since taken off the target, by an amend, a rebase or a reset.

To merge such a branch as it is would bring those commits back: a secret that was amended away would be in the
target's history again, even where no file shows it. What the run itself did is taken over instead, as one commit on
the target as it is now. The run's own branch stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.merging import Conflicted, DriverFailed, Merged, NoBase, merge

if TYPE_CHECKING:
    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The run's work as one commit on top of the target."""

    commit: str


@dataclass(frozen=True, slots=True)
class Entangled:
    """The run merged commits of the target that are no longer there, so what it did itself cannot be told apart."""


def brings_back(objects: Objects, tip: str, began: str, base: str) -> bool:
    """Whether merging ``tip`` into the target at ``base`` brings commits that are neither there nor the run's own.

    ``began`` is the commit of the target that the run began from. The gate let no merge pass with more than one
    parent of the run's own, so a second one that is not in the target was the target's.
    """
    if began == base:
        return False
    own = objects.walk(tip, base)
    if began and not objects.is_ancestor(began, base) and not set(own) <= set(objects.walk(tip, began)):
        return True
    return _merged_what_is_gone(objects, own)


def take_over(
    git: Git, objects: Objects, tip: str, began: str, base: str
) -> TakenOver | Conflicted | DriverFailed | Entangled:
    """Apply what lies between ``began`` and ``tip`` to ``base``, in memory."""
    if _merged_what_is_gone(objects, objects.walk(tip, [base, began])):
        return Entangled()
    # Parents say what git merges by; these three know nothing but the run's beginning.
    root = objects.create_commit(objects.commit(began).tree, [], "where the run began", sign=False)
    ours, theirs = (
        objects.create_commit(objects.commit(commit).tree, [root], "one side", sign=False) for commit in (base, tip)
    )
    merged = merge(git, ours, theirs)
    match merged:
        case Merged(tree):
            message = f"Take over {tip}\n\nIt began on {began}, which is not in the target any more.\n"
            return TakenOver(objects.create_commit(tree, [base], message))
        case Conflicted() | DriverFailed():
            return merged
        case NoBase():
            return Entangled()


def _merged_what_is_gone(objects: Objects, own: list[str]) -> bool:
    names = set(own)
    return any(len(names.intersection(objects.commit(commit).parents)) > 1 for commit in own)

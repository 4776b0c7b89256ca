"""The gate's second pass: what a merge brings to its first parent outside the bounds of the run that is merged.

The run's own commits passed, so this comes from the merge itself: the target renamed what the run changed. Refused it
is a conflict; spilled, the merge leaves those paths as the target has them; extended, they go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gitfleet.integrate.gate.inspecting import carried

if TYPE_CHECKING:
    from gitfleet.git.objects import Objects
    from gitfleet.git.trees import TreeEntry
    from gitfleet.integrate.gate.bounds import Bounds
    from gitfleet.integrate.gate.inspecting import Inspection


@dataclass(frozen=True, slots=True)
class Crossed:
    """A merge that may go on with this tree."""

    tree: str


@dataclass(frozen=True, slots=True)
class Barred:
    """A merge that may not go on, with what it carried outside."""

    found: Inspection
    why: str = ""


class Border(Protocol):
    """Says what becomes of a merge that carries something outside of the bounds of its run."""

    def cross(self, instance: str, bounds: Bounds, onto: str, tree: str) -> Crossed | Barred:
        """Judge the merge of a run into the commit ``onto`` with ``tree`` as its result."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The border that nothing crosses (``on_violation: reject``)."""

    objects: Objects

    def cross(self, instance: str, bounds: Bounds, onto: str, tree: str) -> Crossed | Barred:  # noqa: ARG002
        """See ``Border``."""
        found = carried(self.objects, onto, tree, bounds)
        return Crossed(tree) if found.passed else Barred(found)


def without(objects: Objects, onto: str, tree: str, found: Inspection) -> str | None:
    """The tree of a merge with what it carried outside as ``onto`` has it; none when nothing of the merge is left."""
    before = objects.commit(onto).tree
    back: dict[bytes, TreeEntry | None] = {one.path: objects.entry(before, one.path) for one in found.violations}
    rest = objects.edit_tree(tree, back)
    return rest if rest != before else None

"""Where the histories of many commits meet, for all pairs of them from one walk; pure.

The rule: a commit is a best common ancestor of two tips exactly when both reach it and no child of it is reached by
both. So one pass from the tips down, with a bit for each tip, gives the merge bases of every pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Node(NamedTuple):
    """A commit of the walk: its id, its tree, its parents."""

    commit: str
    tree: str
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """Merge bases by pair of tips (each in the order in which the tips were given), and the trees of all commits.

    ``whole`` is false where the walk was cut off: a pair without a base may then have one further down.
    """

    bases: dict[tuple[str, str], tuple[str, ...]]
    trees: dict[str, str]
    whole: bool = True


def parse_walk(output: str) -> Iterator[Node]:
    """Read ``git rev-list --topo-order --no-commit-header --format='%H %T %P'``."""
    for line in output.split("\n"):
        if line:
            commit, tree, *parents = line.split()
            yield Node(commit, tree, tuple(parents))


def find_bases(tips: Sequence[str], walk: Iterable[Node], *, whole: bool = True) -> Ancestry:
    """Find the merge bases of all pairs of tips; ``walk`` gives children before their parents."""
    mask = dict.fromkeys(tips, 0)
    for number, tip in enumerate(tips):
        mask[tip] |= 1 << number
    below: dict[str, list[int]] = {}
    bases: dict[tuple[str, str], list[str]] = {}
    trees: dict[str, str] = {}
    for node in walk:
        trees[node.commit] = node.tree
        children = below.pop(node.commit, [])
        mine = mask.pop(node.commit, 0)
        for child in children:
            mine |= child
        if mine not in children and mine & (mine - 1):
            _meet(tips, node.commit, mine, children, bases)
        for parent in node.parents:
            seen = below.setdefault(parent, [])
            if mine not in seen:
                seen.append(mine)
    return Ancestry({pair: tuple(found) for pair, found in bases.items()}, trees, whole)


def _meet(
    tips: Sequence[str], commit: str, mine: int, children: Sequence[int], bases: dict[tuple[str, str], list[str]]
) -> None:
    numbers = [number for number in range(mine.bit_length()) if mine >> number & 1]
    for at, one in enumerate(numbers):
        # Who already met this tip at a child of the commit.
        met = 0
        for child in children:
            if child >> one & 1:
                met |= child
        for other in numbers[at + 1 :]:
            if not met >> other & 1 and tips[one] != tips[other]:
                bases.setdefault((tips[one], tips[other]), []).append(commit)

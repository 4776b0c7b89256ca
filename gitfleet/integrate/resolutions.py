"""Whether a commit resolves a conflict: the target merged into a run's work, with nothing left of the conflict.

What else a resolution may be, the gate and the checks decide as for any work. An agent's is held against a narrow
scope besides: beyond what git merges by itself, only the paths in conflict may differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.merging import Conflicted, Merged, marked, merge
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects

_NAMED = 10


def faults(
    git: Git, objects: Objects, *, tip: str, onto: str, result: str, unmerged: Sequence[bytes] = (), narrow: bool
) -> str:
    """Why ``result`` does not resolve the merge of ``onto`` into ``tip``, as a clause; empty where it does.

    ``unmerged`` are paths that the index still had in conflict when the result was committed for whoever made it.
    With ``narrow``, only the paths in conflict may differ from what git merges by itself.
    """
    if not objects.is_ancestor(tip, result):
        return f"it is not built on {tip[:12]}, the work in conflict"
    if not objects.is_ancestor(onto, result):
        return f"the target's {onto[:12]} is not merged into it"
    auto = merge(git, tip, onto)
    if not isinstance(auto, Conflicted | Merged):
        return ""
    tree = objects.commit(result).tree
    named = auto.named if isinstance(auto, Conflicted) else frozenset()
    # A file that git could not merge, left as git left it, or with some of the markers still in it.
    left = [path for path in sorted(named) if _is_marked(objects, tree, path, (tip, onto))]
    left += [path for path in unmerged if path not in left and not _is_marked(objects, auto.tree, path, ())]
    if left:
        return f"{_names(left)} {'is' if len(left) == 1 else 'are'} not resolved"
    if narrow:
        other = [change.path for change in objects.diff(auto.tree, tree) if change.path not in named]
        if other:
            return f"it changes {_names(other)}, where nothing was in conflict"
    return ""


def _is_marked(objects: Objects, tree: str, path: bytes, sides: Sequence[str]) -> bool:
    """Whether a file has conflict markers that no side had there."""
    entry = objects.entry(tree, path)
    if entry is None or entry.is_tree or entry.mode == 0o160000:
        return False
    before = {objects.entry(objects.commit(side).tree, path) for side in sides}
    return entry not in before and marked(objects.blob(entry.oid))


def _names(paths: Sequence[bytes]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{', '.join(quote_path(path) for path in paths[:_NAMED])}{more}"

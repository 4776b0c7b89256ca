"""A run's own commits, with what each of them changed.

Own is what its tip has and the target has not. A commit is compared with its parent; a merge with the target's side of
it, since what it has outside the scope must have come through from there unchanged. Replacement objects, grafts and
commit-graph files, which a run could have written, are ignored, and a history that git sees shorter than its commits
say is a violation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.engine import MissingObject
from gitfleet.git.index import Change, Entry, parse_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects

_LONGEST_LINE = 1000
"""Commits read one by one before git is asked for all of them."""


def unbent(git: Git) -> Git:
    """The door without what a run could have written to make history look different."""
    return git.having("core.commitGraph=false", GIT_NO_REPLACE_OBJECTS="1", GIT_GRAFT_FILE="/dev/null")


@dataclass(frozen=True, slots=True)
class Own:
    """One own commit: what it changed, and what is wrong with the commit itself, if anything."""

    commit: str
    changes: list[Change]
    flaws: tuple[str, ...] = ()


def own_commits(
    git: Git, objects: Objects, tip: str, known: Sequence[str], target: str, outside: Callable[[Change], bool]
) -> list[Own]:
    """Every commit that ``tip`` has and ``known`` have not, oldest first.

    ``target`` is the commit that the run is to land on. Of a merge, changes ``outside`` that its target's side brought
    are not among its changes.
    """
    line = _line(objects, tip, known)
    return line if line is not None else list(_History(unbent(git), objects, tip, known, target, outside).all())


def between(objects: Objects, old: str, new: str) -> list[Change]:
    """Every path that differs between two commits, renames not followed; ``ValueError`` for a tree read in two ways."""
    return differences(objects, objects.commit(old).tree, objects.commit(new).tree)


def differences(objects: Objects, old: str, new: str) -> list[Change]:
    """The same between two trees."""
    return [
        Change(change.path, *(Entry(*side) if side is not None else None for side in (change.old, change.new)))
        for change in objects.diff(old, new, strict=True)
    ]


def forked_from(git: Git, objects: Objects, *, base: str, tip: str, target: str) -> str | None:
    """The commit of the target that a run's work is a change of: the newest one that it has, its base as a rule.

    None when the two share nothing.
    """
    if base == target and _is_ahead(objects, base, tip):
        return base
    bases = unbent(git).run("merge-base", "--all", tip, target, ok=(0, 1)).text.split()
    if base in bases or not bases:
        return base if bases else None
    if objects.is_ancestor(base, tip) and not any(objects.is_ancestor(base, one) for one in bases):
        return base  # the target was moved away from it
    return bases[0]


def _is_ahead(objects: Objects, base: str, tip: str) -> bool:
    """Whether raw commits lead from a tip back to a base without a merge; they do in the usual run, and need no git."""
    at = tip
    for _ in range(_LONGEST_LINE):
        if at == base:
            return True
        try:
            parents = objects.commit(at).parents
        except MissingObject:
            return False
        if len(parents) != 1:
            return False
        (at,) = parents
    return False


def _line(objects: Objects, tip: str, known: Sequence[str]) -> list[Own] | None:
    """Own commits of the usual run with what each changed: a line without merges on what base and target both are.

    None where it is not so simple, or a tree is not as git writes it, and git is asked. Raw objects are read, so
    nothing bends what is seen here either.
    """
    ends = {objects.resolve(rev) for rev in known}
    if len(ends) != 1 or None in ends:
        return None
    line: list[Own] = []
    at = objects.resolve(tip)
    try:
        while at not in ends:
            parents = objects.commit(at).parents if at is not None else ()
            if at is None or len(parents) != 1 or len(line) == _LONGEST_LINE:
                return None
            line.append(Own(at, between(objects, parents[0], at)))
            at = parents[0]
    except (MissingObject, ValueError):
        return None
    return line[::-1]


@dataclass(slots=True)
class _History:
    """A history that is more than a line, as git tells it."""

    git: Git
    objects: Objects
    tip: str
    known: Sequence[str]
    target: str
    outside: Callable[[Change], bool]
    _differing: dict[tuple[str, str], frozenset[bytes]] = field(default_factory=dict)

    def all(self) -> Iterator[Own]:
        hidden = [f"^{commit}" for commit in self.known]
        lines = self.git.run("rev-list", "--topo-order", "--reverse", "--parents", self.tip, *hidden, "--").text
        own = {words[0]: tuple(words[1:]) for words in (line.split(" ") for line in lines.split("\n")) if words[0]}
        # All that is reachable from the tip and not from the target is own, so a parent that is not own is the
        # target's.
        sides = {one: self._sides(parents, own) for one, parents in own.items()}
        answers = iter(self._diffs([(one, side) for one, theirs in sides.items() for side in theirs]))
        for one, theirs in sides.items():
            first, *others = [next(answers) for _ in theirs]
            common = {change.path for change in first}.intersection(*({c.path for c in other} for other in others))
            changes = [change for change in first if change.path in common]
            mine = [parent for parent in own[one] if parent in own]
            if len(own[one]) > 1 and any(self.outside(change) for change in changes):
                changes = [
                    change
                    for change in changes
                    if not (self.outside(change) and self._brought(one, mine, theirs, change))
                ]
            yield Own(one, changes, self._flaws(one, own[one], mine))

    def _sides(self, parents: Sequence[str], own: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The parents that a commit is held against; an older one of the target's next to a newer one hides nothing."""
        theirs = [parent for parent in parents if parent not in own]
        if len(theirs) > 1:
            theirs = self.git.run("merge-base", "--independent", *theirs).text.split()
        return tuple(theirs) or tuple(parents[:1]) or ("",)

    def _flaws(self, commit: str, parents: tuple[str, ...], mine: Sequence[str]) -> tuple[str, ...]:
        found = []
        if len(parents) > 1 and len(mine) > 1:
            found.append("foreign-merge")
        if self.objects.commit(commit).parents != parents:
            found.append("bent-history")
        return tuple(found)

    def _brought(self, merge: str, mine: Sequence[str], theirs: Sequence[str], change: Change) -> bool:
        """Whether a merge has at a path what the target's history gave it, although no side of it differs there.

        It has what the target has now; or else its own side came from a commit of the target that changed the path,
        and the other side of it left it alone.
        """
        path = change.path
        if path not in self._paths(self.target, merge):
            return True
        if len(mine) != 1 or path in self._paths(mine[0], merge):
            return False
        return all(
            path not in self._paths(old, side)
            for side in theirs
            for old in self.git.run("merge-base", "--all", mine[0], side, ok=(0, 1)).text.split() or [""]
        )

    def _paths(self, old: str, new: str) -> frozenset[bytes]:
        """The paths in which two commits differ; the empty name is the empty tree."""
        if (old, new) not in self._differing:
            trees = [self.objects.commit(one).tree if one else None for one in (old, new)]
            self._differing[old, new] = frozenset(change.path for change in self.objects.diff(*trees))
        return self._differing[old, new]

    def _diffs(self, asked: Sequence[tuple[str, str]]) -> Iterator[list[Change]]:
        """What differs between each commit and the parent that it is asked with; one answer for each."""
        raw = self.git.run(
            "diff-tree", "--stdin", "--always", "--root", "-r", "-z", "--no-renames", "--no-abbrev", "--raw",
            stdin="".join(f"{one} {parent}".rstrip() + "\n" for one, parent in asked).encode(),
        ).stdout  # fmt: skip
        tokens = raw.split(b"\0")
        at = 0
        for commit, _ in asked:
            if tokens[at] != commit.encode():
                msg = f"diff-tree answered about {tokens[at]!r} where {commit} was asked"
                raise AssertionError(msg)
            at += 1
            start = at
            while at < len(tokens) and tokens[at].startswith(b":"):
                at += 2
            yield [change for _, change in parse_raw(b"\0".join(tokens[start:at]))]

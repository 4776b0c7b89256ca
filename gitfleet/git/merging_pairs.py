"""Many merges in one git process, for predictions; nothing is committed and no merge here is ever landed.

What ``merging`` says about directories, attributes and configuration holds here too. git 2.39 does not flush after each
answer, so all pairs are given at once and all answers are read at the end. A pair that ends git itself (a merge driver
that is killed by a signal does) has no answer; those after it are asked again without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.git.command import Git

FAULTS = 4
"""How many pairs may end git itself before the rest is given up."""

_CONFLICT = "CONFLICT ("


@dataclass(frozen=True, slots=True)
class Clash:
    """One conflict as git tells it: its kind (``contents``, ``modify/delete``, ...), its paths, and git's words."""

    kind: str
    paths: tuple[bytes, ...]
    words: str


@dataclass(frozen=True, slots=True)
class PairMerge:
    """What a merge of two commits would come to; ``paths`` are those left unmerged, sorted."""

    clean: bool
    tree: str
    paths: tuple[bytes, ...] = ()
    clashes: tuple[Clash, ...] = ()


def merge_pairs(git: Git, pairs: Sequence[tuple[str, str]]) -> list[PairMerge | None]:
    """Merge the second commit of each pair into the first; none for a pair that git could not merge at all.

    Raises ``GitFailed`` when more than ``FAULTS`` pairs ended git.
    """
    found: list[PairMerge | None] = []
    faults = 0
    while len(found) < len(pairs):
        left = pairs[len(found) :]
        lines = "".join(f"{ours} {theirs}\n" for ours, theirs in left).encode("ascii")
        # Without a common ancestor git would refuse, and take the answers to all other pairs with it.
        options = ("--write-tree", "--stdin", "-z", "--name-only", "--messages", "--allow-unrelated-histories")
        done = git.run("merge-tree", *options, stdin=lines, ok=range(-64, 256))
        answers = parse_answers(done.stdout)
        found += answers
        if len(answers) < len(left):
            faults += 1
            if faults > FAULTS or done.code == 0:
                raise GitFailed(done)
            found.append(None)
    return found


def parse_answers(output: bytes) -> list[PairMerge]:
    """Read the whole answers in what ``git merge-tree --stdin -z --name-only --messages`` wrote; half a one is left."""
    fields = output.split(b"\0")[:-1]
    found: list[PairMerge] = []
    at = 0
    try:
        while at < len(fields):
            clean, tree = fields[at] == b"1", fields[at + 1].decode("ascii")
            end = fields.index(b"", at + 2)
            paths = fields[at + 2 : end]
            at = end + 1
            clashes: list[Clash] = []
            # An empty field is the end, and so is git's advice about submodules, which is written in its place.
            while fields[at].isdigit():
                count = int(fields[at])
                kind, words = (field.decode("utf-8", "replace") for field in fields[at + count + 1 : at + count + 3])
                if kind.startswith(_CONFLICT):
                    named = tuple(fields[at + 1 : at + count + 1])
                    clashes.append(Clash(kind.removeprefix(_CONFLICT).removesuffix(")"), named, words.rstrip("\n")))
                at += count + 3
            at += 1
            found.append(PairMerge(clean, tree, tuple(sorted(set(paths))), tuple(clashes)))
    except (IndexError, ValueError):
        # git ended in the middle of it.
        pass
    return found

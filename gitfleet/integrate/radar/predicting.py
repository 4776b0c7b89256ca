"""Which of many commits would conflict when merged, pair by pair; a constant number of git processes.

The merges are git's own, computed as the train computes them (see ``attributes`` for where). A prediction says what a
merge of exactly these two would come to now: that others land in between, or that a person resolves it, is not in it.
Pairs that cannot conflict are not merged; of those merged before, the answer is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed
from gitfleet.git.merging_pairs import Clash, PairMerge, merge_pairs
from gitfleet.integrate.radar.ancestry import Ancestry, find_bases, parse_walk
from gitfleet.integrate.radar.attributes import lay_out
from gitfleet.integrate.radar.meeting import Touched, folded, may_conflict, parse_diffs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitfleet.integrate.radar.scratch import Scratch

COMMITS = 50_000
"""How far histories are walked; pairs that meet further down are merged without asking whether they can conflict."""

PAIRS = 5_000
"""Most pairs that are merged in one go, about five seconds' worth; the rest is left out and counted."""

CASE = "case"
NO_BASE = "no common history"
UNKNOWN = "git cannot merge it"


@dataclass(frozen=True, slots=True)
class Conflict:
    """What a merge of two sides would conflict in; ``kinds`` are git's words, such as ``modify/delete``."""

    paths: tuple[bytes, ...]
    kinds: tuple[str, ...]
    clashes: tuple[Clash, ...] = ()


@dataclass(slots=True)
class Counts:
    """What a round did: pairs there were, pairs that could conflict, merges that git made, pairs left out."""

    pairs: int = 0
    meeting: int = 0
    merged: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Radar:
    """Predicts in one scratch, and remembers what it predicted; ``fold``: names are compared as the repository does."""

    scratch: Scratch
    fold: bool
    counts: Counts = field(default_factory=Counts)
    _known: dict[tuple[str, str], Conflict | None] = field(default_factory=dict)
    _attributes: str = ""

    def predict(self, pairs: Iterable[tuple[str, str]], attributes: str) -> dict[tuple[str, str], Conflict]:
        """Give the conflicts among pairs of commits; a merge goes into the first of a pair.

        ``attributes`` is the commit whose attributes count. Raises ``GitFailed`` and ``OSError``.
        """
        if attributes != self._attributes:
            self._known.clear()
            self._attributes = attributes
        wanted = list(dict.fromkeys(pair for pair in pairs if pair[0] != pair[1]))
        self.counts = Counts(pairs=len(wanted))
        fresh = [pair for pair in wanted if pair not in self._known]
        known = {pair: self._known[pair] for pair in wanted if pair in self._known}
        if fresh:
            known |= self._judge(fresh, attributes)
        # What no pair asks for any more is forgotten.
        self._known = known
        return {pair: found for pair, found in known.items() if found is not None}

    def _judge(self, pairs: Sequence[tuple[str, str]], attributes: str) -> dict[tuple[str, str], Conflict | None]:
        judged: dict[tuple[str, str], Conflict | None] = {}
        ancestry = self._walk(list(dict.fromkeys(tip for pair in pairs for tip in pair)))
        bases = {pair: _bases(ancestry, pair) for pair in pairs}
        touched = self._touched(ancestry, bases)
        meeting: list[tuple[str, str]] = []
        for pair, found in bases.items():
            if not found and ancestry.whole:
                judged[pair] = Conflict((), (NO_BASE,))
            elif found in {(pair[0],), (pair[1],)} or self._apart(touched, found, pair):
                judged[pair] = None
            else:
                meeting.append(pair)
        self.counts.meeting = len(meeting)
        self.counts.left_out = max(len(meeting) - PAIRS, 0)
        if meeting:
            lay_out(self.scratch, attributes)
            merges = merge_pairs(self.scratch.git, meeting[:PAIRS])
            self.counts.merged = len(merges)
            for pair, merge in zip(meeting, merges, strict=False):
                judged[pair] = self._conflict(pair, merge, bases[pair], touched)
        return judged

    @staticmethod
    def _apart(touched: dict[tuple[str, str], Touched], bases: tuple[str, ...], pair: tuple[str, str]) -> bool:
        """Whether a conflict of the two can be excluded."""
        return len(bases) == 1 and not may_conflict(touched[bases[0], pair[0]], touched[bases[0], pair[1]])

    def _walk(self, tips: list[str]) -> Ancestry:
        """Read the history from the tips down to where all of them meet, that commit included."""
        git = self.scratch.git
        met = git.run("merge-base", "--octopus", "--all", *tips, ok=(0, 1)).text.split()
        options = ["--topo-order", "--no-commit-header", "--format=%H %T %P", f"--max-count={COMMITS}", "--stdin"]
        lines = "".join(f"{line}\n" for line in (*tips, *(f"^{commit}^@" for commit in met))).encode("ascii")
        nodes = list(parse_walk(git.run("rev-list", *options, stdin=lines).text))
        return find_bases(tips, nodes, whole=len(nodes) < COMMITS)

    def _touched(
        self, ancestry: Ancestry, bases: dict[tuple[str, str], tuple[str, ...]]
    ) -> dict[tuple[str, str], Touched]:
        """What each side changed against each single base that it has with another, by base and side."""
        wanted = dict.fromkeys((found[0], side) for pair, found in bases.items() if len(found) == 1 for side in pair)
        trees = {(base, side): (ancestry.trees[base], ancestry.trees[side]) for base, side in wanted}
        lines = "".join(f"{old} {new}\n" for old, new in dict.fromkeys(trees.values())).encode("ascii")
        if not lines:
            return {}
        options = ("--stdin", "-z", "-r", "-t", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
        diffs = parse_diffs(self.scratch.git.run("diff-tree", *options, stdin=lines).stdout, fold=self.fold)
        # Trees that are the same have no line of their own where git sees that at once.
        return {key: diffs.get(pair, Touched()) for key, pair in trees.items()}

    def _conflict(
        self,
        pair: tuple[str, str],
        merge: PairMerge | None,
        bases: tuple[str, ...],
        touched: dict[tuple[str, str], Touched],
    ) -> Conflict | None:
        if merge is None:
            return Conflict((), (UNKNOWN,))
        if not merge.clean:
            kinds = tuple(dict.fromkeys(clash.kind for clash in merge.clashes))
            paths = set(merge.paths) or {path for clash in merge.clashes for path in clash.paths}
            return Conflict(tuple(sorted({_plain(path, pair) for path in paths})), kinds, merge.clashes)
        if self.fold and len(bases) == 1:
            both = touched[bases[0], pair[0]].added & touched[bases[0], pair[1]].added
            return self._two_spellings(merge.tree, both) if both else None
        return None

    def _two_spellings(self, tree: str, names: frozenset[bytes]) -> Conflict | None:
        """Git merges two spellings of one name without a word; a file system that folds them has room for one."""
        spelled: dict[bytes, set[bytes]] = {}
        for path in self.scratch.git.run("ls-tree", "-r", "-z", "--name-only", tree).stdout.split(b"\0"):
            if folded(path) in names:
                spelled.setdefault(folded(path), set()).add(path)
        paths = sorted(path for same in spelled.values() if len(same) > 1 for path in same)
        return Conflict(tuple(paths), (CASE,)) if paths else None


def _plain(path: bytes, pair: tuple[str, str]) -> bytes:
    """The path as the side has it: where both cannot be, git calls one ``path~<commit>``."""
    for side in pair:
        name, found, _ = path.rpartition(b"~" + side.encode("ascii"))
        if found:
            return name
    return path


def _bases(ancestry: Ancestry, pair: tuple[str, str]) -> tuple[str, ...]:
    return ancestry.bases.get(pair) or ancestry.bases.get((pair[1], pair[0]), ())


__all__ = ["CASE", "NO_BASE", "UNKNOWN", "Conflict", "Counts", "GitFailed", "Radar"]

"""Candidates: runs merged one after the other on a commit, in memory, one two-parent merge commit each.

Attributes are read from the directory that git runs in, so the integration worktree is made clean at the base first;
one that no check has run in yet is empty, and then git reads them from its index.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from gitfleet.git.merging import Conflicted, DriverFailed, Merged, NoBase
from gitfleet.git.worktrees import INSTANCE_FILE
from gitfleet.integrate.apart import Apart
from gitfleet.integrate.conflicts import explain, merge_run, named, outside
from gitfleet.integrate.gate.crossing import Barred
from gitfleet.integrate.rewritten import Entangled, TakenOver, brings_back, take_over
from gitfleet.integrate.train.outcome import Candidate, Clash, Entry
from gitfleet.integrate.verify import check_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.gate.crossing import Border
    from gitfleet.model.evidence import Verification
    from gitfleet.model.plan import Check

_OURS = frozenset({".git", INSTANCE_FILE})


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds the candidates of one train; ``git`` runs in the integration worktree."""

    objects: Objects
    git: Git
    target: str
    checks: Sequence[Check]
    border: Border
    keep: Sequence[str] = ()
    _aparts: dict[str, Apart] = field(default_factory=dict)

    def begin(self, base: str) -> None:
        """Make the worktree clean at the commit that is merged on."""
        tree = self.git.directory
        if not tree.is_dir() or any(entry.name not in _OURS for entry in tree.iterdir()):
            check_out(self.git, base, self.keep)
        else:
            self.git.run("read-tree", "--reset", base)

    def extend(self, candidate: Candidate, entries: Iterable[Entry]) -> Candidate:
        """Merge entries on top of a candidate, in order.

        What conflicts is left out and named, and so is what needs a run that is not in the candidate.
        """
        commit, merged = candidate.commit, list(candidate.merged)
        clashes, held = list(candidate.clashes), list(candidate.held)
        inside = {entry.task for entry, _ in merged}
        for entry in entries:
            if not entry.needs <= inside:
                held.append(entry)
                continue
            result = self._merge(candidate.base, commit, entry)
            if isinstance(result, Clash):
                clashes.append(result)
                continue
            commit = result
            merged.append((entry, commit))
            inside.add(entry.task)
        return Candidate(candidate.base, commit, tuple(merged), tuple(clashes), tuple(held))

    def _merge(self, base: str, commit: str, entry: Entry) -> str | Clash:
        tip = self._tip(base, entry)
        if isinstance(tip, Clash):
            return tip
        apart = self._aparts.setdefault(base, Apart(self.objects, base))
        tree = apart.merge(commit, tip, entry.began if tip == entry.tip else base)
        result = merge_run(self.git, commit, tip) if tree is None else Merged(tree)
        match result:
            case Conflicted():
                found = explain(self.git, commit, tip, result)
                return Clash(entry, found, f"it conflicts with {self.target} in {named(found)}")
            case DriverFailed():
                return Clash(entry, (), f"it could not be merged into {self.target}: {result.why}")
            case NoBase():
                cut = "; this clone is shallow, `git fetch --unshallow` brings the rest" if result.shallow else ""
                return Clash(entry, (), f"its branch and {self.target} have no common ancestor here{cut}")
            case Merged():
                crossed = self.border.cross(entry.instance, entry.bounds, commit, result.tree)
                if isinstance(crossed, Barred):
                    found = outside(self.git, self.objects, commit, tip, result.tree, crossed.found)
                    why = f"merging it would change {named(found)}, which is outside its scope"
                    return Clash(entry, found, f"{why}; {crossed.why}" if crossed.why else why)
                names = [check.title for check in self.checks]
                return self.objects.create_commit(crossed.tree, [commit, tip], _message(entry, names))
            case _:
                assert_never(result)

    def _tip(self, base: str, entry: Entry) -> str | Clash:
        """What of an entry is merged: its own tip, unless that would bring back what a person took off the target."""
        if not brings_back(self.objects, entry.tip, entry.began, base):
            return entry.tip
        result = take_over(self.git, self.objects, entry.tip, entry.began, base)
        match result:
            case TakenOver(commit):
                return commit
            case Conflicted():
                found = explain(self.git, base, entry.tip, result)
                return Clash(entry, found, f"{self.target} was rewritten, and it conflicts there in {named(found)}")
            case DriverFailed():
                return Clash(entry, (), f"{self.target} was rewritten, and it could not be merged: {result.why}")
            case Entangled():
                return Clash(entry, (), f"{self.target} was rewritten after it had merged commits that are gone now")
            case _:
                assert_never(result)

    def attest(self, candidate: Candidate, verification: Verification) -> Candidate:
        """The candidate with trailers that name the checks which were green on it, and no others; trees are the same.

        Merge commits are made before anything is checked, and say that all checks passed; mostly that comes true.
        """
        green = [check.name for check in verification.checks if check.green]
        if green == [check.title for check in self.checks]:
            return candidate
        commit = candidate.base
        merged: list[tuple[Entry, str]] = []
        for entry, step in candidate.merged:
            made = self.objects.commit(step)
            commit = self.objects.create_commit(made.tree, [commit, made.parents[1]], _message(entry, green))
            merged.append((entry, commit))
        return replace(candidate, commit=commit, merged=tuple(merged))


def _message(entry: Entry, checks: Sequence[str]) -> str:
    """Subject and trailers of a run's merge commit (DESIGN 9)."""
    subject = " ".join(f"Merge {entry.task}: {entry.name} ({entry.instance})".split())
    names = ", ".join(" ".join(name.split()) for name in checks) or "none"
    return f"{subject}\n\nGitfleet-Instance: {entry.instance}\nGitfleet-Verified: {names}\n"

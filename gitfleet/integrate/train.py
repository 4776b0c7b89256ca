"""The train: gated runs become one candidate, the candidate is checked, and the target moves to it or to nothing.

One train runs per target at a time; its caller holds the target's lock, and proves it. Merges are computed without a
checkout, in dependency then plan order, one two-parent merge commit per run. Every outcome is a value; nothing here
writes a session's books.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gitfleet.git.merging import Conflicted, Merged, NoBase, merge
from gitfleet.git.refs import zero
from gitfleet.git.trees import FILE, TreeEntry
from gitfleet.integrate import gate, landing
from gitfleet.integrate.apart import Apart
from gitfleet.integrate.rewritten import Entangled, TakenOver, brings_back, take_over
from gitfleet.integrate.verify import Interrupted, verify
from gitfleet.model.evidence import Verdict, Verification
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.git.refs import Refs
    from gitfleet.integrate.verify import Runner
    from gitfleet.model.plan import Check
    from gitfleet.planner.scopes import Scope

MOVES_ALLOWED = 3
"""How often others may move the target under a train before a person is asked (DESIGN 9)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A gated run on its way to the target."""

    task: str
    name: str
    instance: str
    tip: str
    scope: Scope
    began: str = ""
    """The commit of the target that the run began from."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A run that could not be merged, with the paths and a sentence that says why."""

    entry: Entry
    paths: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit that integrates runs on top of the target, not landed yet; ``commit`` is ``base`` when none merged."""

    base: str
    commit: str
    merged: tuple[tuple[Entry, str], ...]
    clashes: tuple[Clash, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a landing carries on top of its candidate: record files by path, and the record commit's message."""

    files: Mapping[str, bytes]
    message: str


@dataclass(frozen=True, slots=True)
class Landed:
    """The target moved from ``candidate.base`` to ``commit``."""

    candidate: Candidate
    verification: Verification
    commit: str


@dataclass(frozen=True, slots=True)
class NothingMerged:
    """Every run of the batch conflicts; the target did not move."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Red:
    """The checks fail on the candidate and pass on its base: the candidate's runs are to blame."""

    candidate: Candidate
    verification: Verification


@dataclass(frozen=True, slots=True)
class BaseRed:
    """The checks fail on the target itself: nobody is to blame and nothing lands."""

    candidate: Candidate
    verification: Verification


@dataclass(frozen=True, slots=True)
class Stopped:
    """The landing needs a person; ``candidate`` is kept. ``code`` is stable, ``paths`` are in the way.

    ``landed`` is the commit the target moved to when only bringing a checkout along is left, else empty.
    """

    candidate: Candidate
    code: str
    message: str
    paths: tuple[str, ...] = ()
    verification: Verification | None = None
    landed: str = ""


TrainOutcome = Landed | NothingMerged | Red | BaseRed | Stopped | Interrupted


@dataclass(frozen=True, slots=True)
class Train:
    """Everything that one target's train needs.

    ``git`` runs in the integration worktree. ``seal`` turns a verified candidate into records, ``before_landing`` is
    told the commit that the target is about to move to, and ``lander`` moves it.
    """

    objects: Objects
    refs: Refs
    git: Git
    runner: Runner
    checks: Sequence[Check]
    target: str
    session: str
    label: str
    fold: bool
    seal: Callable[[Candidate, Verification], Sealed]
    before_landing: Callable[[str], None]
    lander: Callable[[str, str], landing.LandingOutcome]
    say: Callable[[str], None]

    def run(self, entries: Sequence[Entry]) -> TrainOutcome:
        """Take the batch to the target: candidate, checks, landing; rebuilt when others moved the target."""
        known: dict[str, Verification] = {}
        candidate = Candidate("", "", (), ())
        for _ in range(MOVES_ALLOWED + 1):
            base = self.refs.read(self.target)
            if base is None:
                return Stopped(candidate, "target-gone", f"The target {self.target} does not exist any more.")
            candidate = self.build(base, entries)
            if not candidate.merged:
                return NothingMerged(candidate)
            checked = self._verify(candidate.commit, known)
            if isinstance(checked, Interrupted):
                return checked
            if checked.verdict is Verdict.RED:
                return self._blame(candidate, checked, known)
            outcome = self._land(candidate, checked)
            if outcome is not None:
                return outcome
        message = f"{self.target} was moved by others {MOVES_ALLOWED + 1} times while this session tried to land."
        return Stopped(candidate, "target-moves", message)

    def build(self, base: str, entries: Sequence[Entry]) -> Candidate:
        """Merge the entries one after the other on ``base``, skipping those that conflict."""
        self.git.run("read-tree", "--reset", base)
        check_names = ", ".join(" ".join(check.title.split()) for check in self.checks) or "none"
        commit = base
        merged: list[tuple[Entry, str]] = []
        clashes: list[Clash] = []
        apart = Apart(self.objects, base)
        for entry in entries:
            tip = self._tip(entry, base)
            if isinstance(tip, Clash):
                clashes.append(tip)
                continue
            tree = apart.merge(commit, tip, entry.began if tip == entry.tip else base)
            result = merge(self.git, commit, tip) if tree is None else Merged(tree)
            match result:
                case Conflicted():
                    paths = tuple(quote_path(path) for path in result.paths)
                    clashes.append(Clash(entry, paths, f"it conflicts with {self.target} in {', '.join(paths)}"))
                case NoBase():
                    cut = "; this clone is shallow, `git fetch --unshallow` brings the rest" if result.shallow else ""
                    why = f"its branch and {self.target} have no common ancestor here{cut}"
                    clashes.append(Clash(entry, (), why))
                case Merged():
                    step = self.objects.create_commit(result.tree, [commit, tip], _message(entry, check_names))
                    carried = gate.carried(self.objects, step, entry.scope, fold=self.fold)
                    if carried:
                        paths = tuple(violation.path for violation in carried)
                        why = f"merging it would change {', '.join(paths)}, which is outside its scope"
                        clashes.append(Clash(entry, paths, why))
                    else:
                        commit = step
                        merged.append((entry, step))
                case _:
                    assert_never(result)
        return Candidate(base, commit, tuple(merged), tuple(clashes))

    def _tip(self, entry: Entry, base: str) -> str | Clash:
        """What of an entry is merged: its own tip, unless that would bring back what a person took off the target."""
        if not brings_back(self.objects, entry.tip, entry.began, base):
            return entry.tip
        result = take_over(self.git, self.objects, entry.tip, entry.began, base)
        match result:
            case TakenOver(commit):
                return commit
            case Conflicted():
                paths = tuple(quote_path(path) for path in result.paths)
                return Clash(entry, paths, f"{self.target} was rewritten, and it conflicts there in {', '.join(paths)}")
            case Entangled():
                return Clash(entry, (), f"{self.target} was rewritten after it had merged commits that are gone now")
            case _:
                assert_never(result)

    def _verify(self, commit: str, known: dict[str, Verification]) -> Verification | Interrupted:
        if commit not in known:
            result = verify(self.objects, self.git, self.runner, self.checks, commit, label=self.label, say=self.say)
            if isinstance(result, Interrupted):
                return result
            known[commit] = result
        return known[commit]

    def _blame(self, candidate: Candidate, red: Verification, known: dict[str, Verification]) -> TrainOutcome:
        self.say("verify: the target itself, because the candidate is red")
        base = self._verify(candidate.base, known)
        if isinstance(base, Interrupted):
            return base
        if base.verdict is Verdict.RED:
            return BaseRed(candidate, base)
        return Red(candidate, red)

    def _land(self, candidate: Candidate, checked: Verification) -> TrainOutcome | None:
        """Put the records on top and move the target; None when the target moved meanwhile."""
        sealed = self.seal(candidate, checked)
        top = candidate.commit
        if sealed.files:
            top = self._record_commit(candidate.commit, sealed)
        candidates = f"refs/gitfleet/candidates/{self.session}"
        self.refs.update(candidates, top, self.refs.read(candidates) or zero(top))
        self.before_landing(top)
        self.say(f"land on {self.target}")
        outcome = self.lander(candidate.base, top)
        match outcome:
            case landing.Landed():
                return Landed(candidate, checked, top)
            case landing.TargetMoved():
                self.say(f"{self.target} moved; the candidate is rebuilt")
                return None
            case landing.InTheWay() | landing.Busy():
                return stopped_by(outcome, candidate, checked, top)
            case _:
                assert_never(outcome)

    def _record_commit(self, commit: str, sealed: Sealed) -> str:
        changes = {
            path.encode("utf-8"): TreeEntry(FILE, self.objects.write_blob(data)) for path, data in sealed.files.items()
        }
        tree = self.objects.edit_tree(self.objects.commit(commit).tree, changes)
        return self.objects.create_commit(tree, [commit], sealed.message)


def _message(entry: Entry, check_names: str) -> str:
    """Subject and trailers of a run's merge commit (DESIGN 9)."""
    subject = " ".join(f"Merge {entry.task}: {entry.name} ({entry.instance})".split())
    return f"{subject}\n\nGitfleet-Instance: {entry.instance}\nGitfleet-Verified: {check_names}\n"


def stopped_by(
    outcome: landing.InTheWay | landing.Busy, candidate: Candidate, checked: Verification | None, top: str
) -> Stopped:
    """A landing that a person's work or another process keeps from happening, or from being finished."""
    landed = top if outcome.landed else ""
    if isinstance(outcome, landing.InTheWay):
        paths = tuple(quote_path(path) for path in outcome.paths)
        why = "; ".join(outcome.why.splitlines())
        message = f"The landing waits: {why}. Commit, stash or move what is yours there."
        return Stopped(candidate, "in-the-way", message, paths, checked, landed)
    return Stopped(candidate, "target-busy", f"{outcome.why} ({outcome.who})", (), checked, landed)

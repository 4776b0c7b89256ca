"""The train: gated runs become one candidate, the candidate is checked, and the target moves to what is green of it.

One train runs per target at a time; its caller holds the target's lock, and proves it. Runs are merged in dependency
then plan order. Nothing lands but a tree that was checked as a whole; who is to blame for a red one is decided by
``bisecting``. Every outcome is a value; nothing here writes a session's books.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from gitfleet.git.refs import zero
from gitfleet.git.trees import FILE, TreeEntry
from gitfleet.integrate import landing
from gitfleet.integrate.train.bisecting import BaseToBlame, Eject, Line, Look, Settled
from gitfleet.integrate.train.outcome import (
    BaseRed,
    Candidate,
    Ejection,
    Entry,
    Landed,
    NothingLands,
    Sealed,
    Stopped,
    Tally,
    TrainOutcome,
)
from gitfleet.integrate.verify import Interrupted
from gitfleet.model.evidence import Verdict, Verification
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitfleet.git.objects import Objects
    from gitfleet.git.refs import Refs
    from gitfleet.integrate.train.building import Builder
    from gitfleet.integrate.train.judging import Judge

MOVES_ALLOWED = 3
"""How often others may move the target under a train before a person is asked (DESIGN 9)."""


@dataclass(slots=True)
class Train:
    """Everything that one target's train needs.

    ``seal`` turns a verified candidate into records, ``before_landing`` is told the commit that the target is about to
    move to, and ``lander`` moves it.
    """

    objects: Objects
    refs: Refs
    builder: Builder
    judge: Judge
    target: str
    session: str
    seal: Callable[[Candidate, Verification, Tally], Sealed]
    before_landing: Callable[[str], None]
    lander: Callable[[str, str], landing.LandingOutcome]
    say: Callable[[str], None]
    _ejected: list[Ejection] = field(default_factory=list)

    def run(self, entries: Sequence[Entry]) -> TrainOutcome:
        """Take the batch to the target: candidate, checks, landing; rebuilt when others moved the target.

        Who was ejected before the target moved stays ejected: the checks were red on what was the target then.
        """
        candidate = Candidate("", "", (), ())
        for _ in range(MOVES_ALLOWED + 1):
            base = self.refs.read(self.target)
            if base is None:
                return Stopped(candidate, "target-gone", f"The target {self.target} does not exist any more.")
            found = self._settle(base, entries)
            if not isinstance(found, Candidate):
                return found
            candidate = found
            if not candidate.merged:
                return NothingLands(candidate, self._tally())
            checked = self.judge.look(candidate.commit, base, like=candidate.commit)  # known, and not run again
            if isinstance(checked, Interrupted):
                return checked
            outcome = self._land(self.builder.attest(candidate, checked), checked)
            if outcome is not None:
                return outcome
        message = f"{self.target} was moved by others {MOVES_ALLOWED + 1} times while this session tried to land."
        return Stopped(candidate, "target-moves", message)

    def _settle(self, base: str, entries: Sequence[Entry]) -> Candidate | BaseRed | Interrupted:
        """The candidate on ``base`` that is green as a whole; empty where nothing of the batch is."""
        self.builder.begin(base)
        candidate = self.builder.extend(Candidate(base, base, (), ()), self._left(entries))
        line = Line(len(candidate.merged))
        while True:
            step = line.step()
            match step:
                case Settled():
                    return candidate
                case Look():
                    checked = self._look(candidate, step.prefix)
                    if isinstance(checked, Interrupted):
                        return checked
                    line = line.told(step.prefix, green=checked.verdict is not Verdict.RED)
                case BaseToBlame():
                    red = self._look(candidate, 0)
                    return red if isinstance(red, Interrupted) else BaseRed(candidate, red)
                case Eject():
                    red = self._look(candidate, step.green + 1)
                    # Mostly known: only a prefix that undoes what the whole leaves alone has checks of its own.
                    below = self._look(candidate, 0, like=step.green + 1)
                    if isinstance(red, Interrupted) or isinstance(below, Interrupted):
                        return Interrupted()
                    if below.verdict is Verdict.RED:
                        return BaseRed(candidate, below)
                    candidate = self._eject(candidate, step.green, red, entries)
                    line = Line(len(candidate.merged), step.green)
                case _:
                    assert_never(step)

    def _look(self, candidate: Candidate, prefix: int, like: int | None = None) -> Verification | Interrupted:
        """What the checks say of a prefix of the candidate; known after the first time.

        The base is asked what applies to the prefix of length ``like``, the whole unless given.
        """
        whole, commit = len(candidate.merged), candidate.prefix(prefix)
        if prefix == 0:
            self.judge.doing = ", the target itself, because the candidate is red"
        else:
            self.judge.doing = f", bisecting {whole} runs" if prefix < whole else f", {whole} runs"
        asked = prefix or (whole if like is None else like)
        return self.judge.look(commit, candidate.base, like=candidate.prefix(asked))

    def _eject(self, candidate: Candidate, green: int, red: Verification, entries: Sequence[Entry]) -> Candidate:
        """The candidate without the run behind its green prefix: what comes after that run is merged on the prefix.

        What could not be merged behind the culprit is tried again: it may have clashed with the culprit alone.
        """
        culprit, onto = candidate.merged[green][0], candidate.prefix(green)
        self._ejected.append(Ejection(culprit, red, onto))
        behind = entries[entries.index(culprit) + 1 :]
        before = replace(
            candidate,
            commit=onto,
            merged=candidate.merged[:green],
            clashes=tuple(clash for clash in candidate.clashes if clash.entry not in behind),
            held=tuple(entry for entry in candidate.held if entry not in behind),
        )
        self.builder.begin(candidate.base)
        return self.builder.extend(before, self._left(behind))

    def _left(self, entries: Sequence[Entry]) -> list[Entry]:
        gone = {ejection.entry.task for ejection in self._ejected}
        return [entry for entry in entries if entry.task not in gone]

    def _tally(self) -> Tally:
        return Tally(tuple(self._ejected), self.judge.checked)

    def _land(self, candidate: Candidate, checked: Verification) -> TrainOutcome | None:
        """Put the records on top and move the target; None when the target moved meanwhile."""
        sealed = self.seal(candidate, checked, self._tally())
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

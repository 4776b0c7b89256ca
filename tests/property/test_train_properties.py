"""Trains of made-up runs: what lands was checked as a whole, has what it needs, and nobody stays behind for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from gitfleet.integrate import landing
from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.train import BaseRed, Candidate, Clash, Entry, Landed, NothingLands, Sealed, Train
from gitfleet.model.evidence import Verdict, Verification
from gitfleet.planner.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.git.objects import Objects
    from gitfleet.git.refs import Refs
    from gitfleet.integrate.train import Builder, Judge

EVERYTHING = Scope.parse(["."])
COUNT = 10


class Pretend:
    """Builder, judge and refs at once; a commit is the names of what it holds, and some are red or do not merge."""

    def __init__(self, broken: list[frozenset[int]], clashing: list[frozenset[int]]) -> None:
        self.broken, self.clashing = broken, clashing
        self.looked: list[str] = []
        self.checked, self.doing = 0, ""

    def read(self, _ref: str) -> str:
        return "base"

    def update(self, *_: str) -> None:
        return None

    def begin(self, _base: str) -> None:
        return None

    def attest(self, candidate: Candidate, _verification: Verification) -> Candidate:
        return candidate

    def extend(self, candidate: Candidate, entries: Iterable[Entry]) -> Candidate:
        commit, merged = candidate.commit, list(candidate.merged)
        clashes, held = list(candidate.clashes), list(candidate.held)
        for entry in entries:
            inside = {int(name) for name in commit.split()[1:]}
            if not entry.needs <= {str(name) for name in inside}:
                held.append(entry)
            elif any(pair <= inside | {int(entry.task)} for pair in self.clashing):
                clashes.append(Clash(entry, (), "it conflicts"))
            else:
                commit = f"{commit} {entry.task}"
                merged.append((entry, commit))
        return Candidate(candidate.base, commit, tuple(merged), tuple(clashes), tuple(held))

    def red(self, commit: str) -> bool:
        inside = {int(name) for name in commit.split()[1:]}
        return any(group <= inside for group in self.broken)

    def look(self, commit: str, _base: str, *, like: str) -> Verification:
        assert like
        self.looked.append(commit)
        return Verification(verdict=Verdict.RED if self.red(commit) else Verdict.VERIFIED)


GROUPS = st.lists(st.frozensets(st.integers(0, COUNT - 1), min_size=1, max_size=3), max_size=4)
PAIRS = st.lists(st.frozensets(st.integers(0, COUNT - 1), min_size=2, max_size=2), max_size=3)
NEEDS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)), max_size=6)


@given(GROUPS, PAIRS, NEEDS, st.booleans())
def test_what_lands_was_checked_whole_with_all_that_it_needs(
    broken: list[frozenset[int]],
    clashing: list[frozenset[int]],
    needs: list[tuple[int, int]],
    base_red: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    pretend = Pretend([*broken, frozenset()] if base_red else broken, clashing)
    entries = [
        Entry(
            str(number),
            "",
            "",
            "",
            Bounds.of(EVERYTHING),
            frozenset(str(before) for before, after in needs if after == number and before < number),
        )
        for number in range(COUNT)
    ]
    outcome = Train(
        objects=cast("Objects", None),
        refs=cast("Refs", pretend),
        builder=cast("Builder", pretend),
        judge=cast("Judge", pretend),
        target="main",
        session="s",
        seal=lambda *_: Sealed({}, ""),
        before_landing=lambda _: None,
        lander=lambda _old, _new: landing.Landed(),
        say=lambda _: None,
    ).run(entries)
    if base_red:
        assert isinstance(outcome, BaseRed)
        return
    assert isinstance(outcome, Landed | NothingLands)
    candidate = outcome.candidate
    landed = {entry.task for entry, _ in candidate.merged}
    clashes, held = (
        {entry.task for entry in group} for group in ([c.entry for c in candidate.clashes], candidate.held)
    )
    assert all(entry.needs <= landed for entry, _ in candidate.merged)
    assert all(not entry.needs <= landed for entry in candidate.held)
    ejected = {entry.task for entry in entries} - landed - clashes - held
    if landed:
        assert candidate.commit in pretend.looked
        assert not pretend.red(candidate.commit)
    if isinstance(outcome, NothingLands):
        assert {one.entry.task for one in outcome.tally.ejected} == ejected
    # Nobody is left behind who would merge, is green on top of what lands before it, and has what it needs.
    for task in ejected:
        before = [entry.task for entry, _ in candidate.merged if int(entry.task) < int(task)]
        assert pretend.red(" ".join(["base", *before, task]))

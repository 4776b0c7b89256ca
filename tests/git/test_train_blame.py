"""Who is to blame for a red candidate, in a real repository: culprits, pairs, the base, `when`, `baseline`, `keep`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitfleet.integrate.train import BaseRed, Landed, NothingLands, Stopped
from gitfleet.integrate.verify import Interrupted
from gitfleet.model.evidence import CheckResult, Verdict
from gitfleet.model.plan import Check
from gitfleet.model.verify_config import Baseline
from tests.support.yard import run_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.integrate import landing
    from gitfleet.integrate.verify import Runner
    from tests.support.git_env import GitCounter
    from tests.support.yard import Yard


class Trees:
    """A runner that counts how often each tree is checked."""

    def __init__(self, runner: Runner = run_here) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()
        self._runner = runner

    def __call__(self, check: Check, directory: Path, label: str) -> CheckResult | None:
        names = "\n".join(sorted(path.name for path in directory.iterdir() if path.is_file()))
        self.seen[check.run, names] += 1
        return self._runner(check, directory, label)

    @property
    def count(self) -> int:
        assert set(self.seen.values()) <= {1}, "no tree is checked twice"
        return sum(self.seen.values())


def names(entries: Sequence[object]) -> list[str]:
    return [getattr(entry, "task", "") or entry.entry.task for entry in entries]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 19), (18, 19), (7, 12), (9, 10)])
def test_two_of_twenty_break_it_only_together_and_nineteen_land(yard: Yard, one: int, other: int) -> None:
    entries = [yard.stem(f"r{number:02}") for number in range(20)]
    trees = Trees()
    outcome = yard.run(*entries, checks=[f"! test -e r{one:02} || ! test -e r{other:02}"], runner=trees)
    assert isinstance(outcome, Landed)
    print(f"r{one:02} and r{other:02} break it together: 19 land after {trees.count} runs of the check")  # noqa: T201 - the counts are for people
    assert trees.count <= 2 * log2(20) + 3
    assert yard.tally.checked == trees.count
    assert names(yard.tally.ejected) == [f"r{other:02}"]
    assert [entry.task for entry, _ in outcome.candidate.merged] == [f"r{n:02}" for n in range(20) if n != other]
    landed = yard.repo.files("main")
    assert {entry.task.encode() for entry in entries} - landed.keys() == {f"r{other:02}".encode()}


def test_three_of_twenty_break_it_alone_and_seventeen_land(yard: Yard) -> None:
    entries = [yard.stem(f"r{number:02}") for number in range(20)]
    trees = Trees()
    outcome = yard.run(*entries, checks=["! test -e r03 && ! test -e r11 && ! test -e r19"], runner=trees)
    assert isinstance(outcome, Landed)
    print(f"three break it alone: 17 land after {trees.count} runs of the check")  # noqa: T201 - the counts are for people
    assert len(outcome.candidate.merged) == 17
    assert names(yard.tally.ejected) == ["r03", "r11", "r19"]
    assert trees.count <= 2 + 3 * 6
    assert not {b"r03", b"r11", b"r19"} & yard.repo.files("main").keys()


def test_what_depends_on_an_ejected_run_is_held_and_the_rest_lands(yard: Yard) -> None:
    entries = [
        yard.stem("bad"),
        yard.stem("child", "bad"),
        yard.stem("good"),
        yard.stem("grandchild", "child"),
        yard.stem("friend", "good"),
        yard.stem("stranger", "not-here"),
    ]
    outcome = yard.run(*entries, checks=["! test -e bad"])
    assert isinstance(outcome, Landed)
    assert [entry.task for entry, _ in outcome.candidate.merged] == ["good", "friend"]
    assert names(outcome.candidate.held) == ["child", "grandchild", "stranger"]


def test_what_clashed_with_the_culprit_alone_rides_after_all(yard: Yard) -> None:
    bad = yard.stem("bad", files={"shared": "bad\n2\n3\n"})
    other = yard.stem("other", files={"shared": "other\n2\n3\n"})
    behind = yard.stem("behind", "other")
    outcome = yard.run(bad, other, behind, checks=["! grep -q bad shared"])
    assert isinstance(outcome, Landed)
    assert [entry.task for entry, _ in outcome.candidate.merged] == ["other", "behind"]
    assert (outcome.candidate.clashes, outcome.candidate.held) == ((), ())


def test_attributes_of_an_ejected_run_do_not_change_how_others_merge(yard: Yard) -> None:
    """Its tree is in the integration worktree when the rest is merged; a union merge would take both sides."""
    yard.repo.commit({"list": "a\n"}, "a list")
    bad = yard.stem("bad", files={".gitattributes": "list merge=union\n", "bad": "x"})
    one, two = yard.stem("one", files={"list": "a\none\n"}), yard.stem("two", files={"list": "a\ntwo\n"})
    outcome = yard.run(bad, one, two, checks=["! test -e bad"])
    assert isinstance(outcome, Landed)
    assert [entry.task for entry, _ in outcome.candidate.merged] == ["one"]
    assert [clash.entry.task for clash in outcome.candidate.clashes] == ["two"]


def test_when_all_break_it_nothing_lands_and_each_is_told_of_its_own_check(yard: Yard) -> None:
    checks = ["! test -e one", "! test -e two"]
    outcome = yard.run(yard.stem("one"), yard.stem("two"), checks=checks)
    assert isinstance(outcome, NothingLands)
    blamed = {one.entry.task: one.verification.blamed.run for one in outcome.tally.ejected}
    assert blamed == {"one": checks[0], "two": checks[1]}


@pytest.mark.parametrize("at", range(1, 6))
def test_an_interrupt_anywhere_in_a_bisect_decides_nothing(yard: Yard, at: int) -> None:
    left = at

    def stops(check: Check, directory: Path, label: str) -> CheckResult | None:
        nonlocal left
        left -= 1
        return run_here(check, directory, label) if left else None

    before = yard.repo.oid("main")
    entries = [yard.stem(f"r{number}") for number in range(4)]
    assert yard.run(*entries, checks=["! test -e r2"], runner=stops) == Interrupted()
    assert (yard.repo.oid("main"), yard.decided) == (before, [])


def test_a_target_that_moves_after_a_bisect_gets_the_rest_checked_on_top_of_it(yard: Yard) -> None:
    entries = [yard.stem(f"r{number}") for number in range(4)]
    trees = Trees()
    moved: list[str] = []

    def late(old: str, new: str) -> landing.LandingOutcome:
        if not moved:
            moved.append(yard.repo.commit({"other": "x"}, "somebody was faster"))
        return yard.land(old, new)

    outcome = yard.run(*entries, checks=["! test -e r2"], runner=trees, lander=late)
    assert isinstance(outcome, Landed)
    assert outcome.candidate.base == moved[0]
    assert outcome.verification.tree == yard.without_planning(outcome.candidate.commit)
    assert names(yard.tally.ejected) == ["r2"]
    assert yard.repo.files("main").keys() >= {b"r0", b"r1", b"r3", b"other"}
    # Whole, base, two halves, the rest, and the rest on what the target is now.
    assert trees.count == 6


def test_a_base_that_turned_red_meanwhile_takes_back_who_was_ejected(yard: Yard) -> None:
    entries = [yard.stem(f"r{number}") for number in range(2)]

    def late(old: str, new: str) -> landing.LandingOutcome:
        yard.repo.commit({"broken": "x"}, "somebody broke it")
        return yard.land(old, new)

    outcome = yard.run(*entries, checks=["! test -e r1 && ! test -e broken"], lander=late)
    assert isinstance(outcome, BaseRed)
    assert outcome.verification.blamed.run == "! test -e r1 && ! test -e broken"


def test_files_in_the_way_after_a_bisect_keep_what_was_verified(yard: Yard) -> None:
    entries = [yard.stem("bad"), yard.stem("good")]
    yard.repo.write("good", "somebody's own")
    outcome = yard.run(*entries, checks=["! test -e bad"])
    assert isinstance(outcome, Stopped)
    assert [entry.task for entry, _ in outcome.candidate.merged] == ["good"]


# -- which checks run ----------------------------------------------------------------------------------------------


def test_checks_that_a_batch_cannot_touch_are_skipped_and_not_named_as_passed(yard: Yard) -> None:
    checks = [
        Check(run="true", name="always"),
        Check(run="exit 1", name="docs", when=("docs/",)),
        Check(run="test -e src/a", name="src", when=("src/", "!src/gen/")),
    ]
    outcome = yard.run(yard.stem("one", files={"src/a": "a"}), checks=checks)
    assert isinstance(outcome, Landed)
    assert outcome.verification.verdict is Verdict.VERIFIED
    assert [(check.name, check.green, check.red, check.skipped) for check in outcome.verification.checks] == [
        ("always", True, False, ""),
        ("docs", False, False, "nothing in docs/ changed"),
        ("src", True, False, ""),
    ]
    assert yard.repo.git("log", "-1", "--format=%b", "main").endswith("Gitfleet-Verified: always, src")


def test_a_landing_on_which_every_check_was_skipped_is_unverified(yard: Yard) -> None:
    checks = [Check(run="exit 1", when=("docs/",)), Check(run="exit 1", when=("src/", "!src/gen/"))]
    outcome = yard.run(yard.stem("one", files={"src/gen/a": "a"}), checks=checks)
    assert isinstance(outcome, Landed)
    assert outcome.verification.verdict is Verdict.UNVERIFIED
    assert all(check.skipped for check in outcome.verification.checks)
    assert yard.repo.git("log", "-1", "--format=%b", "main").endswith("Gitfleet-Verified: none")


def test_the_base_is_asked_only_what_the_candidate_was_asked(yard: Yard) -> None:
    """`docs` is red on the target; nobody touched it, and who broke `src` is to blame all the same."""
    checks = [Check(run="false", name="docs", when=("docs/",)), Check(run="! test -e src/bad", when=("src/",))]
    bad, good = yard.stem("bad", files={"src/bad": "x"}), yard.stem("good", files={"src/good": "x"})
    outcome = yard.run(bad, good, checks=checks)
    assert isinstance(outcome, Landed)
    assert names(yard.tally.ejected) == ["bad"]


def test_a_prefix_that_needs_more_checks_than_the_whole_has_its_base_asked_too(yard: Yard) -> None:
    """A run takes back what one before it did: its check applies to the prefix alone, and is red on the base."""
    yard.repo.commit({"docs/a": "odd"}, "docs")
    checks = [Check(run="! test -e bad"), Check(run="! grep -q odd docs/a", name="docs", when=("docs/",))]
    one = yard.stem("one", files={"docs/a": "odd still"})
    back = yard.stem("back", files={"bad": "x"})
    tree = yard.objects.commit(back.tip).tree
    back = replace(back, tip=yard.objects.create_commit(tree, [one.tip], "back"))
    outcome = yard.run(one, back, checks=checks)
    assert isinstance(outcome, BaseRed)
    assert outcome.verification.blamed.name == "docs"


# -- a target that fails ---------------------------------------------------------------------------------------------


def test_with_baseline_allow_what_was_red_before_counts_against_nobody(yard: Yard) -> None:
    checks = ["echo old; false", "! test -e bad", "true"]
    trees = Trees()
    entries = yard.stem("good"), yard.stem("bad"), yard.stem("also")
    outcome = yard.run(*entries, checks=checks, runner=trees, baseline=Baseline.ALLOW)
    assert isinstance(outcome, Landed)
    assert names(yard.tally.ejected) == ["bad"]
    assert yard.tally.ejected[0].verification.blamed.run == "! test -e bad"
    assert [entry.task for entry, _ in outcome.candidate.merged] == ["good", "also"]
    assert outcome.verification.verdict is Verdict.NO_WORSE
    # All checks ran, also behind the red one.
    assert [(check.green, check.was_red) for check in outcome.verification.checks] == [
        (False, True),
        (True, False),
        (True, False),
    ]
    body = yard.repo.git("log", "-1", "--format=%b", "main")
    assert body.endswith("Gitfleet-Verified: ! test -e bad, true")
    assert trees.count == len(checks) * yard.tally.checked


def test_with_baseline_allow_a_green_candidate_is_verified_like_any_other(yard: Yard) -> None:
    outcome = yard.run(yard.stem("fixes"), checks=["test -e fixes"], baseline=Baseline.ALLOW)
    assert isinstance(outcome, Landed)
    assert outcome.verification.verdict is Verdict.VERIFIED


# -- one check -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("late", "verdict"), [(1, Verdict.VERIFIED), (9, None)])
def test_a_check_that_timed_out_runs_once_more_on_files_as_they_land(
    yard: Yard, late: int, verdict: Verdict | None
) -> None:
    ran: list[str] = []

    def slow(check: Check, directory: Path, label: str) -> CheckResult | None:
        ran.append((directory / "shared").read_text())
        (directory / "shared").write_text("half done")
        if len(ran) <= late:
            return CheckResult(name=check.title, run=check.run, signal=15, timed_out=True, seconds=3.0)
        (directory / "shared").write_text("1\n2\n3\n")
        return run_here(check, directory, label)

    outcome = yard.run(yard.stem("one"), checks=["true"], runner=slow)
    assert set(ran) == {"1\n2\n3\n"}
    if verdict is None:
        # The base was slow, too: it is nobody's fault.
        assert isinstance(outcome, BaseRed)
        (check,) = outcome.verification.checks
        assert (check.timed_out, check.retried, len(ran)) == (True, True, 4)
    else:
        assert isinstance(outcome, Landed)
        (check,) = outcome.verification.checks
        assert (outcome.verification.verdict, check.retried, check.green, len(ran)) == (verdict, True, True, 2)


def test_keep_leaves_ignored_files_from_check_to_check_and_nothing_else(yard: Yard) -> None:
    """The check on the candidate builds; what it built is there when the base is checked, but for what is not kept."""
    check = "echo x >> cache.o; echo x > other.o; echo x > stray; test $(wc -l < cache.o) -ge 2"
    outcome = yard.run(yard.stem("one"), yard.stem("two"), checks=[check], keep=("cache.o", "stray"))
    # Red on the candidate, whose cache is cold; then the base has a warm one.
    assert isinstance(outcome, Landed)
    left = {path.name for path in Path(yard.git.directory).iterdir()}
    assert "cache.o" in left
    assert len((Path(yard.git.directory) / "cache.o").read_text().split()) == yard.tally.checked


def test_progress_says_how_far_the_checks_of_a_bisect_are(yard: Yard) -> None:
    yard.run(*(yard.stem(f"r{number}") for number in range(4)), checks=["true", "! test -e r1"])
    assert "verify: true (1 of 2), bisecting 4 runs, 2 trees checked so far" in yard.said
    assert "verify: ! test -e r1 (2 of 2), bisecting 4 runs, 3 trees checked so far" in yard.said


def test_a_hundred_clean_branches_cost_one_git_process_each(yard: Yard, counter: GitCounter) -> None:
    entries = [yard.stem(f"r{number:03}") for number in range(100)]
    counter.calls()
    outcome = yard.run(*entries, checks=["true"])
    assert isinstance(outcome, Landed)
    calls = Counter(call.split(" ")[0] for call in counter.calls())
    print(f"100 branches: {sum(calls.values())} git processes, {dict(calls)}")  # noqa: T201 - the counts are for people
    assert calls["merge-tree"] == 100
    assert sum(calls.values()) - 100 <= 40

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.train import MOVES_ALLOWED, BaseRed, Entry, Landed, NothingLands, Stopped
from gitfleet.integrate.verify import Interrupted, check_out, describe_red, run_checks, verify
from gitfleet.model.evidence import CheckResult, Verdict, Verification
from gitfleet.model.plan import Check
from gitfleet.planner.scopes import Scope
from tests.support.yard import MAIN, run_here

if TYPE_CHECKING:
    from gitfleet.integrate import landing
    from tests.support.yard import Yard

CANDIDATES = "refs/gitfleet/candidates/s"


def test_two_runs_land_as_two_merges_below_their_records(yard: Yard) -> None:
    base = yard.repo.oid()
    one, two = yard.branch("one", {"one": "1"}), yard.branch("two", {"two": "2"})
    outcome = yard.run(one, two, checks=("test -f one && test -f two",), files={".planning/r.json": b"{}\n"})
    assert isinstance(outcome, Landed)
    assert outcome.commit == yard.repo.oid("main")
    assert outcome.verification.verdict is Verdict.VERIFIED
    assert yard.repo.git("log", "--first-parent", "--format=%s", f"{base}..main").splitlines() == [
        "records",
        "Merge two: do two (i-two)",
        "Merge one: do one (i-one)",
    ]
    body = yard.repo.git("log", "-1", "--format=%b", "main~1")
    assert body == "Gitfleet-Instance: i-two\nGitfleet-Verified: test -f one && test -f two"
    assert [entry.task for entry, _ in outcome.candidate.merged] == ["one", "two"]
    assert yard.repo.oid("main~1^2") == two.tip
    assert yard.repo.files("main")[b".planning/r.json"] == b"{}\n"
    assert yard.decided == [outcome.commit]
    assert (yard.repo.path / "one").read_text() == "1"
    assert yard.repo.status() == ""


def test_without_checks_a_landing_is_called_unverified_and_may_carry_no_records(yard: Yard) -> None:
    outcome = yard.run(yard.branch("one", {"one": "1"}))
    assert isinstance(outcome, Landed)
    assert outcome.verification == Verification(verdict=Verdict.UNVERIFIED, tree=yard.without_planning("main"))
    assert outcome.commit == outcome.candidate.commit == yard.repo.oid("main")
    assert yard.repo.git("log", "-1", "--format=%b").endswith("Gitfleet-Verified: none")


def test_who_conflicts_stays_behind_and_the_rest_lands(yard: Yard) -> None:
    one = yard.branch("one", {"shared": "one\n2\n3\n"})
    two = yard.branch("two", {"shared": "two\n2\n3\n"})
    three = yard.branch("three", {"three": "3"})
    outcome = yard.run(one, two, three)
    assert isinstance(outcome, Landed)
    assert [entry.task for entry, _ in outcome.candidate.merged] == ["one", "three"]
    (clash,) = outcome.candidate.clashes
    assert (clash.entry, clash.paths) == (two, ("shared",))
    assert clash.why == f"it conflicts with {MAIN} in shared"
    assert yard.repo.files("main")[b"shared"] == b"one\n2\n3\n"


def test_when_every_run_conflicts_nothing_moves(yard: Yard) -> None:
    one = yard.branch("one", {"shared": "one\n2\n3\n"})
    before = yard.repo.commit({"shared": "mine\n2\n3\n"}, "a person")
    outcome = yard.run(one, checks=("false",))
    assert isinstance(outcome, NothingLands)
    assert (outcome.candidate.base, outcome.candidate.commit) == (before, before)
    assert (yard.repo.oid("main"), yard.decided) == (before, [])


def test_a_branch_of_another_history_is_no_merge(yard: Yard) -> None:
    tree = yard.repo.oid("main^{tree}")
    root = yard.repo.git("commit-tree", tree, "-m", "from nowhere")
    outcome = yard.run(Entry("one", "do one", "i-one", root, Bounds.of(Scope.parse(["."]))))
    assert isinstance(outcome, NothingLands)
    assert outcome.candidate.clashes[0].why == f"its branch and {MAIN} have no common ancestor here"


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("conflict", f"it conflicts with {MAIN} in new/c"),
        ("true", "merging it would change new/c, which is outside its scope"),
    ],
)
def test_a_merge_that_carries_work_out_of_its_scope_does_not_land(yard: Yard, setting: str, why: str) -> None:
    yard.repo.git("config", "merge.directoryRenames", setting)
    yard.repo.commit({"old/a": "a\n" * 20, "old/b": "b\n" * 20}, "two files")
    one = yard.branch("one", {"old/c": "c"}, scope="old/")
    # On main the directory is called something else by now, and git carries the new file along.
    yard.repo.git("mv", "old", "new")
    before = yard.repo.commit({}, "rename")
    outcome = yard.run(one)
    assert isinstance(outcome, NothingLands)
    (clash,) = outcome.candidate.clashes
    assert (clash.paths, clash.why) == (("new/c",), why)
    assert b"new/c" not in yard.repo.files("main")
    assert yard.repo.oid("main") == before


def test_a_red_candidate_on_a_green_base_is_the_runs_fault(yard: Yard) -> None:
    before = yard.repo.oid()
    outcome = yard.run(yard.branch("one", {"bad": "x"}), checks=("true", "echo no; test ! -f bad", "test ! -f bad"))
    assert isinstance(outcome, NothingLands)
    (ejection,) = outcome.tally.ejected
    assert (ejection.entry.task, ejection.onto, outcome.tally.checked) == ("one", before, 2)
    assert [check.exit_code for check in ejection.verification.checks] == [0, 1]
    assert ejection.verification.blamed.tail == "no"
    assert (yard.repo.oid(), yard.decided) == (before, [])
    assert "verify: true (1 of 3), the target itself, because the candidate is red, 1 tree checked so far" in yard.said


def test_a_red_base_is_nobodys_fault(yard: Yard) -> None:
    outcome = yard.run(yard.branch("one", {"one": "x"}), checks=("echo broken; false",))
    assert isinstance(outcome, BaseRed)
    assert outcome.verification.checks[0].tail == "broken"


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupt_is_neither_green_nor_red(yard: Yard, at: int) -> None:
    ran: list[str] = []

    def stops(check: Check, directory: Path, label: str) -> CheckResult | None:
        ran.append(check.run)
        return run_here(check, directory, label) if len(ran) < at else None

    before = yard.repo.oid()
    assert yard.run(yard.branch("one", {"one": "x"}), checks=("false",), runner=stops) == Interrupted()
    assert (len(ran), yard.repo.oid()) == (at, before)


def test_a_target_that_moves_is_tried_again_on_what_it_is_then(yard: Yard) -> None:
    one = yard.branch("one", {"one": "1"})
    moved: list[str] = []

    def late(old: str, new: str) -> landing.LandingOutcome:
        if not moved:
            moved.append(yard.repo.commit({"other": "x"}, "somebody was faster"))
        return yard.land(old, new)

    outcome = yard.run(one, checks=["true"], lander=late)
    assert isinstance(outcome, Landed)
    assert outcome.candidate.base == moved[0]
    assert {b"one", b"other"} <= yard.repo.files("main").keys()
    assert len(yard.decided) == 2


def test_a_target_that_keeps_moving_is_a_persons_to_look_at(yard: Yard) -> None:
    tries: list[str] = []

    def never(old: str, new: str) -> landing.LandingOutcome:
        tries.append(yard.repo.commit({"other": str(len(tries))}, "again"))
        return yard.land(old, new)

    outcome = yard.run(yard.branch("one", {"one": "1"}), lander=never)
    assert isinstance(outcome, Stopped)
    assert (outcome.code, len(tries)) == ("target-moves", MOVES_ALLOWED + 1)
    assert b"one" not in yard.repo.files("main")


def test_a_file_in_the_way_stops_the_landing_and_keeps_the_candidate(yard: Yard) -> None:
    one = yard.branch("one", {"one": "1"})
    yard.repo.write("one", "somebody's own")
    before = yard.repo.oid()
    outcome = yard.run(one, checks=["true"])
    assert isinstance(outcome, Stopped)
    assert (outcome.code, outcome.paths, outcome.landed) == ("in-the-way", ("one",), "")
    assert yard.repo.oid() == before
    assert yard.repo.oid(CANDIDATES) == outcome.candidate.commit
    assert (yard.repo.path / "one").read_text() == "somebody's own"


def test_a_target_that_is_gone_stops_the_train(yard: Yard) -> None:
    outcome = yard.run(yard.branch("one", {"one": "1"}), target="refs/heads/gone")
    assert isinstance(outcome, Stopped)
    assert outcome.code == "target-gone"


# -- what checks see -----------------------------------------------------------------------------------------------


def test_checks_see_the_files_of_the_commit_and_nothing_else(yard: Yard) -> None:
    Path(yard.git.directory, "left.o").write_text("an ignored file of the run before")
    Path(yard.git.directory, "README").write_text("changed")
    seen = verify(
        yard.objects,
        yard.git,
        run_here,
        [Check(run="git status --porcelain --ignored; ls -A; cat README")],
        yard.repo.oid(),
        label="verify",
        say=yard.said.append,
    )
    assert isinstance(seen, Verification)
    # No .planning, and nothing that git could call a change.
    assert seen.checks[0].tail.split() == [".git", ".gitignore", "README", "shared", "hello"]
    assert seen.verdict is Verdict.VERIFIED
    assert seen.tree == yard.without_planning("main")


def test_a_check_that_changes_a_tracked_file_is_red(yard: Yard) -> None:
    yard.git.run("read-tree", "--reset", "-u", yard.repo.oid())
    yard.git.run("update-ref", "--no-deref", "HEAD", yard.repo.oid())
    checks = [Check(run=command) for command in ("touch README; echo x > new", "echo x >> shared; rm README", "true")]
    results = run_checks(yard.git, yard.repo.oid(), run_here, checks, "verify", yard.said.append)
    assert not isinstance(results, Interrupted)
    assert [(result.exit_code, result.wrote, result.green) for result in results] == [
        (0, (), True),
        (0, ("README", "shared"), False),
    ]
    assert yard.said == ["verify: touch README; echo x > new (1 of 3)", "verify: echo x >> shared; rm README (2 of 3)"]


@pytest.mark.parametrize("hidden", ["--skip-worktree", "--assume-unchanged"])
def test_a_check_hides_no_edit_from_the_index_and_none_from_the_next_candidate(yard: Yard, hidden: str) -> None:
    tip = yard.repo.oid()
    check_out(yard.git, tip)
    hiding = Check(run=f"git update-index {hidden} README; echo mine > README")
    results = run_checks(yard.git, tip, run_here, [hiding], "verify", yard.said.append)
    assert not isinstance(results, Interrupted)
    assert results[0].wrote == ("README",)
    yard.git.run("update-index", hidden, "README")  # as a coordinator finds it that was killed meanwhile
    check_out(yard.git, tip)
    assert Path(yard.git.directory, "README").read_text() == "hello\n"


@pytest.mark.parametrize(
    "damage", ["touch $(git rev-parse --git-dir)/index.lock", "echo x > $(git rev-parse --git-dir)/index"]
)
def test_a_check_that_leaves_a_lock_or_a_broken_index_changed_no_file(yard: Yard, damage: str) -> None:
    tip = yard.repo.oid()
    check_out(yard.git, tip)
    results = run_checks(
        yard.git, tip, run_here, [Check(run=damage), Check(run="cat README")], "verify", yard.said.append
    )
    assert not isinstance(results, Interrupted)
    assert [result.green for result in results] == [True, True]
    check_out(yard.git, tip)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (CheckResult(name="t", run="make", exit_code=2), "`make` ended with exit code 2."),
        (CheckResult(name="t", run="make", exit_code=2, tail="boom"), "`make` ended with exit code 2:\nboom"),
        (CheckResult(name="t", run="make", signal=9), "`make` was ended by signal 9."),
        (
            CheckResult(name="t", run="make", signal=15, timed_out=True, seconds=12.4),
            "`make` was stopped at its deadline after 12 s.",
        ),
        (CheckResult(name="t", run="make", exit_code=0, wrote=("a", "b")), "`make` changed tracked files (a, b)."),
    ],
)
def test_a_red_check_is_told_in_one_paragraph(result: CheckResult, words: str) -> None:
    assert describe_red(result) == words

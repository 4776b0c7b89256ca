"""Runs that conflict with their target: done again, resolved by an agent, or held for a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
    trailers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv, Outcome

LINES = "one\ntwo\nthree\n"


def clash(
    fleet: FleetEnv, policy: str, command: str, *more: dict[str, object], **facts: object
) -> tuple[Path, Outcome]:
    """Run a plan whose task ``edit`` meets a person's commit to the same line, and wait for the session's end."""
    repo = fleet.repo({"shared.txt": LINES, "other.txt": "other\n"})
    fleet.config(repo, config_of((), conflict=policy, **facts))
    point = fleet.point("wrote")
    # Later attempts do not wait: the person's commit is there by then.
    wait = f"if [ ! -e '{fleet.root}/met' ]; then {point.shell}; fi"
    plan = fleet.plan(plan_of(task("edit", f"{command}; {wait}", ["shared.txt"]), *more))
    session = fleet.start("wave", plan, "--yes")
    point.wait()
    (repo / "shared.txt").write_text(LINES.replace("two", "a person's two"))
    fleet.git("commit", "-qam", "A person's edit")
    (fleet.root / "met").touch()
    point.release()
    return repo, fleet.finish(session)


AGENT = "sed -i 's/^two$/an agent two/' shared.txt; [ -e .git/nothing ] || true"
BOTH = LINES.replace("two", "both twos")


def tree_of(fleet: FleetEnv) -> Path:
    """The worktree that `resolve --print` names."""
    from pathlib import Path  # noqa: PLC0415

    return Path(fleet.run("resolve", "edit", "--print").ok().out.strip())


def test_a_conflict_is_requeued_once_with_both_sides_in_the_prompt(fleet: FleetEnv) -> None:
    fleet.variables["SEEN"] = str(fleet.root)
    command = (
        f"""cp "$GITFLEET_PROMPT" '{fleet.root}'/prompt.$GITFLEET_ATTEMPT; sed -i 's/two$/& of an agent/' shared.txt"""
    )
    repo, outcome = clash(fleet, "requeue", command)

    outcome.ok()
    assert (repo / "shared.txt").read_text() == LINES.replace("two", "a person's two of an agent")
    run = state_runs(fleet, repo)["edit"]
    assert [attempt.outcome for attempt in run.attempts] == ["conflict", "success"]
    (conflict,) = run.attempts[0].conflicts
    assert (conflict.path, conflict.kind) == ("shared.txt", "content")
    assert [change.subject for change in conflict.target.changes] == ["A person's edit"]
    assert fleet.git("cat-file", "blob", conflict.target.blob) == LINES.replace("two", "a person's two").strip()
    assert fleet.git("cat-file", "blob", conflict.run.blob) == LINES.replace("two", "two of an agent").strip()
    prompt = (fleet.root / "prompt.2").read_text()
    assert "+a person's two\n" in prompt
    assert "+two of an agent\n" in prompt
    assert "A person's edit" in prompt
    assert "conflict" not in (fleet.root / "prompt.1").read_text().split("## How to hand off")[0]
    assert_nothing_remains(fleet, repo)


def test_a_conflict_that_comes_again_is_held_and_a_person_resolves_it(fleet: FleetEnv) -> None:
    later = task("later", "echo later > later.txt", ["later.txt"], "edit")
    alone = task("alone", "echo alone > alone.txt", ["alone.txt"])
    repo, outcome = clash(fleet, "requeue", AGENT, later, alone, retry={"max_attempts": 1})

    outcome.ok(3)
    assert states(fleet, repo) == {"edit": "conflicted", "later": "queued", "alone": "landed"}
    instance = state_runs(fleet, repo)["edit"].instance
    assert f"gitfleet resolve {instance}" in outcome.out
    claims = fleet.run("claims", "--json").json["claims"]
    assert [(claim["task"], claim["stale"]) for claim in claims] == [("edit", "")]

    tree = tree_of(fleet)
    assert "<<<<<<<" in (tree / "shared.txt").read_text()
    fleet.run("continue").ok(3)
    assert "<<<<<<<" in (tree / "shared.txt").read_text()
    (tree / "shared.txt").write_text(BOTH)
    assert tree_of(fleet) == tree
    assert (tree / "shared.txt").read_text() == BOTH
    refused = fleet.run("continue").ok(3)
    assert "shared.txt is still in conflict there" in refused.out
    fleet.git("add", "shared.txt", cwd=tree)
    fleet.run("continue").ok()

    assert states(fleet, repo) == {"edit": "landed", "later": "landed", "alone": "landed"}
    assert (repo / "shared.txt").read_text() == BOTH
    run = state_runs(fleet, repo)["edit"]
    assert run.resolution is not None
    assert fleet.git("log", "-1", "--format=%P", run.resolution.commit).split() == [
        run.resolution.tip,
        run.resolution.onto,
    ]
    assert run.merge is not None
    assert trailers(fleet, repo, run.merge.commit)["Gitfleet-Instance"] == instance
    assert_nothing_remains(fleet, repo)


def test_markers_are_refused_and_the_target_may_move_on_meanwhile(fleet: FleetEnv) -> None:
    repo, outcome = clash(fleet, "hold", AGENT)
    outcome.ok(3)
    tree = tree_of(fleet)
    fleet.git("add", "shared.txt", cwd=tree)
    assert "shared.txt has conflict markers there" in fleet.run("continue").ok(3).out
    fleet.git("commit", "-qm", "With markers in it", cwd=tree)
    assert "shared.txt is not resolved" in fleet.run("continue").ok(3).out
    (tree / "shared.txt").write_text(BOTH)
    fleet.git("commit", "-qam", "Now really", cwd=tree)
    (repo / "shared.txt").write_text(LINES.replace("two", "a person's second two"))
    fleet.git("commit", "-qam", "And again")

    again = fleet.run("continue").ok(3)

    run = state_runs(fleet, repo)["edit"]
    assert run.state == "conflicted"
    assert run.conflicts[0].target.changes[0].subject == "And again"
    assert fleet.git("show", f"{run.tip}:shared.txt") == BOTH.strip()
    assert f"gitfleet resolve {run.instance}" in again.out
    tree = tree_of(fleet)
    assert "both twos" in (tree / "shared.txt").read_text()
    (tree / "shared.txt").write_text("all of it\n")
    fleet.git("add", "shared.txt", cwd=tree)
    fleet.run("continue").ok()
    assert (repo / "shared.txt").read_text() == "all of it\n"
    assert_nothing_remains(fleet, repo)


RESOLVER = (
    """if grep -q '<<<<<<<' shared.txt; then cp "$GITFLEET_PROMPT" ../prompt.resolver
{resolve}; git add -A; git commit -q --no-edit; else """
    + AGENT
    + "; fi"
)


def test_a_merge_that_was_given_up_is_begun_anew(fleet: FleetEnv) -> None:
    repo, _ = clash(fleet, "hold", AGENT)
    tree = tree_of(fleet)
    fleet.git("merge", "--abort", cwd=tree)
    (tree / "note.txt").write_text("mine\n")
    assert "nothing is committed" in fleet.run("resolve", "edit", "--print").ok().err
    (tree / "note.txt").unlink()
    assert "In conflict with main" in fleet.run("resolve", "edit", "--print").ok().err

    # Rebased instead of merged: what to do is told, and done.
    fleet.git("merge", "--abort", cwd=tree)
    tip = fleet.git("rev-parse", "HEAD", cwd=tree)
    fleet.git("reset", "-q", "--hard", "main", cwd=tree)
    assert f"`git reset --hard {tip[:12]}` there goes back" in fleet.run("continue").ok(3).out
    fleet.git("reset", "-q", "--hard", tip[:12], cwd=tree)
    assert tree_of(fleet) == tree
    (tree / "shared.txt").write_text(BOTH)
    fleet.git("add", "shared.txt", cwd=tree)
    fleet.run("continue").ok()
    assert (repo / "shared.txt").read_text() == BOTH


def test_an_agent_resolves_a_conflict(fleet: FleetEnv) -> None:
    command = RESOLVER.format(resolve="printf 'one\\nboth twos\\nthree\\n' > shared.txt")
    repo, outcome = clash(fleet, "resolver", command)

    outcome.ok()
    assert (repo / "shared.txt").read_text() == BOTH
    run = state_runs(fleet, repo)["edit"]
    assert [(attempt.outcome, attempt.resolver) for attempt in run.attempts] == [("conflict", False), ("success", True)]
    assert len(fleet.git("log", "-1", "--format=%P", run.tip).split()) == 2
    assert fleet.git("merge-base", "--is-ancestor", run.attempts[0].tip, run.tip) == ""
    assert run.resolving is False


@pytest.mark.parametrize(
    ("resolve", "why"),
    [
        ("true", "shared.txt is not resolved"),
        ("printf 'one\\nboth twos\\nthree\\n' > shared.txt; echo more >> other.txt", "other.txt"),
        ("git merge --abort; echo mine >> shared.txt", "is not merged into it"),
    ],
)
def test_a_resolver_that_fails_leaves_the_conflict_to_a_person(fleet: FleetEnv, resolve: str, why: str) -> None:
    repo, outcome = clash(fleet, "resolver", RESOLVER.format(resolve=resolve))

    outcome.ok(3)
    run = state_runs(fleet, repo)["edit"]
    assert run.state == "conflicted"
    assert run.attempts[1].resolver
    assert why in run.attempts[1].message
    assert run.tip == run.attempts[0].tip
    tree = tree_of(fleet)
    (tree / "shared.txt").write_text(BOTH)
    fleet.git("add", "shared.txt", cwd=tree)
    fleet.run("continue").ok()
    assert (repo / "shared.txt").read_text() == BOTH


def test_a_held_run_can_be_restarted_or_given_up(fleet: FleetEnv) -> None:
    later = task("later", "echo later > later.txt", ["later.txt"], "edit")
    repo, outcome = clash(fleet, "hold", "sed -i 's/two$/& of an agent/' shared.txt", later)
    outcome.ok(3)
    tree = tree_of(fleet)
    (tree / "shared.txt").write_text("half done\n")
    fleet.run("restart", "edit").ok()
    run = state_runs(fleet, repo)["edit"]
    (kept,) = run.attempts[0].snapshots[-1:]
    assert fleet.git("show", f"{kept}:shared.txt") == "half done"

    fleet.run("continue").ok()
    assert states(fleet, repo) == {"edit": "landed", "later": "landed"}
    assert_nothing_remains(fleet, repo)


@pytest.mark.leaves_worktrees
def test_a_held_run_that_is_cancelled_lets_its_claim_and_its_dependents_go(fleet: FleetEnv) -> None:
    later = task("later", "echo later > later.txt", ["later.txt"], "edit")
    repo, outcome = clash(fleet, "hold", AGENT, later)
    outcome.ok(3)
    fleet.run("cancel", "edit").ok()
    fleet.run("continue").ok(1)
    assert states(fleet, repo) == {"edit": "cancelled", "later": "skipped"}
    assert_nothing_remains(fleet, repo)


@pytest.mark.leaves_worktrees
def test_what_waits_for_a_person_is_told_everywhere(fleet: FleetEnv) -> None:
    repo, outcome = clash(fleet, "hold", AGENT)
    outcome.ok(3)
    (session,) = session_ids(fleet, repo)
    instance = state_runs(fleet, repo)["edit"].instance

    needs = fleet.run("status", "--json").json["needs"]
    assert {need["next"] for need in needs} >= {f"gitfleet resolve {instance}"}
    shown = fleet.run("inspect", "edit").ok().out
    assert "shared.txt: content" in shown
    assert "A person's edit" in shown
    assert f"next: gitfleet resolve {instance}" in shown
    document = fleet.run("inspect", "edit", "--json").json["run"]["conflicts"]
    assert [(one["path"], one["kind"]) for one in document] == [("shared.txt", "content")]
    events = fleet.run("events", session).ok().out
    assert f"gitfleet resolve {instance}" in events
    report = (repo / ".git/gitfleet/state/sessions" / session / "session.md").read_text()
    assert "`shared.txt` (content" in report
    fleet.run("resolve", "edit", "--session", session, "--json")
    answer = json.loads(fleet.run("resolve", instance, "--no-shell", "--json").ok().out)
    assert answer["again"] is True
    assert answer["unmerged"] == ["shared.txt"]


def test_what_no_longer_conflicts_goes_on_by_itself(fleet: FleetEnv) -> None:
    repo, outcome = clash(fleet, "hold", AGENT)
    outcome.ok(3)
    fleet.git("revert", "--no-edit", "HEAD")
    fleet.run("continue").ok()
    assert (repo / "shared.txt").read_text() == LINES.replace("two", "an agent two")
    fleet.run("resolve", "edit").ok(2)


def test_what_the_target_moved_out_of_the_scope_is_a_persons_to_allow(fleet: FleetEnv) -> None:
    repo = fleet.repo({"src/a.txt": LINES * 3, "README.md": "x\n"})
    fleet.config(repo, config_of((), conflict="resolver"))
    point = fleet.point("wrote")
    command = f"sed -i 's/^two$/an agent two/' src/a.txt; {point.shell}"
    session = fleet.start("wave", fleet.plan(plan_of(task("edit", command, ["src/"]))), "--yes")
    point.wait()
    fleet.git("mv", "src/a.txt", "moved.txt")
    fleet.git("commit", "-qm", "Move it")
    point.release()
    fleet.finish(session).ok(3)

    run = state_runs(fleet, repo)["edit"]
    assert [(one.path, one.kind) for one in run.conflicts] == [("moved.txt", "outside-scope")]
    assert run.conflicts[0].target.changes[0].subject == "Move it"
    assert len(run.attempts) == 1
    tree = tree_of(fleet)
    assert "only `git commit` says" in fleet.run("continue").ok(3).out
    fleet.git("commit", "-qm", "Yes, there", cwd=tree)
    fleet.run("continue").ok()
    assert (repo / "moved.txt").read_text() == (LINES * 3).replace("two", "an agent two")
    assert state_runs(fleet, repo)["edit"].extended == ("moved.txt",)


def test_runs_of_one_batch_conflict_and_rerere_knows_the_answer(fleet: FleetEnv) -> None:
    repo = fleet.repo({"a/f.txt": LINES, "b/g.txt": LINES})
    fleet.config(repo, config_of((), conflict="hold"))
    fleet.git("config", "rerere.enabled", "true")
    # A directory that one run renames and another one adds to: no path of theirs is shared.
    one = task("one", "mkdir -p c && git mv a/f.txt c/f.txt", ["a/f.txt", "c/"])
    two = task("two", "echo new > a/new.txt; echo n > b/new.txt", ["a/new.txt", "b/new.txt"])
    fleet.run("wave", fleet.plan(plan_of(one, two)), "--yes", "--rolling").ok(3)

    held = {name: run for name, run in state_runs(fleet, repo).items() if run.state == "conflicted"}
    ((name, run),) = held.items()
    assert {one.kind.value for one in run.conflicts} <= {"directory-rename", "outside-scope"}
    (other,) = {"one", "two"} - {name}
    assert state_runs(fleet, repo)[other].instance in run.conflicts[0].others
    from pathlib import Path  # noqa: PLC0415

    tree = Path(fleet.run("resolve", name, "--print").ok().out.strip())
    fleet.git("add", "-A", cwd=tree)
    fleet.git("commit", "-qm", "So be it", cwd=tree, ok=(0, 1))
    fleet.run("continue")
    assert states(fleet, repo)[other] == "landed"

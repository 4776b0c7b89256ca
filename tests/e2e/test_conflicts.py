"""Runs that conflict with their target: done again, resolved by an agent, or held for a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Callable

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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert fleet.run("resolve", "edit", "--json").json["committed"]
    fleet.git("reset", "-q", "--hard", tip[:12], cwd=tree)
    assert not fleet.run("resolve", "edit", "--json").json["committed"]
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


@pytest.mark.slow
def test_a_resolver_that_was_lost_is_started_again(fleet: FleetEnv) -> None:
    resolve = """test "$GITFLEET_ATTEMPT" -gt 2 || kill -9 $PPID; printf 'one\\nboth twos\\nthree\\n' > shared.txt"""
    retry = {"max_attempts": 3, "initial_backoff_seconds": 0}
    repo, outcome = clash(fleet, "resolver", RESOLVER.format(resolve=resolve), retry=retry)

    outcome.ok()
    assert (repo / "shared.txt").read_text() == BOTH
    attempts = state_runs(fleet, repo)["edit"].attempts
    assert [(one.outcome, one.resolver) for one in attempts] == [("conflict", False), ("lost", True), ("success", True)]


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    first = fleet.run("resolve", "edit", "--session", session, "--json").ok().json
    answer = fleet.run("resolve", instance, "--no-shell", "--json", "--repo", repo, cwd=fleet.root).ok().json
    assert (first.pop("again"), answer.pop("again")) == (False, True)
    assert first == answer
    conflicts = answer.pop("conflicts")
    assert answer == {
        "schema": "gitfleet/report/resolve/v1",
        "session": session,
        "task": "edit",
        "instance": instance,
        "branch": f"fleet/{session}/edit",
        "path": str(repo.parent / "repo.fleet/tree-1"),
        "target": "refs/heads/main",
        "onto": fleet.git("rev-parse", "main"),
        "merging": True,
        "committed": False,
        "unmerged": ["shared.txt"],
    }
    person = {"commit": answer["onto"], "subject": "A person's edit"}
    sides = {name: {key: conflicts[0][name][key] for key in ("mode", "changes")} for name in ("target", "run")}
    assert sides["target"] == {"mode": "100644", "changes": [person]}
    assert [change["subject"] for change in sides["run"]["changes"]] == [f"gitfleet: uncommitted work of {instance}"]
    blobs = [conflicts[0]["base"], *(conflicts[0][name]["blob"] for name in sides)]
    assert [fleet.git("cat-file", "blob", oid).splitlines()[1] for oid in blobs] == [
        "two",
        "a person's two",
        "an agent two",
    ]
    assert conflicts[0]["message"] == "CONFLICT (content): Merge conflict in shared.txt"
    resolution = state_runs(fleet, repo)["edit"].resolution
    assert resolution is not None
    assert (resolution.onto, resolution.ready, resolution.commit) == (answer["onto"], True, "")
    assert resolution.since > state_runs(fleet, repo)["edit"].attempts[0].ended
    assert "resolved by a person: under way" in fleet.run("inspect", "edit").out
    assert fleet.run("doctor").code == 0


@pytest.mark.slow
@pytest.mark.leaves_worktrees
def test_a_crash_between_two_steps_loses_neither_conflict_nor_resolution(fleet: FleetEnv) -> None:
    repo, outcome = clash(fleet, "hold", AGENT)
    outcome.ok(3)
    (path,) = (repo / ".git/gitfleet/state/sessions").glob("*/runs/edit.json")

    def rewrite(change: Callable[[dict[str, Any]], object]) -> None:
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document, indent=2) + "\n")

    # The train said that it conflicts, and nobody what becomes of it.
    rewrite(lambda run: run["attempts"][0].pop("retry"))
    assert "is not decided yet" in fleet.run("resolve", "edit").ok(2).err
    fleet.run("continue").ok(3)
    assert state_runs(fleet, repo)["edit"].held
    # The merge was begun in the tree, and what it stands for was not written down.
    tree = tree_of(fleet)
    (tree / "shared.txt").write_text("not to be lost\n")
    rewrite(lambda run: run["resolution"].pop("ready"))
    fleet.run("continue").ok(3)
    assert (tree / "shared.txt").read_text() == "not to be lost\n"
    assert tree_of(fleet) == tree
    assert "<<<<<<<" in (tree / "shared.txt").read_text()
    instance = state_runs(fleet, repo)["edit"].instance
    kept = fleet.git("for-each-ref", "--format=%(refname)", f"refs/gitfleet/wip/{instance}").split()
    assert "not to be lost" in [fleet.git("show", f"{ref}:shared.txt") for ref in kept]
    # The worktree is gone, and the person's commit is on the branch.
    (tree / "shared.txt").write_text(BOTH)
    fleet.git("commit", "-qam", "Resolved", cwd=tree)
    fleet.git("worktree", "remove", "--force", tree)
    fleet.run("continue").ok()
    assert (repo / "shared.txt").read_text() == BOTH


@pytest.mark.slow
def test_a_resolver_outlives_its_coordinator(fleet: FleetEnv) -> None:
    point = fleet.point("resolving")
    resolve = f"{point.shell}; printf 'one\\nboth twos\\nthree\\n' > shared.txt"
    repo = fleet.repo({"shared.txt": LINES})
    fleet.config(repo, config_of((), conflict="resolver"))
    wrote = fleet.point("wrote")
    command = RESOLVER.format(resolve=resolve).removesuffix("; fi") + f"; {wrote.shell}; fi"
    session = fleet.start("wave", fleet.plan(plan_of(task("edit", command, ["shared.txt"]))), "--yes")
    wrote.wait()
    (repo / "shared.txt").write_text(LINES.replace("two", "a person's two"))
    fleet.git("commit", "-qam", "A person's edit")
    wrote.release()
    point.wait()
    session.kill()
    session.wait()
    point.release()
    fleet.finish(session)
    fleet.run("continue").ok()
    assert (repo / "shared.txt").read_text() == BOTH
    assert [attempt.resolver for attempt in state_runs(fleet, repo)["edit"].attempts] == [False, True]


@pytest.mark.slow
def test_what_no_longer_conflicts_goes_on_by_itself(fleet: FleetEnv) -> None:
    repo, outcome = clash(fleet, "hold", AGENT)
    outcome.ok(3)
    fleet.git("revert", "--no-edit", "HEAD")
    fleet.run("continue").ok()
    assert (repo / "shared.txt").read_text() == LINES.replace("two", "an agent two")
    fleet.run("resolve", "edit").ok(2)


@pytest.mark.slow
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


@pytest.mark.slow
def test_runs_of_one_batch_conflict_though_they_share_no_path(fleet: FleetEnv) -> None:
    repo = fleet.repo({"a/f.txt": LINES, "b/g.txt": LINES})
    fleet.config(repo, config_of((), conflict="hold"))
    # A directory that one run renames and another one adds to: no path of theirs is shared.
    one = task("one", "mkdir -p c && git mv a/f.txt c/f.txt", ["a/f.txt", "c/"])
    two = task("two", "echo new > a/new.txt; echo n > b/new.txt", ["a/new.txt", "b/new.txt"])
    fleet.run("wave", fleet.plan(plan_of(one, two)), "--yes").ok(3)

    held = {name: run for name, run in state_runs(fleet, repo).items() if run.state == "conflicted"}
    ((name, run),) = held.items()
    assert {one.kind.value for one in run.conflicts} <= {"directory-rename", "outside-scope"}
    (other,) = {"one", "two"} - {name}
    assert state_runs(fleet, repo)[other].instance in run.conflicts[0].others
    tree = Path(fleet.run("resolve", name, "--print").ok().out.strip())
    fleet.git("add", "-A", cwd=tree)
    fleet.git("commit", "-qm", "So be it", cwd=tree)
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert (repo / "c/f.txt").exists()
    assert_nothing_remains(fleet, repo)

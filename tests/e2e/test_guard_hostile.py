"""One session whose agent does everything to the person's repository that it must not, by habit and on purpose."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import write
from tests.support.sessions import plan_of, state_runs, states, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

REAL = shutil.which("git")

BY_HABIT = """
git stash push -m mine; git stash pop; git stash drop stash@{1}; git stash drop; git stash clear; git stash
git config user.name Evil; git config --local user.email evil@example.org; git config --worktree user.name Evil
git config --unset user.name; git config --global user.name Evil; git config core.hooksPath /nowhere
git update-ref refs/heads/main HEAD; git update-ref -d refs/heads/other; git update-ref refs/stash HEAD
git branch -f other HEAD; git branch -D other; git branch -m other gone; git branch -c other copied; git branch own
git tag v9; git tag -d v1; git tag -f v1
git push origin HEAD:main; git push --no-verify origin HEAD:main; git push --force --all origin
git fetch origin; git gc; git gc --prune=now; git prune --expire=now; git pack-refs --all; git repack -ad
git reflog expire --expire=now --all; git reflog delete refs/stash@{0}
git worktree prune; git worktree remove --force ../tree-2; git worktree add ../mine HEAD
git remote add evil /nowhere; git remote set-url origin /nowhere; git remote remove origin; git maintenance start
git notes add -m note; git replace HEAD HEAD~1; git symbolic-ref refs/heads/link refs/heads/main
git switch -c x; git checkout -b y; git merge --no-edit main
"""

PAST_THE_WRAPPER = f"""
touch more; {REAL} add more; {REAL} stash; {REAL} stash clear
{REAL} update-ref refs/heads/main HEAD; {REAL} branch -f other HEAD; {REAL} branch -m other gone; {REAL} tag v9
{REAL} push origin HEAD:main; {REAL} push --no-verify origin HEAD:main; {REAL} gc; {REAL} pack-refs --all
{REAL} update-ref main-worktree/HEAD HEAD; {REAL} fetch origin; {REAL} notes add -m note; {REAL} replace HEAD HEAD~1
{REAL} reset -q; rm more
"""


def the_persons(fleet: FleetEnv, repo: Path) -> dict[str, object]:
    """Refs, stash, configuration and hooks, byte for byte, and what the remote has."""
    refs = fleet.git("for-each-ref", "--format=%(refname) %(objectname) %(symref)").splitlines()
    return {
        "refs": [
            line for line in refs if not line.startswith(("refs/heads/fleet/", "refs/heads/landing ", "refs/gitfleet/"))
        ],
        "stash": (repo / ".git/logs/refs/stash").read_bytes(),
        "config": (repo / ".git/config").read_bytes(),
        "hooks": {path.name: path.read_bytes() for path in (repo / ".git/hooks").iterdir()},
        "remote": fleet.git("for-each-ref", cwd=fleet.root / "remote.git"),
        "home": [path.read_bytes() for path in (fleet.root / "home").glob(".gitconfig")],
        "main reflog": (repo / ".git/logs/refs/heads/main").read_bytes(),
    }


@pytest.fixture
def repo(fleet: FleetEnv) -> Path:
    """A person's repository with a stash of two, branches, a tag, a remote that is ahead, and a home of its own."""
    (fleet.root / "home").mkdir()
    fleet.variables["HOME"] = str(fleet.root / "home")
    repo = fleet.repo({"README.md": "A project.\n"})
    for number in (1, 2):
        (repo / "README.md").write_text(f"stashed {number}\n")
        fleet.git("stash", "push", "-q", "-m", f"idea {number}")
    fleet.git("branch", "other")
    fleet.git("tag", "v1")
    fleet.git("init", "-q", "--bare", fleet.root / "remote.git")
    fleet.git("remote", "add", "origin", fleet.root / "remote.git")
    fleet.git("push", "-q", "origin", "main", "other")
    write(repo, {"ahead.txt": "ahead\n"})
    fleet.git("add", "ahead.txt")
    fleet.git("commit", "-q", "-m", "Ahead")
    fleet.git("push", "-q", fleet.root / "remote.git", "main")
    fleet.git("branch", "landing")
    return repo


def test_an_agent_that_tries_everything_moves_nothing_that_is_not_its_own(fleet: FleetEnv, repo: Path) -> None:
    before = the_persons(fleet, repo)
    own = "echo done > mine.txt; git add mine.txt; git commit -q -m Mine"
    plan = fleet.plan(plan_of(task("hostile", f"{own}; {BY_HABIT} {PAST_THE_WRAPPER} true", ["mine.txt"])))

    outcome = fleet.run("wave", plan, "--yes", "--target", "landing").ok()

    after = the_persons(fleet, repo)
    assert after == before
    assert states(fleet, repo) == {"hostile": "landed"}
    (attempt,) = state_runs(fleet, repo)["hostile"].attempts
    assert {one.outcome.value for one in attempt.tampered} == {"refused"}
    tried = {(one.kind, one.name) for one in attempt.tampered}
    assert "git stash drop" in {one.by for one in attempt.tampered}
    assert {
        ("stash", "refs/stash"),
        ("config", "user.name"),
        ("ref", "refs/heads/main"),
        ("ref", "refs/heads/other"),
        ("ref", "refs/tags/v9"),
        ("repository", "gc"),
    } <= tried
    assert any(one.kind == "push" for one in attempt.tampered)
    assert "the guard refused" in outcome.text
    told = fleet.run("inspect", "hostile").ok().text
    assert "refused:" in told
    assert "user.name" in told
    events = fleet.run("events", "--json").ok().json["events"]
    assert [event["status"] for event in events if event["kind"] == "guard"] == ["refused"]


def test_what_goes_past_the_guard_is_in_the_record_with_the_command_that_restores_it(
    fleet: FleetEnv, repo: Path
) -> None:
    """Without the guard's variables and its git: what moved is found by comparing, and the commands put it back."""
    (repo / ".git/hooks/commit-msg").write_text("#!/bin/sh\nexit 0\n")
    fleet.git("config", "http.extraheader", "Authorization: Basic c2VjcmV0")
    fleet.git("config", "--add", "remote.origin.fetch", "+refs/pull/*:refs/pull/*")
    before = the_persons(fleet, repo)
    reached = fleet.git("stash", "list", "--format=%H %gs")
    past = f"""
exec env -u GIT_CONFIG_COUNT sh -ec '
{REAL} stash drop -q stash@{{1}}
{REAL} config user.name Evil; {REAL} config --unset-all remote.origin.fetch; {REAL} config http.extraheader other
{REAL} config --global alias.x status
{REAL} update-ref refs/heads/other HEAD; {REAL} branch -q -D spare; {REAL} tag -f v1 HEAD >/dev/null
common=$({REAL} rev-parse --git-common-dir)
echo "echo evil" >"$common/hooks/post-commit"; echo evil >>"$common/hooks/commit-msg"
echo done >mine.txt'
"""
    fleet.git("branch", "spare", "main~1")
    before["refs"] = the_persons(fleet, repo)["refs"]

    fleet.run("wave", fleet.plan(plan_of(task("past", past, ["mine.txt"]))), "--yes", "--target", "landing").ok()

    assert the_persons(fleet, repo) != before
    (attempt,) = state_runs(fleet, repo)["past"].attempts
    found = {(one.kind, one.name): one for one in attempt.tampered}
    assert set(found) == {
        ("stash", "refs/stash"),
        ("config", "user.name"),
        ("config", "remote.origin.fetch"),
        ("config", "http.extraheader"),
        ("config", "alias.x"),
        ("ref", "refs/heads/other"),
        ("ref", "refs/heads/spare"),
        ("ref", "refs/tags/v1"),
        ("hook", "post-commit"),
        ("hook", "commit-msg"),
    }
    assert {one.outcome.value for one in attempt.tampered} == {"unclear"}
    assert (found["config", "user.name"].before, found["config", "user.name"].after) == ("Ada Example", "Evil")
    assert found["config", "user.name"].restore == "git config --local --replace-all user.name 'Ada Example'"
    assert "c2VjcmV0" not in repr(attempt)
    assert str(fleet.root) not in repr(attempt)
    # The whole file is put back where a value may be a secret, and settings one by one elsewhere.
    for one in sorted(attempt.tampered, key=lambda one: one.restore.startswith("cp ")):
        fleet.shell(one.restore, repo)
    after = the_persons(fleet, repo)
    # An entry that comes back is the newest: putting the whole list back would lose what was stashed since.
    assert sorted(fleet.git("stash", "list", "--format=%H %gs").splitlines()) == sorted(reached.splitlines())
    for seen in (after, before):
        seen["refs"] = [line for line in seen["refs"] if "refs/stash" not in line]  # type: ignore[attr-defined]
        seen |= {"stash": b"", "home": []}
    assert after == before


def test_with_several_agents_alive_nobody_is_blamed(fleet: FleetEnv, repo: Path) -> None:
    """A person works while two agents run: what they do is no finding, or one that names everybody it may have been."""
    here, there = fleet.point("here"), fleet.point("there")
    tasks = [task("one", f"echo 1 >one.txt; {here.shell}", ["one.txt"])]
    tasks.append(task("two", f"echo 2 >two.txt; git branch -f other HEAD; {there.shell}", ["two.txt"]))
    session = fleet.start("wave", fleet.plan(plan_of(*tasks)), "--yes", "--target", "landing")
    here.wait()
    there.wait()

    (repo / "README.md").write_text("theirs\n")
    fleet.git("commit", "-qam", "Theirs")
    fleet.git("branch", "-f", "other", "v1")
    fleet.git("stash", "drop", "-q")
    fleet.git("fetch", "-q", "origin")
    fleet.git("branch", "-q", "-D", "other")
    fleet.git("config", "user.name", "Ada Other")
    here.release()
    there.release()
    fleet.finish(session).ok()

    runs = state_runs(fleet, repo)
    one, two = (runs[name].attempts[0].tampered for name in ("one", "two"))
    assert [(x.kind, x.name, x.outcome.value, x.others) for x in one] == [
        ("config", "user.name", "unclear", (runs["two"].instance,))
    ]
    assert {(x.kind, x.name) for x in two} == {("config", "user.name"), ("ref", "refs/heads/other")}


def test_what_is_not_utf8_is_guarded_and_restored(fleet: FleetEnv) -> None:
    name = "refs/heads/caf\udce9%s"
    repo = fleet.repo({"file": "first\n"})
    fleet.git("update-ref", name, "HEAD")
    command = f"""env -i {REAL} update-ref -d "$(printf 'refs/heads/caf\\351%%s')"; echo second >file"""
    fleet.run("wave", fleet.plan(plan_of(task("one", command, ["file"]))), "--yes").ok()

    (found,) = state_runs(fleet, repo)["one"].attempts[0].tampered
    assert (found.outcome, found.name) == ("unclear", '"refs/heads/caf\\351%s"')
    fleet.git("show-ref", "--verify", "-q", name, ok=(1,))
    subprocess.run(["sh", "-ec", found.restore], cwd=repo, check=True)
    fleet.git("show-ref", "--verify", "-q", name)

"""What a session may land on, and what a person has under way there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import Git
from gitfleet.git.identity import identity, probe_signing, signs
from gitfleet.git.preflight import (
    Target,
    Upstream,
    choose_target,
    default_branches,
    fetch,
    folds_case,
    operation_on,
    upstream,
)
from gitfleet.git.refs import Refs
from gitfleet.git.repository import discover
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "refs/heads/main"
NEW = "gitfleet/s-abc123"


def refused(repo: Repo, requested: str | None = None) -> GitfleetError:
    with pytest.raises(GitfleetError) as caught:
        choose_target(discover(repo.path), requested, NEW)
    assert caught.value.hint
    return caught.value


def test_the_current_branch_or_the_named_one(repo: Repo) -> None:
    head = repo.oid()
    found = discover(repo.path)
    assert choose_target(found, None, NEW) == Target(MAIN, head)
    repo.git("branch", "feature")
    assert choose_target(found, "feature", NEW) == Target("refs/heads/feature", head)
    assert choose_target(found, "refs/heads/feature", NEW) == Target("refs/heads/feature", head)
    repo.git("symbolic-ref", "refs/heads/alias", MAIN)
    assert choose_target(found, "alias", NEW) == Target(MAIN, head)


def test_refusals(repo: Repo, tmp_path: Path) -> None:
    assert refused(repo, "none").code == "no-such-branch"
    assert refused(repo, "-x").code == "invalid-branch"
    assert refused(repo, "HEAD").code == "invalid-branch"
    repo.git("switch", "-q", "--detach")
    assert refused(repo).code == "detached-head"
    assert choose_target(discover(repo.path), "main", NEW) == Target(MAIN, repo.oid())
    fresh = Repo.init(tmp_path / "fresh")
    assert refused(fresh).code == "no-commit-yet"
    assert refused(fresh, "main").code == "no-commit-yet"
    assert refused(fresh, "other").code == "no-such-branch"


def test_the_default_branch_of_a_remote_is_left_alone(repo: Repo, tmp_path: Path) -> None:
    repo.git("branch", "feature")
    repo.git("clone", "-q", str(repo.path), str(tmp_path / "clone"))
    clone = Repo(tmp_path / "clone")
    found = discover(clone.path)
    assert choose_target(found, None, NEW) == Target(f"refs/heads/{NEW}", clone.oid(), creates=MAIN)
    assert choose_target(found, "main", NEW) == Target(MAIN, clone.oid())
    clone.git("switch", "-q", "feature")
    assert choose_target(found, None, NEW).creates is None
    assert default_branches(Refs(found.git)) == {"main"}
    clone.git("remote", "set-head", "origin", "--delete")
    assert default_branches(Refs(found.git)) == {"main"}
    clone.git("remote", "set-head", "origin", "feature")
    assert default_branches(Refs(found.git)) == {"feature"}
    assert default_branches(Refs(Git(repo.path))) == set()


def conflicting(repo: Repo) -> None:
    base = repo.oid()
    repo.commit({"x": "main\n"}, "main side")
    repo.git("switch", "-q", "-c", "side", base)
    repo.commit({"x": "side\n"}, "side side")


START = {
    "merge": ("switch -q main", "merge -q side", 1),
    "rebase": ("switch -q side", "rebase -q main", 1),
    "apply": ("switch -q side", "rebase -q --apply main", 1),
    "cherry-pick": ("switch -q main", "cherry-pick side", 1),
    "revert": ("switch -q main", "revert --no-edit main~1", 1),
    "bisect": ("switch -q main", "bisect start", 0),
}


@pytest.mark.parametrize("name", START)
@pytest.mark.parametrize("where", ["main checkout", "linked"])
def test_something_under_way(repo: Repo, tmp_path: Path, name: str, where: str) -> None:
    conflicting(repo)
    repo.git("switch", "-q", "main")
    repo.commit({"x": "again\n"}, "again")
    found = discover(repo.path)
    switch, start, code = START[name]
    branch = switch.split()[-1]
    at = repo
    if where == "linked":
        repo.git("switch", "-q", "--detach")
        repo.git("worktree", "add", "-q", str(tmp_path / "linked"), branch)
        at = Repo(tmp_path / "linked")
    assert operation_on(found, f"refs/heads/{branch}") is None
    at.git(*switch.split())
    at.git(*start.split(), code=code)
    expected = "rebase" if name == "apply" else name
    assert operation_on(found, f"refs/heads/{branch}") == f"a {expected} in {at.path}"
    other = "side" if branch == "main" else "main"
    assert operation_on(found, f"refs/heads/{other}") is None
    error = refused(repo, branch)
    assert (error.code, error.kind) == ("target-busy", Kind.NEEDS_PERSON)
    assert str(at.path) in error.message


def test_a_bisect_that_has_moved_away_from_its_branch(repo: Repo) -> None:
    good = repo.oid()
    for number in range(4):
        repo.commit({"n": str(number)})
    repo.git("bisect", "start", "HEAD", good)
    assert repo.git("rev-parse", "--symbolic-full-name", "HEAD") == "HEAD"
    assert operation_on(discover(repo.path), MAIN) == f"a bisect in {repo.path}"


def test_distance_to_the_upstream_and_fetch(repo: Repo, tmp_path: Path) -> None:
    repo.git("clone", "-q", str(repo.path), str(tmp_path / "clone"))
    clone = Repo(tmp_path / "clone")
    git = Git(clone.path)
    tracked = "refs/remotes/origin/main"
    assert upstream(git, MAIN) == Upstream(tracked, 0, 0, gone=False)
    repo.commit({"a": "1"})
    repo.commit({"a": "2"})
    clone.commit({"b": "1"})
    assert upstream(git, MAIN) == Upstream(tracked, 1, 0, gone=False)
    fetch(git, MAIN)
    assert upstream(git, MAIN) == Upstream(tracked, 1, 2, gone=False)
    clone.git("update-ref", "-d", tracked)
    assert upstream(git, MAIN) == Upstream(tracked, 0, 0, gone=True)
    assert upstream(Git(repo.path), MAIN) is None
    with pytest.raises(GitfleetError) as caught:
        fetch(Git(repo.path), MAIN)
    assert caught.value.code == "no-upstream"
    clone.git("remote", "set-url", "origin", str(tmp_path / "gone"))
    with pytest.raises(GitfleetError) as caught:
        fetch(git, MAIN)
    assert caught.value.code == "fetch-failed"


def test_case_folding_is_what_git_probed(repo: Repo) -> None:
    git = Git(repo.path)
    repo.git("config", "core.ignoreCase", "true")
    assert folds_case(git)
    repo.git("config", "core.ignoreCase", "false")
    assert not folds_case(git)
    repo.git("config", "--unset", "core.ignoreCase")
    assert not folds_case(git)


def test_an_identity_is_asked_for_before_work_starts(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    git = Git(repo.path)
    assert identity(git).author.who == b"Ada Author <ada@example.com>"
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    repo.git("config", "user.useConfigOnly", "true")
    with pytest.raises(GitfleetError) as caught:
        identity(git)
    assert (caught.value.code, caught.value.kind) == ("no-identity", Kind.ENVIRONMENT)
    assert "git config --global user.email" in caught.value.hint
    repo.git("config", "user.name", "Configured")
    repo.git("config", "user.email", "c@example.com")
    assert identity(git).committer.who == b"Configured <c@example.com>"


def test_a_key_that_waits_is_found_before_a_landing(repo: Repo, tmp_path: Path) -> None:
    git = Git(repo.path)
    assert not signs(git)
    repo.git("config", "commit.gpgSign", "true")
    assert signs(git)
    tree = repo.oid("HEAD^{tree}")
    program = tmp_path / "gpg"
    repo.git("config", "gpg.program", str(program))
    with pytest.raises(GitfleetError) as caught:
        probe_signing(git, tree)
    assert caught.value.code == "signing-failed"
    held = tmp_path / "held"
    program.write_text(
        f"#!{sys.executable}\nimport os,time\nopen({str(held)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    with pytest.raises(GitfleetError) as caught:
        probe_signing(git, tree, seconds=1.0)
    assert "did not answer" in caught.value.message
    # Nothing that waits for a passphrase stays behind.
    with pytest.raises(ProcessLookupError):
        _wait_gone(int(held.read_text()))


def _wait_gone(pid: int) -> None:
    import os  # noqa: PLC0415
    import time  # noqa: PLC0415

    for _ in range(500):
        os.kill(pid, 0)
        time.sleep(0.01)

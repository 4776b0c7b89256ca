"""Refs move by compare-and-swap only, and names are judged as git judges them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitfleet.git.command import Git
from gitfleet.git.refs import Head, Moved, Refs, Refused, Updated, head, valid_branch, zero
from tests.support.repo import Repo

TASK = "refs/heads/fleet/s-abc123/task"


@pytest.fixture
def refs(repo: Repo) -> Refs:
    return Refs(Git(repo.path))


def test_create_move_and_delete(repo: Repo, refs: Refs) -> None:
    one = repo.oid()
    two = repo.commit({"a": "1"})
    assert refs.read(TASK) is None
    assert refs.update(TASK, one, zero()) == Updated()
    assert refs.update(TASK, two, zero()) == Moved(one)
    assert refs.update(TASK, two, two) == Moved(one)
    assert refs.update(TASK, two, one) == Updated()
    assert refs.read(TASK) == two
    assert refs.under("refs/heads/fleet/") == {TASK: two}
    assert refs.under("refs/heads/fleet/s-abc") == {}
    assert refs.delete(TASK, one) == Moved(two)
    assert refs.delete(TASK, two) == Updated()
    assert refs.delete(TASK, two) == Moved(None)
    assert refs.update(TASK, two, one) == Moved(None)


def test_a_name_that_another_ref_stands_in_the_way_of(repo: Repo, refs: Refs) -> None:
    oid = repo.oid()
    repo.git("branch", "fleet")
    assert refs.update(TASK, oid, zero()) == Refused(
        f"fatal: update_ref failed for ref '{TASK}': cannot lock ref '{TASK}': "
        f"'refs/heads/fleet' exists; cannot create '{TASK}'",
        "refs/heads/fleet",
    )
    repo.git("branch", "-m", "fleet", "other/deep")
    outcome = refs.update("refs/heads/other", oid, zero())
    assert isinstance(outcome, Refused)
    assert outcome.clash == "refs/heads/other/deep"


def test_a_held_lock_is_not_a_move(repo: Repo, refs: Refs) -> None:
    oid = repo.oid()
    (repo.path / ".git" / "refs" / "heads" / "main.lock").touch()
    outcome = refs.update("refs/heads/main", oid, oid)
    assert isinstance(outcome, Refused)
    assert "main.lock" in outcome.why


def test_a_branch_that_points_at_anothers_is_not_followed(repo: Repo, refs: Refs) -> None:
    one = repo.oid()
    two = repo.commit({"a": "1"})
    repo.git("symbolic-ref", TASK, "refs/heads/main")
    assert refs.symbolic(TASK) == "refs/heads/main"
    assert refs.symbolic("refs/heads/main") is None
    assert refs.update(TASK, one, two) == Updated()
    assert repo.oid("main") == two
    repo.git("symbolic-ref", TASK, "refs/heads/main")
    assert refs.delete(TASK, two) == Updated()
    assert repo.oid("main") == two


def test_head_in_each_state(repo: Repo, tmp_path_factory: pytest.TempPathFactory) -> None:
    git = Git(repo.path)
    oid = repo.oid()
    assert head(git) == Head("refs/heads/main", oid)
    repo.git("update-ref", "refs/heads/HEAD", oid)
    assert head(git) == Head("refs/heads/main", oid)
    repo.git("switch", "-q", "--detach")
    assert head(git) == Head(None, oid)
    repo.git("update-ref", "-d", "refs/heads/HEAD")
    assert head(git) == Head(None, oid)
    repo.git("switch", "-q", "--orphan", "new")
    assert head(git) == Head("refs/heads/new", None)
    assert head(Git(Repo.init(tmp_path_factory.mktemp("fresh")).path)) == Head("refs/heads/main", None)


def test_refs_of_other_names_are_not_guessed(repo: Repo, refs: Refs) -> None:
    oid = repo.oid()
    repo.git("update-ref", "refs/heads/refs/heads/ghost", oid)
    repo.git("tag", "-a", "-m", "t", "v1")
    assert refs.read("refs/heads/ghost") is None
    assert refs.read("main") is None
    assert refs.read("refs/tags/v1") == repo.oid("v1")
    assert refs.read("--all") is None


NAMES = ["main", "fleet/s/t", "a.b", "@x", "a@", "ünï", "a-b", "refs/heads/x", "x/HEAD"]
BAD = ["", "HEAD", "@", "-x", "/x", "x/", "x//y", ".x", "x/.y", "x.lock", "x.lock/y", "a..b", "a b", "a~1", "a^", "a:b"]
BAD += ["a?", "a*", "a[b", "a\\b", "a@{b", "x.", "a\x7f", "a\nb", "a\0b", "\udcff"]


@pytest.mark.parametrize("name", NAMES)
def test_good_names(name: str) -> None:
    assert valid_branch(name)


@pytest.mark.parametrize("name", BAD)
def test_bad_names(name: str) -> None:
    assert not valid_branch(name)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab./-@{}~lock *[\\\x7f"), min_size=1, max_size=7))
@example("a.lock/b")
def test_names_as_git_judges_them(name: str) -> None:
    done = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False)
    not_a_branch = name.startswith("-") or name == "@"  # good refs, and never branches
    assert valid_branch(name) == (done.returncode == 0 and not not_a_branch)

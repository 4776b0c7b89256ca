"""conflicts: who would conflict with whom, with and without a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.errors import ExitCode
from gitfleet.git.repository import discover
from gitfleet.git.worktrees import add
from gitfleet.model.base import decode
from gitfleet.model.reports import ConflictsReport, SideKind
from gitfleet.model.run import RunState
from tests.cli.test_cli_usage import validate
from tests.support.commands import a_run, a_session, lease, place, run
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LINES = "".join(f"line {n}\n" for n in range(9))


def branch(repo: Repo, name: str, files: dict[str, str]) -> str:
    """Make a branch off main with one commit."""
    repo.git("checkout", "-q", "-b", name, "main")
    commit = repo.commit(files, name)
    repo.git("checkout", "-q", "main")
    return commit


def report(repo: Repo, *args: str, code: int = 1) -> ConflictsReport:
    answer = run("conflicts", "--json", *args, "--repo", str(repo.path))
    assert answer.code == code, answer.err
    validate(answer.json, ConflictsReport)
    assert answer.json["schema"] == "gitfleet/report/conflicts/v1"
    return decode(answer.out.encode(), ConflictsReport)


def test_branches_are_compared_without_a_session(repo: Repo) -> None:
    repo.commit({"a": LINES, "b": LINES})
    assert report(repo, code=0).conflicts == ()
    answer = run("conflicts", "--repo", str(repo.path))
    assert (answer.code, answer.out) == (ExitCode.DONE, "Nothing would conflict: 1 side compared.\n")
    branch(repo, "one", {"a": LINES.replace("line 3", "one")})
    branch(repo, "two", {"a": LINES.replace("line 3", "two")})
    branch(repo, "three", {"b": "three\n"})
    repo.git("branch", "merged", "main~")
    found = report(repo)
    assert {side.name: side.kind for side in found.sides} == {
        "main": SideKind.TARGET,
        "one": SideKind.BRANCH,
        "two": SideKind.BRANCH,
        "three": SideKind.BRANCH,
    }
    assert all(side.commit == repo.oid(side.name) for side in found.sides)
    (row,) = found.conflicts
    assert ({row.a, row.b}, row.paths, row.kinds) == ({"one", "two"}, ("a",), ("contents",))
    assert row.messages == ("CONFLICT (content): Merge conflict in a",)
    assert (found.pairs, found.merged, found.left_out, found.more_branches) == (6, 1, 0, 0)
    assert run("conflicts", "--repo", str(repo.path)).code == ExitCode.RUNS_FAILED


def test_the_terminal_gets_a_matrix_and_the_paths(repo: Repo) -> None:
    repo.commit({"a": LINES})
    for name in ("one", "two", "three"):
        branch(repo, name, {"a": LINES.replace("line 3", name), "odd\x1b[31m\n": name})
    lines = run("conflicts", "--repo", str(repo.path)).out.splitlines()
    assert lines[0] == "3 pairs would conflict, 4 sides compared."
    assert "x  x" in lines[4]
    assert lines[6].split() == ["merging", "into", "conflict", "paths"]
    assert '"odd\\033[31m\\n"' in lines[7]
    assert "\x1b" not in "\n".join(lines)


def test_more_is_compared_when_it_is_named_and_branches_have_a_bound(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gitfleet.app import conflicts  # noqa: PLC0415 - its bounds are made small

    repo.commit({"a": LINES})
    old = branch(repo, "old", {"a": LINES.replace("line 3", "old")})
    branch(repo, "middle", {"b": "middle\n"})
    branch(repo, "new", {"a": LINES.replace("line 3", "new")})
    monkeypatch.setattr(conflicts, "NEWEST", 1)
    monkeypatch.setattr(conflicts, "MOST", 2)
    few = report(repo, code=0)
    assert ([side.name for side in few.sides], few.more_branches) == (["main", "new"], 2)
    assert "2 unmerged branches not compared" in run("conflicts", "--repo", str(repo.path)).out
    assert [side.name for side in report(repo, "--all", code=0).sides] == ["main", "new", "middle"]
    named = report(repo, "--with", old)
    assert {frozenset((row.a, row.b)) for row in named.conflicts} == {frozenset((old, "new"))}
    assert [side.name for side in report(repo, "--with", "old").sides] == ["main", "old", "new"]
    answer = run("conflicts", "--with", "--output=x", "--repo", str(repo.path))
    assert answer.code == ExitCode.USAGE
    assert "There is no commit called --output=x." in answer.err


def test_no_commit_is_a_clear_refusal(tmp_path: Path) -> None:
    empty = Repo.init(tmp_path / "empty")
    answer = run("conflicts", "--repo", str(empty.path))
    assert answer.code == ExitCode.ENVIRONMENT
    assert "There is no commit here yet" in answer.err


def test_runs_are_compared_with_what_is_uncommitted_and_with_no_coordinator(repo: Repo) -> None:
    import threading  # noqa: PLC0415 - a lock that nobody contends for

    base = repo.commit({"a": LINES})
    gated = branch(repo, "fleet/auth-k3f9qm/ui", {"a": LINES.replace("line 3", "ui")})
    found = discover(repo.path)
    made = add(found, repo.path.parent / "tree", base, "fleet/auth-k3f9qm/api", threading.Lock())
    working = a_run("api", RunState.RUNNING, base=base)
    lost = a_run(
        "docs", RunState.RUNNING, base=base, branch="fleet/auth-k3f9qm/docs", instance="fleet-auth-k3f9qm-w1-a3"
    )
    waiting = a_run("ui", RunState.GATED, base=base, tip=gated, instance="fleet-auth-k3f9qm-w1-a2")
    layout = place(repo.path, a_session(), working, waiting, lost)
    lease(layout, working, repo.path.parent / "tree")
    Repo(repo.path.parent / "tree").write("a", LINES.replace("line 3", "api"))
    report_ = report(repo)
    sides = {side.task: side for side in report_.sides if side.kind is SideKind.RUN}
    assert (sides["api"].uncommitted, sides["api"].commit, sides["api"].instance) == (True, base, working.instance)
    assert (sides["ui"].uncommitted, sides["ui"].commit, sides["ui"].session) == (False, gated, "auth-k3f9qm")
    assert sides["docs"].note == "it has no worktree"
    (row,) = report_.conflicts
    assert (row.a, row.b, row.paths) == ("api@auth-k3f9qm", "ui@auth-k3f9qm", ("a",))
    assert (
        "docs@auth-k3f9qm: compared by its branch; it has no worktree" in run("conflicts", "--repo", str(repo.path)).out
    )
    assert made is not None

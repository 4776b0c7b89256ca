"""``doctor --fix``: what it puts right, what it leaves with the reason, and that it never acts on doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.errors import ExitCode
from gitfleet.git.engines import open_objects
from gitfleet.git.repository import discover
from gitfleet.git.state_ref import commit_blobs
from gitfleet.model.reports import DoctorReport
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.store.claims import Claims
from gitfleet.store.locks import session_lock
from gitfleet.store.state import State
from tests.cli.test_cli_looking import claim
from tests.cli.test_cli_usage import validate
from tests.support.commands import a_run, a_session, attempt_files, place, run

if TYPE_CHECKING:
    from gitfleet.store.layout import Layout
    from tests.support.repo import Repo

SESSION = "auth-k3f9qm"
OLD = "2025-01-01T00:00:00Z"

pytestmark = pytest.mark.slow


def fix(repo: Repo, code: int = 0) -> dict[tuple[str, bool], list[str]]:
    """Run it, and give the messages by what they are about and whether it was done."""
    answer = run("doctor", "--fix", "--repo", repo.path, "--json")
    assert answer.code == code, answer.out
    validate(answer.json, DoctorReport)
    found: dict[tuple[str, bool], list[str]] = {}
    for mend in answer.json["mends"]:
        found.setdefault((mend["name"], mend["done"]), []).append(mend["message"])
    return found


def levels(repo: Repo) -> set[tuple[str, str]]:
    rows: list[dict[str, Any]] = run("doctor", "--repo", repo.path, "--json").json["findings"]
    return {(row["name"], row["level"]) for row in rows}


def mirror(repo: Repo, layout: Layout) -> None:
    """Commit the state to its ref, as a boundary does."""
    with open_objects(discover(repo.path), now=lambda: 1.0) as objects:
        files = State(layout).files(SESSION)
        oids = objects.write_blobs(files.values())
        blobs = {path.encode(): oid for path, oid in zip(files, oids, strict=True)}
        commit_blobs(objects, f"refs/gitfleet/state/{SESSION}", blobs, "boundary\n")


def test_what_is_safe_is_put_right_and_told(repo: Repo) -> None:
    layout = place(repo.path, a_session("over-aaaaaa", SessionState.COMPLETED), a_run("api", session="over-aaaaaa"))
    claim(layout, "over-aaaaaa", "api", "fleet-over-aaaaaa-w1-a1")
    claim(layout, "gone-aaaaaa", "old", "fleet-gone-aaaaaa-w1-a1")
    layout.root.chmod(0o755)
    (layout.common_dir / "info" / "exclude").write_text("mine\n")
    found = fix(repo)
    assert layout.root.stat().st_mode & 0o777 == 0o700
    assert sorted(found[("claims", True)]) == [
        "dead instance fleet-gone-aaaaaa-w1-a1 left a claim on src/api/; it is released",
        "dead instance fleet-over-aaaaaa-w1-a1 left a claim on src/api/; it is released",
    ]
    assert Claims(layout).live() == ()
    excluded = (layout.common_dir / "info" / "exclude").read_text().splitlines()
    assert excluded == ["mine", "/.planning/live", "/.fleet-instance-id"]
    assert (repo.path / ".planning/live").resolve() == layout.state.resolve()
    assert set(found) == {("state", True), ("claims", True), ("exclude", True), ("live link", True)}
    assert {("claims", "ok"), ("exclude", "ok"), ("live link", "ok"), ("state", "ok")} <= levels(repo)
    assert fix(repo) == {}


def test_what_an_open_session_holds_is_left_and_continue_is_named(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    claim(layout)
    found = fix(repo)
    assert found[("sessions", False)] == [f"{SESSION} waits to be continued"]
    assert [held.session for held in Claims(layout).live()] == [SESSION]
    with session_lock(layout, SESSION):
        assert ("sessions", False) not in fix(repo)
    mends = run("doctor", "--fix", "--repo", repo.path, "--json").json["mends"]
    assert [mend["hint"] for mend in mends] == [f"gitfleet continue {SESSION}"]
    shown = run("doctor", "--fix", "--repo", repo.path).out
    assert f"left  sessions: {SESSION} waits to be continued\n      gitfleet continue {SESSION}\n" in shown
    assert shown.count(f"gitfleet continue {SESSION}") == 1
    findings = run("doctor", "--repo", repo.path, "--json").json["findings"]
    assert [one["hint"] for one in findings].count(f"gitfleet continue {SESSION}") > 1, "it would be said again"


@pytest.mark.parametrize("file", ["session.md", "plan.yaml", "config.yaml", "runs/api.json"])
def test_a_damaged_file_comes_back_from_the_last_boundary(repo: Repo, file: str) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    mirror(repo, layout)
    path = layout.session(SESSION) / file
    before = path.read_bytes()
    path.write_bytes(b"\xff\x00: [" + before[: len(before) // 2])
    if file == "plan.yaml":
        path.unlink()
    assert any("was brought back" in words for words in fix(repo)[("state", True)])
    assert path.read_bytes() == before
    kept = list(layout.trash.glob(f"{SESSION}-*"))
    assert len(kept) == (file != "plan.yaml")


def test_a_file_older_than_what_happened_since_is_not_brought_back(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.QUEUED), a_run("late", RunState.RUNNING))
    mirror(repo, layout)
    late = a_run("late", RunState.RUNNING)
    attempt_files(layout, late, b"", ended=True, number=len(late.attempts) + 1)
    damaged = layout.run(SESSION, "late")
    damaged.write_bytes(b"{")
    (message,) = fix(repo)[("state", False)]
    assert "began since it was saved" in message
    assert damaged.read_bytes() == b"{"
    repo.git("update-ref", f"refs/gitfleet/landed/{SESSION}/w1", "HEAD")
    (message,) = fix(repo)[("state", False)]
    assert "landed something since" in message
    with session_lock(layout, SESSION):
        assert any("is held by" in words for words in fix(repo)[("state", False)])
    repo.git("update-ref", "-d", f"refs/gitfleet/state/{SESSION}")
    (message,) = fix(repo)[("state", False)]
    assert "does not hold it" in message


def test_a_run_that_had_no_instance_is_not_brought_back_where_an_attempt_may_be_its_own(repo: Repo) -> None:
    """It would be started once more, under the same name."""
    layout = place(repo.path, a_session(), a_run("api", RunState.QUEUED), a_run("first", RunState.RUNNING))
    mirror(repo, layout)
    path = layout.run(SESSION, "api")
    before = path.read_bytes()
    attempt_files(layout, a_run("first", RunState.RUNNING), b"", ended=True)
    path.write_bytes(b"{")
    assert any("was brought back" in words for words in fix(repo)[("state", True)])
    assert path.read_bytes() == before
    own = f"fleet-{SESSION}-w2-a1"
    attempt_files(layout, a_run("api", RunState.RUNNING, instance=own), b"", ended=True)
    path.write_bytes(b"{")
    (message,) = fix(repo)[("state", False)]
    assert f"attempt 1 of {own}, which may be its own, began since it was saved" in message


def test_a_vanished_tree_of_ours_is_forgotten_and_anybody_elses_is_not(repo: Repo) -> None:
    pool = repo.path.parent / f"{repo.path.name}.fleet"
    for path in (pool / "fleet-gone-aaaaaa-w1-a1", pool / "fleet-gone-aaaaaa-w1-a2", repo.path.parent / "mine"):
        repo.git("worktree", "add", "-q", "--detach", str(path))
    repo.git("-C", str(pool / "fleet-gone-aaaaaa-w1-a2"), "commit", "-q", "--allow-empty", "-m", "only here")
    for path in (*list(pool.iterdir()), repo.path.parent / "mine"):
        path.rename(repo.path.parent / f"{path.name}.moved")
    found = fix(repo)
    assert len(found[("worktrees", True)]) == 1
    assert "w1-a1, which was gone" in found[("worktrees", True)][0]
    (left,) = found[("worktrees", False)]
    assert "is on no branch" in left
    listed = repo.git("worktree", "list", "--porcelain")
    assert "w1-a1" not in listed
    assert f"{repo.path.parent / 'mine'}" in listed


def test_attempts_of_no_session_are_found_and_moved_away(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    known, lost = a_run("api", RunState.RUNNING), a_run("old", RunState.RUNNING, session="gone-aaaaaa")
    attempt_files(layout, known, b"mine")
    attempt_files(layout, lost, b"its log")
    document = run("status", "--repo", repo.path, "--json").json
    assert document["orphans"] == [f"{lost.instance} is an attempt of no session"]
    assert "1 attempt of no session" in run("status", "--repo", repo.path).out
    assert ("orphans", "warn") in levels(repo)
    assert fix(repo)[("attempts", True)] == [f"{lost.instance}, of no session, is over; its log is in the trash"]
    assert (layout.trash / f"{lost.instance}.1" / "1" / "out.log").read_bytes() == b"its log"
    assert layout.attempt(known.instance, 1).is_dir()
    assert run("status", "--repo", repo.path, "--json").json["orphans"] == []


def test_orphans_of_every_kind_are_named_and_kept(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    pool = repo.path.parent / f"{repo.path.name}.fleet"
    tree = pool / "fleet-gone-aaaaaa-w1-a1"
    repo.git("worktree", "add", "-q", "-b", "fleet/gone-aaaaaa/work", str(tree))
    repo.git("-C", str(tree), "commit", "-q", "--allow-empty", "-m", "work")
    repo.git("branch", "fleet/gone-aaaaaa/merged")
    repo.git("branch", f"fleet/{SESSION}/api")
    repo.git("update-ref", "refs/gitfleet/wip/fleet-gone-aaaaaa-w1-a1/1", "HEAD")
    repo.git("update-ref", f"refs/gitfleet/wip/fleet-{SESSION}-w1-a1/1", "HEAD")
    (pool / "stray").mkdir()
    answer = run("doctor", "--fix", "--repo", repo.path, "--json")
    assert answer.code == ExitCode.DONE
    rows = [row for row in answer.json["findings"] if row["name"] == "orphans"]
    assert {(row["level"], row["message"]) for row in rows} == {
        ("warn", f"the worktree {tree} belongs to no session."),
        ("warn", f"{pool / 'stray'} is no worktree that git knows."),
        ("warn", "fleet/gone-aaaaaa/merged is of no session, and holds nothing that HEAD does not."),
        ("ok", "fleet/gone-aaaaaa/work is of no session, and holds work of its own."),
        ("ok", "refs/gitfleet/wip/fleet-gone-aaaaaa-w1-a1/1 keeps work of a session that is gone."),
    }
    assert tree.is_dir()
    repo.git("worktree", "remove", "--force", str(tree))
    (pool / "stray").rmdir()

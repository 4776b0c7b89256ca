"""Who gets which tree, also where sessions share a pool and where a crash came between two steps."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from gitfleet.git.repository import discover
from gitfleet.git.worktrees import add
from gitfleet.model.evidence import Attempt
from gitfleet.model.lease import Lease
from gitfleet.model.run import Run, RunState
from gitfleet.model.session import SessionState
from gitfleet.pool.leasing import AllBusy, Pool, Standing, lease, run_of, whose
from gitfleet.store.layout import Layout
from gitfleet.store.locks import session_lock, worktrees_lock
from tests.support.commands import ROOT, STARTED, a_run, a_session, place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

SESSION = "auth-k3f9qm"
INSTANCE = f"fleet-{SESSION}-w1-a1"

TAKE = """
import sys
from pathlib import Path
from gitfleet.git.repository import discover
from gitfleet.pool.leasing import Pool, lease
from gitfleet.store.layout import Layout
from gitfleet.store.locks import session_lock
repo = discover(Path(sys.argv[1]))
pool = Pool(repo, Layout(repo.common_dir), Path(sys.argv[2]), sys.argv[3], lambda: 0.0)
with session_lock(pool.layout, pool.session):
    for number in range(1, 11):
        print(lease(pool, instance=f"fleet-{sys.argv[3]}-w1-a{number}", task="t", attempt=1).slot, flush=True)
    sys.stdin.readline()
"""


def pool_of(repo: Repo, tmp_path: Path, session: str = SESSION) -> Pool:
    found = discover(repo.path)
    return Pool(found, Layout(found.common_dir), tmp_path / "pool", session, lambda: 1_767_323_045.0)


def taken(pool: Pool, instance: str = INSTANCE, attempt: int = 1) -> Lease:
    got = lease(pool, instance=instance, task="api", attempt=attempt)
    assert isinstance(got, Lease)
    return got


def stand(pool: Pool, slot: str) -> None:
    """Make the tree of a slot."""
    head = pool.repository.git.run("rev-parse", "HEAD").text
    add(pool.repository, pool.root / slot, head, None, worktrees_lock(pool.layout))


def booked(state: RunState, *slots: str, instance: str = INSTANCE) -> Run:
    attempts = tuple(
        Attempt(number=number, base="b", started=STARTED, worktree=slot) for number, slot in enumerate(slots, start=1)
    )
    return a_run("api", state, attempts=attempts, instance=instance)


def test_processes_never_get_the_same_slot(repo: Repo, tmp_path: Path) -> None:
    sessions = ("a-aaaaaa", "b-bbbbbb", "c-cccccc", "d-dddddd")
    free = [f"tree-{number}" for number in range(1, 7)]
    for slot in free:
        stand(pool_of(repo, tmp_path), slot)
    for session in sessions:
        place(repo.path, a_session(session))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(repo.path), str(tmp_path / "pool"), session],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for session in sessions
    ]
    answers = []
    for process in running:  # each holds its session until all have what they want
        assert process.stdout is not None
        answers += [process.stdout.readline().strip() for _ in range(10)]
    for process in running:
        process.communicate("\n", timeout=60)
    assert [process.returncode for process in running] == [0] * 4
    assert set(Counter(answers).values()) == {1}
    assert len(answers) == 40
    assert set(free) <= set(answers)


def test_what_the_books_say_of_a_lease(repo: Repo, tmp_path: Path) -> None:
    pool = pool_of(repo, tmp_path)
    held = taken(pool)
    other = replace(pool, session="other-aaaaaa")
    assert pool.standing(held) is Standing.STALE  # no such session
    assert pool.standing(None) is Standing.IN_USE
    layout = place(repo.path, a_session(), booked(RunState.QUEUED))
    assert pool.standing(held) is Standing.STALE
    # Between the lease and the books of a session that somebody coordinates.
    with session_lock(layout, SESSION):
        assert other.standing(held) is Standing.IN_USE
    assert other.standing(held) is Standing.STALE
    for state, standing in (
        (RunState.PREPARING, Standing.IN_USE),
        (RunState.GATED, Standing.IN_USE),
        (RunState.LANDED, Standing.LANDED),
        (RunState.FAILED, Standing.KEPT),
        (RunState.QUEUED, Standing.KEPT),
    ):
        rewrite(layout, booked(state, "tree-1"))
        assert pool.standing(held) is standing, state
    rewrite(layout, booked(RunState.RUNNING, "tree-1", "tree-2"))
    assert pool.standing(held) is Standing.STALE
    rewrite(layout, booked(RunState.LANDED, "tree-1"))
    with session_lock(layout, SESSION):
        assert other.standing(held) is Standing.IN_USE
        assert pool.standing(held) is Standing.LANDED
    layout.run(SESSION, "api").write_bytes(b"{")
    assert pool.standing(held) is Standing.IN_USE


def rewrite(layout: Layout, run: Run) -> None:
    from gitfleet.model.base import encode  # noqa: PLC0415

    layout.run(SESSION, run.task).write_bytes(encode(run))


def test_a_run_gets_its_own_slot_again_and_others_a_free_one(repo: Repo, tmp_path: Path) -> None:
    pool = pool_of(repo, tmp_path)
    layout = place(repo.path, a_session(), booked(RunState.QUEUED))
    assert taken(pool).slot == "tree-1"
    stand(pool, "tree-1")
    assert taken(pool, attempt=2).slot == "tree-1"
    rewrite(layout, booked(RunState.PREPARING, "tree-1", "tree-1"))
    assert taken(pool, f"fleet-{SESSION}-w1-a2").slot == "tree-2"
    with worktrees_lock(layout) as proof:
        pool.leases.drop(proof, "tree-1")
    got = taken(pool, f"fleet-{SESSION}-w1-a3")
    assert (got.slot, got.before) == ("tree-1", "")


def test_a_landed_tree_is_passed_on_with_the_name_of_whose_it_was(repo: Repo, tmp_path: Path) -> None:
    pool = pool_of(repo, tmp_path)
    place(repo.path, a_session(), booked(RunState.LANDED, "tree-1"))
    taken(pool)
    stand(pool, "tree-1")
    got = taken(pool, f"fleet-{SESSION}-w2-a1")
    assert (got.slot, got.before) == ("tree-1", INSTANCE)
    # Renewed or not is told by the name in it; what names neither of the two is not believed.
    place_ = pool.root / "tree-1" / ".fleet-instance-id"
    for name, owner in ((INSTANCE, INSTANCE), (got.instance, got.instance), ("rubbish", got.instance)):
        place_.write_text(name + "\n")
        assert whose(got) == owner
    assert run_of(pool, INSTANCE) is not None
    assert run_of(pool, "fleet-gone-aaaaaa-w1-a1") is None
    assert run_of(pool, "rubbish") is None


def test_no_more_trees_than_may_be_and_the_oldest_kept_one_gives_way(repo: Repo, tmp_path: Path) -> None:
    pool = replace(pool_of(repo, tmp_path), most=1)
    layout = place(repo.path, a_session(), booked(RunState.RUNNING, "tree-1"))
    taken(pool)
    assert lease(pool, instance="fleet-x-aaaaaa-w1-a1", task="x", attempt=1) == AllBusy(1)
    stand(pool, "tree-1")
    assert lease(pool, instance="fleet-x-aaaaaa-w1-a1", task="x", attempt=1) == AllBusy(1)
    rewrite(layout, booked(RunState.FAILED, "tree-1"))
    got = lease(pool, instance="fleet-x-aaaaaa-w1-a1", task="x", attempt=1)
    assert isinstance(got, Lease)
    assert (got.slot, got.before) == ("tree-1", INSTANCE)


def test_a_lease_that_cannot_be_read_keeps_its_tree(repo: Repo, tmp_path: Path) -> None:
    pool = pool_of(repo, tmp_path)
    place(repo.path, a_session(state=SessionState.COMPLETED), booked(RunState.LANDED, "tree-1"))
    taken(pool)
    stand(pool, "tree-1")
    pool.layout.lease("tree-1").write_bytes(b"{")
    assert taken(pool, f"fleet-{SESSION}-w1-a2").slot == "tree-2"

"""Leases of the worktree pool on disk: durable, one a slot, and in doubt somebody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.model.lease import Lease, SetAside
from gitfleet.store.layout import Layout
from gitfleet.store.leases import Leases
from gitfleet.store.locks import worktrees_lock

if TYPE_CHECKING:
    from pathlib import Path

LEASE = Lease(
    slot="tree-1",
    path="/home/ada/shop.fleet/tree-1",
    instance="fleet-a-aaaaaa-w1-a1",
    session="a-aaaaaa",
    task="api",
    attempt=2,
    since="2026-01-02T03:04:05.000Z",
    before="fleet-a-aaaaaa-w1-a2",
    port_base=20010,
)


def test_a_lease_is_written_found_and_dropped(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    leases = Leases(layout)
    assert leases.live() == {}
    with worktrees_lock(layout) as proof:
        leases.write(proof, LEASE)
        assert leases.live() == {"tree-1": LEASE}
        assert leases.of(LEASE.instance) == LEASE
        assert leases.of("fleet-a-aaaaaa-w1-a9") is None
        leases.drop(proof, "tree-1")
        leases.drop(proof, "tree-1")
    assert leases.live() == {}
    with pytest.raises(AssertionError):
        leases.write(proof, LEASE)


@pytest.mark.parametrize("content", [b"", b'{"schema": "git', b"[]", b"\xff" * 40])
def test_a_lease_that_cannot_be_read_is_still_somebodys(tmp_path: Path, content: bytes) -> None:
    layout = Layout(tmp_path)
    with worktrees_lock(layout) as proof:
        Leases(layout).write(proof, LEASE)
    layout.lease("tree-1").write_bytes(content)
    assert Leases(layout).live() == {"tree-1": None}


def test_a_lease_of_another_slot_is_not_believed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with worktrees_lock(layout) as proof:
        Leases(layout).write(proof, LEASE)
    layout.lease("tree-1").rename(layout.lease("tree-2"))
    assert Leases(layout).live() == {"tree-2": None}


def test_unfinished_writes_are_no_leases_and_are_swept(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with worktrees_lock(layout) as proof:
        Leases(layout).write(proof, LEASE)
        (layout.leases / ".tmp-99-0").write_bytes(b"{")
        assert Leases(layout).live() == {"tree-1": LEASE}
        assert Leases(layout).sweep(proof) == 1


def test_a_tree_that_was_set_aside_is_remembered_while_it_is_there(tmp_path: Path) -> None:
    leases = Leases(Layout(tmp_path))
    place = tmp_path / "it's odd"
    place.mkdir()
    tree = SetAside(path=str(place), instance="i", why="odd", since="2026-01-02T03:04:05.000Z")
    with worktrees_lock(leases.layout) as proof:
        leases.write_set_aside(proof, "tree-1-i", tree)
    assert leases.set_aside() == {"tree-1-i": tree}
    quoted = str(place).replace("'", "'\\''")
    assert tree.let_go == f"git worktree unlock '{quoted}'; git worktree remove --force '{quoted}'"
    (leases.layout.set_aside / "broken.json").write_bytes(b"{")
    assert list(leases.set_aside()) == ["tree-1-i"]
    place.rmdir()
    assert leases.set_aside() == {}

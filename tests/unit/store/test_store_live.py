from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.store.layout import Layout
from gitfleet.store.live import link_live
from tests.unit.store.samples import every_name

if TYPE_CHECKING:
    from pathlib import Path


def place(tmp_path: Path) -> tuple[Path, Path, Path]:
    worktree = tmp_path / "repo"
    state = Layout(worktree / ".git").state
    state.mkdir(parents=True)
    (state / "sessions").mkdir()
    return state, worktree, worktree / ".git" / "info" / "exclude"


def test_the_link_leads_to_the_state_and_is_excluded(tmp_path: Path) -> None:
    state, worktree, exclude = place(tmp_path)
    assert link_live(state, worktree, exclude) == ""
    assert link_live(state, worktree, exclude) == ""
    assert str((worktree / ".planning" / "live").readlink()) == "../.git/gitfleet/state"
    assert (worktree / ".planning" / "live" / "sessions").is_dir()
    assert exclude.read_bytes() == b"/.planning/live\n"


def test_a_linked_worktree_gets_an_absolute_link(tmp_path: Path) -> None:
    state, _, exclude = place(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    assert link_live(state, other, exclude) == ""
    assert str((other / ".planning" / "live").readlink()) == str(state.resolve())


def test_what_people_excluded_stays(tmp_path: Path) -> None:
    state, worktree, exclude = place(tmp_path)
    exclude.parent.mkdir()
    mine = tmp_path / "mine"
    mine.write_bytes(b"*.swp")
    exclude.symlink_to(mine)
    link_live(state, worktree, exclude)
    assert mine.read_bytes() == b"*.swp\n/.planning/live\n"
    assert exclude.is_symlink()


def test_a_link_from_before_a_move_is_renewed(tmp_path: Path) -> None:
    state, worktree, exclude = place(tmp_path)
    (worktree / ".planning").mkdir()
    (worktree / ".planning" / "live").symlink_to("/old/place/.git/gitfleet/state")
    assert link_live(state, worktree, exclude) == ""
    assert (worktree / ".planning" / "live" / "sessions").is_dir()


def test_whatever_else_has_the_name_is_left_alone_with_a_note(tmp_path: Path) -> None:
    state, worktree, exclude = place(tmp_path)
    live = worktree / ".planning" / "live"
    live.mkdir(parents=True)
    assert "left alone" in link_live(state, worktree, exclude)
    live.rmdir()
    live.write_bytes(b"mine")
    assert "left alone" in link_live(state, worktree, exclude)
    live.unlink()
    live.symlink_to("/somewhere/else")
    assert "/somewhere/else" in link_live(state, worktree, exclude)
    assert str((live).readlink()) == "/somewhere/else"
    assert not exclude.exists()


def test_planning_is_not_followed_out_of_the_worktree(tmp_path: Path) -> None:
    state, worktree, exclude = place(tmp_path)
    (tmp_path / "outside").mkdir()
    (worktree / ".planning").symlink_to(tmp_path / "outside")
    assert "not a directory" in link_live(state, worktree, exclude)
    assert every_name(tmp_path / "outside") == []
    (worktree / ".planning").unlink()
    (worktree / ".planning").write_bytes(b"a file")
    assert "not a directory" in link_live(state, worktree, exclude)

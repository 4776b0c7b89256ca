"""Landing where repositories are laid out in other ways, and where the index holds more than entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.git.command import Git
from gitfleet.integrate.landing import Busy, InTheWay, Landed
from tests.support.landings import TARGET, Place, new_place

if TYPE_CHECKING:
    from pathlib import Path

CHANGES = {"a.txt": "a2\n", "gone.txt": None, "new/n.txt": "n\n"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def as_landed(place: Place, new: str) -> None:
    assert place.git("rev-parse", TARGET) == new
    assert place.status() == ""
    assert (place.path / "a.txt").read_text() == "a2\n"
    assert not (place.path / "gone.txt").exists()
    assert place.locks() == []


def test_linked_worktree_has_the_target(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("switch", "-qc", "other")
    place.git("worktree", "add", "-q", str(tmp_path / "with space\n"), "main")
    linked = Place(tmp_path / "with space\n", place.common)
    linked.write("mine.txt", "m\n")
    linked.git("add", "mine.txt")
    assert place.land(new) == Landed((linked.path,))
    assert linked.status() == "A  mine.txt\0"
    assert place.status() == ""
    assert (place.path / "a.txt").read_text() == "a1\n"


def test_two_checkouts_of_the_target(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("worktree", "add", "-qf", str(tmp_path / "two"), "main")
    two = Place(tmp_path / "two", place.common)
    two.write("a.txt", "mine\n")
    outcome = place.land(new)
    assert isinstance(outcome, InTheWay)
    assert [(obstacle.worktree, obstacle.path) for obstacle in outcome.obstacles] == [(two.path, b"a.txt")]
    assert place.status() == ""
    assert place.locks() == []
    two.git("checkout", "-q", "a.txt")
    assert place.land(new) == Landed((place.path, two.path))
    as_landed(place, new)
    as_landed(two, new)


def test_linked_worktree_that_is_gone_is_nobodys(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("switch", "-qc", "other")
    place.git("worktree", "add", "-q", str(tmp_path / "two"), "main")
    (tmp_path / "two").rename(tmp_path / "away")
    assert place.land(new) == Landed(())


def test_locked_worktree_that_is_elsewhere_is_waited_for(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("switch", "-qc", "other")
    place.git("worktree", "add", "-q", "--lock", str(tmp_path / "two"), "main")
    (tmp_path / "two").rename(tmp_path / "away")
    outcome = place.land(new)
    assert isinstance(outcome, Busy)
    assert "cannot be found" in outcome.why


def test_bare_repository_with_worktrees(place: Place, tmp_path: Path) -> None:
    place.git("clone", "-q", "--bare", str(place.path), str(tmp_path / "bare.git"))
    bare = Place(tmp_path / "bare.git", tmp_path / "bare.git")
    new = bare.build(CHANGES)
    bare.git("worktree", "add", "-q", str(tmp_path / "main"), "main")
    tree = Place(tmp_path / "main", tmp_path / "bare.git")
    assert bare.land(new) == Landed((tree.path,))
    as_landed(tree, new)
    tree.git("worktree", "remove", ".")
    again = bare.build({"b.txt": "b2\n"}, "main")
    assert bare.land(again) == Landed(())


def test_separate_git_directory(tmp_path: Path) -> None:
    path, common = tmp_path / "wt", tmp_path / "elsewhere.git"
    path.mkdir()
    place = Place(path, common)
    place.git("init", "-q", "-b", "main", "--separate-git-dir", str(common))
    place.write("a.txt", "a1\n")
    place.write("gone.txt", "g\n")
    place.commit()
    new = place.build(CHANGES)
    # Git keeps no note of where such a checkout is; guessing would leave its files behind the branch.
    outcome = place.land(new)
    assert isinstance(outcome, Busy)
    assert "cannot be found" in outcome.why
    assert place.land(new, worktree=path, git_dir=common) == Landed((path,))
    as_landed(place, new)


def test_submodule(place: Place, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    over = Place(top, top / ".git")
    over.git("init", "-q", "-b", "main")
    over.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(place.path), "sub")
    over.git("commit", "-qm", "sub")
    sub = Place(top / "sub", top / ".git/modules/sub")
    new = sub.build(CHANGES)
    assert sub.land(new) == Landed((sub.path,))
    as_landed(sub, new)
    # And the pointer to it moves without its checkout.
    tip = over.build({"sub": f"gitlink {new}"})
    assert over.land(tip) == Landed((top,))
    assert over.status() == ""


def test_symbolic_target(place: Place) -> None:
    place.git("symbolic-ref", "refs/heads/alias", TARGET)
    new = place.build(CHANGES)
    assert place.land(new, target="refs/heads/alias") == Landed((place.path,))
    assert place.git("symbolic-ref", "refs/heads/alias") == TARGET
    as_landed(place, new)


def test_sparse_checkout(place: Place) -> None:
    place.git("sparse-checkout", "set", "--cone", "new")
    new = place.build({**CHANGES, "dir/c.txt": "c2\n", "dir/d.txt": "d\n"})
    assert not (place.path / "dir").exists()
    assert place.land(new) == Landed((place.path,))
    as_landed(place, new)
    assert not (place.path / "dir").exists()
    assert (place.path / "new/n.txt").exists()


def test_sparse_index(place: Place) -> None:
    place.git("sparse-checkout", "set", "--cone", "--sparse-index", "new")
    new = place.build({**CHANGES, "dir/c.txt": "c2\n"})
    assert place.land(new) == Landed((place.path,))
    as_landed(place, new)


@pytest.mark.parametrize("bit", ["--skip-worktree", "--assume-unchanged"])
def test_local_change_that_git_was_told_to_ignore(place: Place, bit: str) -> None:
    place.git("update-index", bit, "a.txt")
    place.write("a.txt", "mine\n")
    new = place.build(CHANGES)
    outcome = place.land(new)
    assert isinstance(outcome, InTheWay)
    assert not outcome.landed
    assert outcome.paths == (b"a.txt",)
    assert (place.path / "a.txt").read_text() == "mine\n"
    other = place.build({"b.txt": "b2\n"})
    assert isinstance(place.land(other), Landed)
    assert (place.path / "a.txt").read_text() == "mine\n"
    assert place.git("ls-files", "-v", "a.txt").split()[0] == ("S" if "skip" in bit else "h")


@pytest.mark.parametrize(
    "settings",
    [
        {"core.splitIndex": "true"},
        {"core.untrackedCache": "true"},
        {"index.version": "4"},
        {"core.fsmonitor": "true"},
        {"submodule.recurse": "true"},
        {"core.autocrlf": "true"},
        {"feature.manyFiles": "true"},
        {"core.sharedRepository": "group"},
        {"extensions.worktreeConfig": "true"},
    ],
)
def test_settings_of_the_index(place: Place, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        place.git("config", name, value)
    place.write("b.txt", "staged\n")
    place.git("-c", "core.fsmonitor=false", "add", "b.txt")
    place.git("-c", "core.fsmonitor=false", "update-index", "--refresh", code=0)
    mode = (place.common / "index").stat().st_mode
    new = place.build({"a.txt": "a2\n", "new/n.txt": "n\n"})
    assert isinstance(place.land(new), Landed)
    assert place.git("-c", "core.fsmonitor=false", "status", "--porcelain") == "M  b.txt"
    assert (place.common / "index").stat().st_mode == mode
    assert place.locks() == []


def test_line_endings_and_filters(place: Place) -> None:
    place.write(".gitattributes", "*.txt text eol=crlf\n*.up filter=up\n")
    place.commit()
    place.git("config", "filter.up.smudge", "tr a-z A-Z")
    place.git("config", "filter.up.clean", "tr A-Z a-z")
    place.git("rm", "-rq", "--cached", ".")
    place.git("reset", "-q", "--hard")
    new = place.build({"a.txt": "one\ntwo\n", "x.up": "shout\n"})
    assert isinstance(place.land(new), Landed)
    assert (place.path / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    assert (place.path / "x.up").read_bytes() == b"SHOUT\n"
    assert place.status() == ""


def test_nothing_is_checked_out(place: Place, tmp_path: Path) -> None:
    place.git("clone", "-q", "--no-checkout", str(place.path), str(tmp_path / "empty"))
    empty = Place(tmp_path / "empty", tmp_path / "empty/.git")
    assert not (empty.common / "index").exists()
    new = empty.build(CHANGES)
    empty.write("a.txt", "mine\n")
    assert isinstance(empty.land(new), Landed)
    assert sorted(path.name for path in empty.path.iterdir()) == [".git", "a.txt"]
    assert empty.locks() == []


def test_called_from_anywhere_with_hostile_surroundings(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    new = place.build(CHANGES)
    hook = place.common / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent/index")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    (place.path / "dir/deep").mkdir()
    assert place.land(new, git=Git(place.path / "dir/deep")) == Landed((place.path,))
    hook.unlink()
    as_landed(place, new)


def test_only_what_is_new_is_packed(place: Place) -> None:
    new = place.build(CHANGES)
    assert isinstance(place.land(new), Landed)
    packs = list((place.common / "objects/pack").glob("*.idx"))
    assert len(packs) == 1
    listed = place.git("verify-pack", "-v", str(packs[0]))
    assert new in listed
    assert place.git("rev-parse", f"{new}:a.txt") in listed
    assert place.git("rev-parse", f"{new}^") not in listed.split("\n")[0]

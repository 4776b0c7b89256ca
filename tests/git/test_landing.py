"""Landing with a person's work beside it: their files, index, stash and refs stay what they were."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitfleet.integrate.landing import InTheWay, Landed, Reason, TargetMoved
from tests.support.landings import TARGET, Place, files, new_place

if TYPE_CHECKING:
    from pathlib import Path

CHANGES = {
    "a.txt": "a2\n",
    "gone.txt": None,
    "new/deep/n.txt": "n\n",
    "tool.sh": "x:#!/bin/sh\n",
    "link": "-> a.txt",
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def held(place: Place, new: str) -> None:
    assert place.git("rev-parse", TARGET) == new
    assert place.locks() == []
    assert place.git("fsck", "--strict") == ""


def test_clean_checkout_follows(place: Place) -> None:
    new = place.build(CHANGES)
    before = place.others()
    assert place.land(new) == Landed((place.path,))
    held(place, new)
    assert place.status() == ""
    assert place.others() == before
    assert place.git("rev-parse", "refs/gitfleet/landed/s/w1") == new
    assert files(place.path)["tool.sh"] == ("0o111", b"#!/bin/sh\n")
    assert files(place.path)["link"] == ("link", b"a.txt")
    assert "gone.txt" not in files(place.path)
    assert place.git("log", "-g", "-1", "--format=%gs", "HEAD") == "gitfleet: land s-w1"


def test_everything_of_a_person_stays(place: Place) -> None:
    place.write(".gitignore", "*.log\n")
    place.commit("ignore")
    place.git("stash", "list")
    place.write("b.txt", "stash me\n")
    place.git("stash")
    new = place.build(CHANGES)
    place.write("b.txt", "b staged\n")
    place.git("add", "b.txt")
    place.write("b.txt", "b staged\nand more\n")
    place.write("dir/c.txt", "c unstaged\n")
    place.write("staged-new.txt", "s\n")
    place.git("add", "staged-new.txt")
    place.write("intent.txt", "i\n")
    place.git("add", "-N", "intent.txt")
    place.write("untracked.txt", "u\n")
    place.write("new/mine.txt", "m\n")
    place.write("noise.log", "l\n")
    place.git("config", "merge.autoStash", "true")
    place.git("config", "rebase.autoStash", "true")
    status, staged, other = place.status(), place.git("diff", "--cached", "HEAD"), place.others()
    mine = {name: what for name, what in files(place.path).items() if name not in CHANGES}
    assert place.land(new) == Landed((place.path,))
    held(place, new)
    assert place.status() == status
    assert place.git("diff", "--cached", "HEAD") == staged
    assert place.others() == other
    after = files(place.path)
    assert {name: after[name] for name in mine} == mine
    assert after["a.txt"][1] == b"a2\n"


def unchanged(place: Place, new: str, **kwargs: object) -> InTheWay:
    before = (place.status(), files(place.path), place.others(), place.git("rev-parse", TARGET))
    index = place.git("ls-files", "--stage", "-z")
    outcome = place.land(new, **kwargs)
    assert isinstance(outcome, InTheWay)
    assert not outcome.landed
    assert (place.status(), files(place.path), place.others(), place.git("rev-parse", TARGET)) == before
    assert place.git("ls-files", "--stage", "-z") == index
    assert place.locks() == []
    return outcome


def test_modified_staged_deleted_and_untracked_files_are_named(place: Place) -> None:
    new = place.build({**CHANGES, "b.txt": "b2\n", "dir/c.txt": "c2\n"})
    place.write("a.txt", "mine\n")
    place.write("b.txt", "mine\n")
    place.git("add", "b.txt")
    (place.path / "dir/c.txt").unlink()
    place.write("new/deep/n.txt", "mine\n")
    outcome = unchanged(place, new)
    assert {(o.path, o.reason) for o in outcome.obstacles} == {
        (b"a.txt", Reason.MODIFIED),
        (b"b.txt", Reason.STAGED),
        (b"dir/c.txt", Reason.DELETED),
        (b"new/deep/n.txt", Reason.UNTRACKED),
    }
    assert "a.txt has changes that are not committed" in outcome.why
    place.git("stash", "-u")
    assert place.land(new) == Landed((place.path,))
    assert place.status() == ""


@pytest.mark.parametrize("obstacle", ["secret.env", "secret.env/", "secret.env/x/y"])
def test_ignored_file_or_directory_in_the_way(place: Place, obstacle: str) -> None:
    place.write(".gitignore", "secret.env\n")
    place.commit("ignore")
    new = place.build({"secret.env": "from an agent\n"})
    if obstacle.endswith("/"):
        (place.path / obstacle).mkdir()
    else:
        place.write(obstacle, "mine\n")
    outcome = unchanged(place, new)
    assert outcome.paths == (os.fsencode(obstacle.rstrip("/")),)
    assert (place.path / obstacle).exists()


def test_ignored_file_where_a_directory_is_needed(place: Place) -> None:
    place.write(".gitignore", "out\n")
    place.commit("ignore")
    new = place.build({"out/x.txt": "x\n"})
    place.write("out", "mine\n")
    assert unchanged(place, new).paths == (b"out",)


def test_symbolic_links_are_never_followed(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (place.path / "lib").symlink_to(outside)
    new = place.build({"lib/x.txt": "x\n"})
    assert unchanged(place, new).paths == (b"lib",)
    assert list(outside.iterdir()) == []


def test_nested_repository_is_in_the_way(place: Place) -> None:
    (place.path / "nested").mkdir()
    place.git("init", "-q", "nested")
    new = place.build({"nested/x.txt": "x\n"})
    assert unchanged(place, new).paths == (b"nested",)


def test_touched_file_is_not_in_the_way(place: Place) -> None:
    new = place.build(CHANGES)
    os.utime(place.path / "a.txt", (1, 1))
    os.utime(place.path / "b.txt", (1, 1))
    assert isinstance(place.land(new), Landed)
    assert place.status() == ""


def test_edit_in_the_instant_of_the_index_write_is_seen(place: Place) -> None:
    new = place.build({"a.txt": "a2\n"})
    place.write("a.txt", "mm\n")
    info = (place.path / ".git/index").stat()
    os.utime(place.path / "a.txt", ns=(info.st_mtime_ns, info.st_mtime_ns))
    place.git("update-index", "--really-refresh", code=1)
    place.write("a.txt", "a1\n")
    os.utime(place.path / "a.txt", ns=(info.st_mtime_ns, info.st_mtime_ns))
    place.git("update-index", "--refresh")
    # Same size, same times as the index itself: only the content tells.
    place.write("a.txt", "mm\n")
    os.utime(place.path / "a.txt", ns=(info.st_mtime_ns, info.st_mtime_ns))
    os.utime(place.path / ".git/index", ns=(info.st_mtime_ns, info.st_mtime_ns))
    assert unchanged(place, new).paths == (b"a.txt",)


def test_staged_content_equal_to_the_landing_is_fine(place: Place) -> None:
    new = place.build({"a.txt": "a2\n", "new.txt": "n\n", "gone.txt": None})
    place.write("a.txt", "a2\n")
    place.write("new.txt", "n\n")
    place.git("add", "a.txt", "new.txt")
    place.git("rm", "-q", "gone.txt")
    place.write("a.txt", "a2\nmore\n")
    assert isinstance(place.land(new), Landed)
    assert place.status() == " M a.txt\0"
    assert (place.path / "a.txt").read_text() == "a2\nmore\n"


def test_file_and_directory_change_places(place: Place) -> None:
    new = place.build({"a.txt": None, "a.txt/inner": "i\n", "dir/c.txt": None, "dir": "now a file\n"})
    assert isinstance(place.land(new), Landed)
    assert place.status() == ""
    assert (place.path / "a.txt/inner").read_text() == "i\n"
    assert (place.path / "dir").read_text() == "now a file\n"


def test_directory_with_a_persons_file_does_not_become_a_file(place: Place) -> None:
    place.write(".gitignore", "*.log\n")
    place.commit("ignore")
    new = place.build({"dir/c.txt": None, "dir": "now a file\n"})
    place.write("dir/mine.log", "m\n")
    assert unchanged(place, new).paths == (b"dir/mine.log",)


def test_changed_file_does_not_become_a_directory(place: Place) -> None:
    new = place.build({"a.txt": None, "a.txt/inner": "i\n"})
    place.write("a.txt", "mine\n")
    assert b"a.txt" in unchanged(place, new).paths


def test_mode_change_only(place: Place) -> None:
    new = place.build({"a.txt": "x:a1\n"})
    (place.path / "b.txt").chmod(0o755)
    status = place.status()
    assert isinstance(place.land(new), Landed)
    assert os.access(place.path / "a.txt", os.X_OK)
    assert place.status() == status
    back = place.build({"a.txt": "a1\n"})
    (place.path / "a.txt").chmod(0o644)
    assert unchanged(place, back).paths == (b"a.txt",)


def test_empty_difference(place: Place) -> None:
    new = place.build({})
    place.write("a.txt", "mine\n")
    assert isinstance(place.land(new), Landed)
    held(place, new)
    assert (place.path / "a.txt").read_text() == "mine\n"


def test_unmerged_index_is_in_the_way(place: Place) -> None:
    place.write("b.txt", "stashed\n")
    place.git("stash")
    place.write("b.txt", "other\n")
    place.commit("other")
    place.git("stash", "pop", code=1)
    outcome = unchanged(place, place.build({"a.txt": "a2\n"}))
    assert [(o.path, o.reason) for o in outcome.obstacles] == [(b"b.txt", Reason.UNMERGED)]


def test_target_moved(place: Place) -> None:
    new = place.build(CHANGES)
    request = place.request(new)
    moved = place.commit("by a person")
    assert place.land(new, old=request.old) == TargetMoved(moved)
    assert place.locks() == []
    assert place.status() == ""


def test_target_gone(place: Place) -> None:
    new = place.build(CHANGES)
    old = place.git("rev-parse", "HEAD")
    place.git("switch", "-qc", "other")
    place.git("branch", "-qD", "main")
    assert place.land(new, old=old) == TargetMoved(None)


def test_not_checked_out(place: Place) -> None:
    new = place.build(CHANGES)
    place.git("switch", "-qc", "other")
    place.write("a.txt", "mine\n")
    status = place.status()
    assert place.land(new) == Landed(())
    held(place, new)
    assert place.status() == status


def test_detached_head_at_the_same_commit_stays(place: Place) -> None:
    new = place.build(CHANGES)
    place.git("switch", "-q", "--detach")
    assert place.land(new) == Landed(())
    assert place.status() == ""


@pytest.mark.parametrize(
    "name", [b"with space", b"new\nline", b'quo"te\\', b"-dash", b"bad\xff\xfe", b"app/[slug]/page.tsx", "é".encode()]
)
def test_hostile_names(place: Place, name: bytes) -> None:
    new = place.build({name: "1\n"})
    assert isinstance(place.land(new), Landed)
    assert place.status() == ""
    second = place.build({name: "2\n"})
    place.write(name, "mine\n")
    outcome = unchanged(place, second)
    assert outcome.paths == (name,)
    place.git("checkout", "-q", "--", ".")
    assert isinstance(place.land(second), Landed)
    third = place.build({name + b".2": "3\n"})
    place.write(name + b".2", "mine\n")
    assert unchanged(place, third).paths == (name + b".2",)

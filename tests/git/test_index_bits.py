"""An index that could hide edits is never taken for one that cannot; held against git's own indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.git.command import Git
from gitfleet.git.index_bits import may_hide

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a", "dir/b", "name of 13 ch", "long/" + "x" * 200)
# Longer than the length in an entry's flags can say; no file system here holds it, but an index does.
LONGEST = "very/" + "/".join(["y" * 200] * 25)


@pytest.fixture
def git(tmp_path: Path) -> Git:
    door = Git(tmp_path)
    door.run("init", "-q", "-b", "main")
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    door.run("add", "-A")
    blob = door.run("hash-object", "-w", "a").text
    door.run("update-index", "--index-info", stdin=f"100644 {blob}\t{LONGEST}\n".encode())
    return door


def hides(git: Git) -> bool:
    return may_hide((git.directory / ".git/index").read_bytes())


def test_a_plain_index_hides_nothing(git: Git) -> None:
    assert not hides(git)
    git.run("write-tree")
    assert not hides(git)


@pytest.mark.parametrize("name", [*NAMES, LONGEST], ids=range(5))
@pytest.mark.parametrize("option", ["--assume-unchanged", "--skip-worktree"])
def test_one_bit_anywhere_is_found(git: Git, name: str, option: str) -> None:
    git.run("update-index", option, name)
    assert hides(git)
    git.run("update-index", f"--no-{option.removeprefix('--')}", name)
    assert not hides(git)


def test_a_bit_is_found_behind_an_entry_with_extended_flags(git: Git) -> None:
    (git.directory / "0first").write_text("later")
    git.run("add", "-N", "0first")
    assert not hides(git)
    git.run("update-index", "--skip-worktree", LONGEST)
    assert hides(git)


def test_forms_that_are_not_known_may_hide(git: Git) -> None:
    plain = (git.directory / ".git/index").read_bytes()
    git.run("update-index", "--index-version", "4")
    assert hides(git)
    git.run("update-index", "--index-version", "2")
    assert not hides(git)
    git.run("update-index", "--split-index")
    assert hides(git)
    assert may_hide(b"")
    assert may_hide(plain[:-1])
    assert may_hide(plain[:40] + b"\1" + plain[41:])


def test_an_index_of_sha256_names_may_hide(tmp_path: Path) -> None:
    git = Git(tmp_path)
    git.run("init", "-q", "--object-format=sha256")
    (tmp_path / "a").write_text("a")
    git.run("add", "a")
    assert hides(git)

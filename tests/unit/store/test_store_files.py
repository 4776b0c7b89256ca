from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitfleet.store import files
from tests.unit.store.samples import every_name

if TYPE_CHECKING:
    from pathlib import Path


def test_write_replaces_content_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_durable(path, b"one")
    files.write_durable(path, b"two" * 100_000)
    assert path.read_bytes() == b"two" * 100_000
    assert every_name(tmp_path) == ["a.json"]


def test_mode_is_what_was_asked_for(tmp_path: Path) -> None:
    files.write_durable(tmp_path / "secret", b"", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_failed_write_leaves_the_old_content_and_no_temporary(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "child").touch()
    with pytest.raises(OSError, match="a"):
        files.write_durable(tmp_path / "a", b"x")
    assert every_name(tmp_path) == ["a"]


def test_a_symlink_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to("victim")
    files.write_durable(tmp_path / "link", b"ours")
    assert (tmp_path / "victim").read_bytes() == b"theirs"
    assert not (tmp_path / "link").is_symlink()


def test_a_name_left_by_a_dead_process_with_our_pid_is_passed_over(tmp_path: Path) -> None:
    files.write_durable(tmp_path / "a", b"")
    number = next(files._counter)
    for ahead in range(1, 6):
        (tmp_path / f".tmp-{os.getpid()}-{number + ahead}").write_bytes(b"dead")
    files.write_durable(tmp_path / "b", b"alive")
    assert (tmp_path / "b").read_bytes() == b"alive"
    assert files.names(tmp_path) == ["a", "b"]
    assert files.sweep(tmp_path) == 5
    assert every_name(tmp_path) == ["a", "b"]


def test_remove_says_whether_there_was_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert files.remove_durable(tmp_path / "a") is True
    assert files.remove_durable(tmp_path / "a") is False


def test_make_directory_makes_parents_privately_and_repeats(tmp_path: Path) -> None:
    files.make_directory(tmp_path / "a" / "b")
    files.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        files.make_directory(tmp_path / "file" / "below")


def test_rename_moves_between_directories(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "x").write_bytes(b"x")
    files.rename_durable(tmp_path / "from" / "x", tmp_path / "to" / "y")
    assert (tmp_path / "to" / "y").read_bytes() == b"x"

"""Digests of places on disk: what a check could tell apart differs, and nothing that lies there can hold us up."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitfleet.integrate import places
from gitfleet.integrate.places import Digests, TooMany

if TYPE_CHECKING:
    from pathlib import Path


def grow(place: Path) -> None:
    place.mkdir()
    (place / "a").write_text("one")
    (place / "below").mkdir()
    (place / "below" / "b").write_text("two")
    (place / "link").symlink_to("below/b")


CHANGES = {
    "content of one size": "printf TWO >below/b",
    "a mode": "chmod 755 a",
    "a name": "mv a c",
    "a new file": ": >new",
    "a file less": "rm a",
    "an empty directory": "mkdir empty",
    "a link's word": "ln -sf ./below/b link",
    "a file for a link": "rm link; printf two >link",
    "a pipe": "mkfifo pipe",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_check_could_see_makes_another_digest(tmp_path: Path, change: str) -> None:
    place = tmp_path / "place"
    grow(place)
    before = Digests().of(place)
    assert Digests().of(place) == before
    subprocess.run(["sh", "-c", CHANGES[change]], cwd=place, check=True)
    assert Digests().of(place) != before


def test_a_file_that_is_not_there_is_told_from_an_empty_one(tmp_path: Path) -> None:
    place = tmp_path / "place"
    absent = Digests().of(place)
    place.write_text("")
    empty = Digests().of(place)
    assert Digests().of(tmp_path / "file" / "below") == absent
    assert empty != absent
    assert Digests().of(place / "below a file") == absent


def test_a_named_link_counts_by_what_it_leads_to(tmp_path: Path) -> None:
    real = tmp_path / "real"
    grow(real)
    link = tmp_path / "link"
    link.symlink_to(real)
    before = Digests().of(link)
    (real / "below" / "b").write_text("TWO")
    assert Digests().of(link) != before


def test_a_link_below_counts_by_which_file_it_leads_to(tmp_path: Path) -> None:
    place, outside = tmp_path / "place", tmp_path / "outside"
    outside.write_text("one")
    place.mkdir()
    (place / "link").symlink_to(outside)
    before = Digests().of(place)
    outside.write_text("two, longer")
    assert Digests().of(place) != before


def test_nothing_that_blocks_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "circle").symlink_to(tmp_path)
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(tmp_path / "socket"))
        assert len({Digests().of(tmp_path / name) for name in ("pipe", "loop", "socket", "circle")}) == 4


def test_large_files_count_by_their_identity(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.write_bytes(b"x" * 100)
    small = Digests(bytes_left=10).of(place)
    assert Digests(bytes_left=10).of(place) == small
    assert Digests(bytes_left=200).of(place) != small
    other = tmp_path / "other"
    other.write_bytes(b"y" * 100)
    other.rename(place)
    assert Digests(bytes_left=10).of(place) != small


def test_what_never_ends_is_given_up(tmp_path: Path) -> None:
    grow(tmp_path / "place")
    with pytest.raises(TooMany):
        Digests(entries_left=3).of(tmp_path)


def test_a_place_that_may_not_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    place.write_text("secret")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(places, "open_regular", refuse)
    with pytest.raises(PermissionError):
        Digests().of(place)


def test_names_that_are_not_utf_8_and_deep_trees(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    deep = tmp_path
    for _ in range(300):
        deep /= "d"
        deep.mkdir()
    before = Digests().of(tmp_path)
    (deep / "leaf").write_text("x")
    assert Digests().of(tmp_path) != before

"""The verification cache: only whole, green, recent entries count, and nothing that goes wrong with it matters."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitfleet.model.evidence import CheckResult, Verdict, Verification
from gitfleet.store import verify_cache
from gitfleet.store.layout import Layout
from gitfleet.store.verify_cache import MOST_SECONDS, VerifyCache

if TYPE_CHECKING:
    from pathlib import Path

TREE, HERE = "a" * 40, "e" * 64
GREEN = CheckResult(name="tests", run="make test", exit_code=0, seconds=3.5, tail="ok", tree=TREE, commit="c" * 40)
VERIFIED = Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(GREEN,))


@pytest.fixture
def cache(tmp_path: Path) -> VerifyCache:
    return VerifyCache(Layout(tmp_path))


def entry(cache: VerifyCache) -> Path:
    (found,) = cache.layout.verify_cache.iterdir()
    return found


def test_a_green_tree_is_recalled_with_its_evidence_and_says_that_it_is_cached(cache: VerifyCache) -> None:
    assert cache.recall(TREE, HERE) is None
    assert cache.remember(VERIFIED, HERE)
    found = cache.recall(TREE, HERE)
    assert found is not None
    assert found.cached
    assert found.checks == (msgspec.structs.replace(GREEN, cached=True),)


def test_another_tree_or_environment_is_another_matter(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    assert cache.recall("b" * 40, HERE) is None
    assert cache.recall(TREE, "f" * 64) is None


@pytest.mark.parametrize(
    "found",
    [
        Verification(verdict=Verdict.RED, tree=TREE, checks=(msgspec.structs.replace(GREEN, exit_code=1),)),
        Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(msgspec.structs.replace(GREEN, exit_code=1),)),
        Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(msgspec.structs.replace(GREEN, wrote=("x",)),)),
        Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(msgspec.structs.replace(GREEN, retried=True),)),
        Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(GREEN, CheckResult(name="x", run="x", skipped="y"))),
        Verification(verdict=Verdict.UNVERIFIED, tree=TREE),
        Verification(verdict=Verdict.VERIFIED, tree=TREE),
    ],
)
def test_only_green_is_kept(cache: VerifyCache, found: Verification) -> None:
    assert not cache.remember(found, HERE)
    assert not cache.layout.verify_cache.exists()


def test_every_flipped_bit_makes_an_entry_void(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    path = entry(cache)
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 7
        path.write_bytes(flipped)
        found = cache.recall(TREE, HERE)
        # A flip in a blank, or in the instant that nothing hangs on, changes no fact.
        assert found is None or found.checks == (msgspec.structs.replace(GREEN, cached=True),)


@pytest.mark.parametrize("size", [0, 1, 100])
def test_an_entry_that_was_cut_is_void(cache: VerifyCache, size: int) -> None:
    cache.remember(VERIFIED, HERE)
    os.truncate(entry(cache), size)
    assert cache.recall(TREE, HERE) is None
    assert cache.remember(VERIFIED, HERE)
    assert cache.recall(TREE, HERE) is not None


def test_an_entry_under_another_name_is_void(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    old = entry(cache)
    cache.remember(VERIFIED, "f" * 64)
    (new,) = (path for path in cache.layout.verify_cache.iterdir() if path != old)
    old.replace(new)
    assert cache.recall(TREE, "f" * 64) is None


def test_a_red_verdict_that_was_written_as_green_is_void(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    path = entry(cache)
    document = json.loads(path.read_bytes())
    red = Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(msgspec.structs.replace(GREEN, exit_code=1),))
    document["verification"] = msgspec.to_builtins(red)
    document["digest"] = verify_cache._digest(red)
    path.write_text(json.dumps(document))
    assert cache.recall(TREE, HERE) is None


def test_a_pipe_in_the_place_of_an_entry_holds_nobody_up(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    path = entry(cache)
    path.unlink()
    os.mkfifo(path)
    assert cache.recall(TREE, HERE) is None
    assert cache.remember(VERIFIED, HERE)
    assert cache.recall(TREE, HERE) is not None


def test_a_file_in_the_place_of_the_cache_fails_nobody(cache: VerifyCache) -> None:
    cache.layout.root.mkdir()
    cache.layout.verify_cache.write_text("in the way")
    assert not cache.remember(VERIFIED, HERE)
    assert not cache.note_red(TREE, "k", "make")
    assert cache.recall(TREE, HERE) is None
    assert cache.red(TREE, "k") is None
    assert not cache.any_red()
    cache.forget_red(TREE, "k")
    assert cache.clear(float("inf"), dry_run=False) == (0, 0)


def test_an_entry_counts_for_a_time(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    written = entry(cache).stat().st_mtime
    assert VerifyCache(cache.layout, lambda: written + MOST_SECONDS).recall(TREE, HERE) is not None
    assert VerifyCache(cache.layout, lambda: written + MOST_SECONDS + 1).recall(TREE, HERE) is None
    # A clock that was set back says nothing of its age.
    assert VerifyCache(cache.layout, lambda: written - 60).recall(TREE, HERE) is None


def test_the_cache_is_bounded(cache: VerifyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_cache, "MOST_ENTRIES", 3)
    for number in range(5):
        cache.remember(VERIFIED, f"{number:064}")
        cache.note_red(f"{number:040}", "k", "make")
        for path in cache.layout.verify_cache.iterdir():
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))
    kept = [number for number in range(5) if cache.recall(TREE, f"{number:064}")]
    assert kept == [2, 3, 4]
    assert [number for number in range(5) if cache.red(f"{number:040}", "k")] == [2, 3, 4]


def test_unfinished_writes_of_the_dead_are_swept_and_those_of_the_living_are_not(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    dead, living = cache.layout.verify_cache / ".tmp-1-0", cache.layout.verify_cache / ".tmp-2-0"
    dead.write_text("half")
    living.write_text("half")
    os.utime(dead, (0, 0))
    cache.prune()
    assert not dead.exists()
    assert living.exists()


def test_a_red_target_is_known_until_it_was_green(cache: VerifyCache) -> None:
    assert not cache.any_red()
    assert cache.note_red(TREE, "k", "make test")
    assert cache.any_red()
    note = cache.red(TREE, "k")
    assert note is not None
    assert note.command == "make test"
    assert cache.red(TREE, "other checks") is None
    assert cache.red("b" * 40, "k") is None
    cache.forget_red(TREE, "k")
    assert cache.red(TREE, "k") is None
    assert not cache.any_red()


def test_a_damaged_note_is_no_note(cache: VerifyCache) -> None:
    cache.note_red(TREE, "k", "make test")
    entry(cache).write_bytes(b"{")
    assert cache.red(TREE, "k") is None


def test_clearing_spares_what_is_younger(cache: VerifyCache) -> None:
    cache.remember(VERIFIED, HERE)
    written = entry(cache).stat().st_mtime
    size = entry(cache).stat().st_size
    assert cache.clear(written - 1, dry_run=False) == (0, 0)
    assert cache.clear(written, dry_run=True) == (1, size)
    assert cache.clear(written, dry_run=False) == (1, size)
    assert cache.recall(TREE, HERE) is None

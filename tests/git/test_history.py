"""What is read of history, from real repositories: hostile names, short clones, and histories that people rewrite."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gitfleet.git import history
from gitfleet.git.command import Git
from gitfleet.git.history import read_history
from gitfleet.model.history import Cut, History
from gitfleet.store.history_cache import keep_history, load_history
from gitfleet.store.layout import Layout
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.git_env import GitCounter

HOSTILE = [b"a\nb", b"M", b"R100", b"<" + b"a" * 40 + b":1", b">x", b"\xff\xfe", b'q"\\', b":100644", b"\nM", b"d/\t"]


def read(repo: Repo, known: History | None = None, tip: str = "HEAD") -> History:
    return read_history(Git(repo.path), repo.oid(tip), known)


def paths(found: History) -> list[set[bytes]]:
    return [set(change.paths) for change in found.changes]


def test_each_commit_has_its_paths_and_the_first_and_merges_none(repo: Repo) -> None:
    repo.commit({"a": "1", "b": "1"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"c": "1"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a": None})
    repo.git("merge", "-q", "--no-edit", "side")
    repo.commit({}, "empty")
    found = read(repo)
    assert sorted(map(sorted, paths(found))) == [[], [b"a"], [b"a", b"b"], [b"c"]]
    assert found.cut is Cut.NONE


def test_names_that_look_like_the_answer_are_names(repo: Repo) -> None:
    repo.commit(dict.fromkeys(HOSTILE, b"1"))
    for name in HOSTILE:
        repo.commit({name: b"2"})
    assert paths(read(repo)) == [*({name} for name in reversed(HOSTILE)), set(HOSTILE)]


def test_a_moved_file_is_told_when_it_is_the_same(repo: Repo) -> None:
    repo.commit({b"old\n": b"content\n", b"other": b"a\n" * 20})
    (repo.path / "old\n").rename(repo.path / "R100")
    repo.commit({})
    (repo.path / "other").rename(repo.path / "more")
    repo.commit({"more": "a\n" * 20 + "b\n"})
    changed, moved, _ = read(repo).changes
    assert moved.moved == ((b"old\n", b"R100"),)
    assert moved.paths == (b"R100",)
    assert changed.moved == ()
    assert set(changed.paths) == {b"more", b"other"}


def test_a_commit_over_many_files_counts_for_none(repo: Repo) -> None:
    repo.commit({f"f{number}": "1" for number in range(history.FILES + 1)})
    repo.commit({f"f{number}": "2" for number in range(history.FILES)})
    small, large = read(repo).changes
    assert (len(small.paths), small.large) == (history.FILES, False)
    assert (large.paths, large.large) == ((), True)


def test_only_what_is_new_is_read_and_nothing_where_nothing_is(repo: Repo, counter: GitCounter) -> None:
    for number in range(5):
        repo.commit({"a": str(number), f"b{number}": "1"})
    known = read(repo)
    counter.calls()
    tip = repo.oid()
    counter.calls()
    assert read_history(Git(repo.path), tip, known) is known
    assert counter.calls() == []
    repo.commit({"c": "1"})
    tip = repo.oid()
    counter.calls()
    later = read_history(Git(repo.path), tip, known)
    assert [call.split()[0] for call in counter.calls()] == ["log"]
    assert later.changes[1:] == known.changes
    assert later == read(repo)


def test_rewritten_history_is_noticed(repo: Repo, counter: GitCounter) -> None:
    for number in range(6):
        repo.commit({f"f{number}": "1"})
    known = read(repo)
    repo.git("reset", "-q", "--hard", "HEAD~2")
    repo.commit({"other": "1"})
    tip = repo.oid()
    counter.calls()
    again = read_history(Git(repo.path), tip, known)
    assert len(counter.calls()) == 1
    assert set(again.changes) == set(read(repo).changes)
    assert {b"f5"} not in paths(again)
    # One that git has forgotten, too.
    lost = History("e" * 40, known.changes)
    assert read(repo, lost) == read(repo)
    other = Repo.with_files(repo.path.parent / "other", {"x": "1"})
    other.commit({"x": "2"})
    assert read(other, known) == read(other)


def test_the_newest_are_kept(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        repo.commit({f"f{number}": "1"})
    monkeypatch.setattr(history, "COMMITS", 4)
    known = read(repo)
    assert paths(known) == [{b"f5"}, {b"f4"}, {b"f3"}, {b"f2"}]
    assert known.cut is Cut.COMMITS
    repo.commit({"g": "1"})
    assert paths(read(repo, known)) == [{b"g"}, {b"f5"}, {b"f4"}, {b"f3"}]
    repo.git("reset", "-q", "--hard", "HEAD~4")
    assert read(repo, known) == read(repo)


def test_a_limit_of_time_or_size_keeps_the_newest_that_came(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        repo.commit({f"f{number}": "1"})
    slow = read_history(Git(repo.path), repo.oid(), seconds=0.0)
    assert slow.cut is Cut.SECONDS
    assert len(slow.changes) <= 2
    # The newest commit takes 59 bytes and the header of the next one 53; how much comes at once is git's.
    monkeypatch.setattr(history, "BYTES", 115)
    short = read(repo)
    assert short.cut is Cut.BYTES
    assert paths(short) in ([{b"f2"}], [{b"f2"}, {b"f1"}])
    assert read(repo, short).cut is Cut.BYTES


def test_a_shallow_clone_ends_at_its_border(repo: Repo, tmp_path: Path) -> None:
    for number in range(4):
        repo.commit({f"f{number}": "1"})
    repo.git("clone", "-q", "--depth=2", f"file://{repo.path}", str(tmp_path / "shallow"))
    assert paths(read(Repo(tmp_path / "shallow"))) == [{b"f3"}]


@pytest.mark.parametrize(("filtered", "count"), [("blob:none", 5), ("tree:0", 0)])
def test_a_partial_clone_is_not_made_to_fetch(
    repo: Repo, tmp_path: Path, filtered: str, count: int, counter: GitCounter
) -> None:
    for number in range(4):
        repo.commit({f"f{number}": "1"})
    (repo.path / "f1").rename(repo.path / "g1")
    repo.commit({})
    repo.git("config", "uploadpack.allowFilter", "true")
    partial = Repo(tmp_path / "partial")
    repo.git("clone", "-q", "--no-checkout", f"--filter={filtered}", f"file://{repo.path}", str(partial.path))
    before = sorted(path.name for path in (partial.path / ".git/objects/pack").iterdir())
    tip = partial.oid()
    counter.calls()
    found = read_history(Git(partial.path), tip)
    assert len(found.changes) == count
    assert found.cut is (Cut.NONE if count else Cut.MISSING)
    assert sorted(path.name for path in (partial.path / ".git/objects/pack").iterdir()) == before


def test_a_configuration_changes_nothing(repo: Repo) -> None:
    repo.commit({"d/a": "1"})
    (repo.path / "d/a").rename(repo.path / "b")
    repo.commit({"c": "1"})
    plain = read(repo)
    for name, value in {
        "diff.renames": "copies",
        "diff.renameLimit": "1",
        "log.showSignature": "true",
        "log.showRoot": "false",
        "diff.relative": "true",
        "diff.orderFile": "/nowhere",
        "color.ui": "always",
        "format.pretty": "%B",
        "log.follow": "true",
    }.items():
        repo.git("config", name, value)
    assert read(repo) == plain


def test_what_is_kept_comes_back_and_damage_is_no_answer(repo: Repo, tmp_path: Path) -> None:
    repo.commit(dict.fromkeys(HOSTILE, b"1"))
    found = read(repo)
    layout = Layout(tmp_path / "common")
    assert load_history(layout) is None
    layout.history_cache.parent.mkdir(parents=True)
    (layout.history_cache.parent / ".tmp-1-0").write_text("of a writer that was killed")
    keep_history(layout, found)
    assert list(layout.history_cache.parent.iterdir()) == [layout.history_cache]
    assert load_history(layout) == found
    whole = layout.history_cache.read_bytes()
    for damaged in (b"", whole[:-3], whole[:9] + bytes([whole[9] ^ 1]) + whole[10:], b"x" * 20):
        layout.history_cache.write_bytes(damaged)
        assert load_history(layout) is None
    shutil.rmtree(layout.root)
    layout.root.write_text("in the way")
    keep_history(layout, found)
    assert load_history(layout) is None

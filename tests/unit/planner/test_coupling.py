from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.history import Change, History
from gitfleet.planner.coupling import Coupled, couplings, sure_share
from gitfleet.planner.scopes import Scope


def history(*commits: str) -> History:
    """Commits as words, newest first; ``old>new`` is a file that was moved as it was, and changed by the commit."""
    changes = []
    for number, text in enumerate(commits):
        words = [word.encode() for word in text.split()]
        moved = tuple((old, new) for old, _, new in (word.partition(b">") for word in words) if new)
        paths = tuple(word.rpartition(b">")[2] for word in words)
        changes.append(Change(f"{number:040x}", 1000 - number, paths, moved))
    return History("f" * 40, tuple(changes))


def found(past: History, *, gone: tuple[bytes, ...] = (), fold: bool = False, **scopes: str) -> tuple[Coupled, ...]:
    parsed = {task: Scope.parse(text.split()) for task, text in scopes.items()}
    return couplings(past, parsed, lambda one, other: one != other, lambda path: path not in gone, fold=fold)


ALONE = ("x1", "x2", "x3", "x4", "x5", "x6")


def test_files_that_change_together_couple_the_tasks_that_hold_them() -> None:
    past = history("a/1 b/1", "a/1 b/1 c", "a/1 b/1", "a/2", "b/2", *ALONE)
    (pair,) = found(past, one="a/", two="b/", three="c")
    assert (pair.first, pair.second, pair.together, pair.either) == ("one", "two", 3, 5)
    (files,) = pair.pairs
    assert (files.first, files.second, files.together, files.fewer) == (b"a/1", b"b/1", 3, 3)
    assert files.lift == pytest.approx(11 / 3)
    assert pair.share == pytest.approx(0.6)


def test_two_times_are_too_few() -> None:
    assert found(history("a b", "a b", *ALONE), one="a", two="b") == ()


def test_a_file_that_goes_with_everything_is_coupled_with_nothing() -> None:
    past = history(*(f"f{n % 4} changes" for n in range(40)))
    assert found(past, one="f1", two="changes") == ()


def test_files_that_are_often_changed_apart_are_not_coupled() -> None:
    past = history(*["a b"] * 3, *["a"] * 9, *["b"] * 9, *ALONE * 9)
    assert found(past, one="a", two="b") == ()


def test_a_moved_file_keeps_its_commits_and_a_new_one_of_its_old_name_has_none_of_them() -> None:
    past = history("old x9", "old>new", "old b", "old b", "old b", *ALONE)
    (pair,) = found(past, one="new", two="b", three="old")
    assert (pair.first, pair.second) == ("one", "two")
    assert found(past, two="b", three="old") == ()


def test_names_that_were_swapped_are_followed_at_once() -> None:
    past = history("p>q q>p", *["p b"] * 3, *ALONE)
    (pair,) = found(past, one="q", two="b")
    assert pair.pairs[0].first == b"b"


def test_large_commits_records_and_files_that_are_gone_say_nothing() -> None:
    together = history(*["a b .planning/s.md"] * 3, *ALONE)
    assert found(together, one="a", two="b") != ()
    assert found(together, one="a", two="b", gone=(b"b",)) == ()
    large = History("", tuple(Change(str(n), n, (b"a", b"b"), large=True) for n in range(9)))
    assert found(large, one="a", two="b") == ()


def test_folded_names_and_bytes_that_are_no_text() -> None:
    past = history(*["Src/A b"] * 3, *ALONE)
    assert found(past, one="src/a", two="B") == ()
    assert len(found(past, one="src/a", two="B", fold=True)) == 1
    changes = tuple(Change(str(n), n, (b"\xff", b"b")) for n in range(3))
    past = History("", (*changes, *past.changes[3:]))
    parsed = {"one": Scope.parse(['"\\377"']), "two": Scope.parse(["b"])}
    assert len(couplings(past, parsed, lambda *_: True, lambda _: True)) == 1


def test_only_tasks_that_run_at_once_are_told_and_the_surest_come_first() -> None:
    past = history(*["a b"] * 9, *["c d"] * 4, *ALONE * 9)
    scopes = {name: Scope.parse([name]) for name in "abcd"}
    pairs = couplings(past, scopes, lambda *_: True, lambda _: True)
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("c", "d")]
    apart = couplings(past, scopes, lambda one, _: one == "c", lambda _: True)
    assert [(pair.first, pair.second) for pair in apart] == [("c", "d")]


def test_many_pairs_are_counted_and_five_are_named() -> None:
    past = history(*["a/1 a/2 a/3 b/1 b/2 b/3"] * 4, *ALONE * 3)
    (pair,) = found(past, one="a", two="b")
    assert (len(pair.pairs), pair.more) == (5, 4)


def test_the_sure_share_is_the_interval_of_wilson() -> None:
    assert sure_share(0, 0) == 0.0
    assert sure_share(3, 3) == pytest.approx(0.4385, abs=1e-4)
    assert sure_share(8, 10) == pytest.approx(0.4902, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.sampled_from(["a/1", "a/2", "b/1", "b", "c/d/e", "c/f", "x"]), min_size=1), max_size=25))
def test_counts_equal_what_counting_by_hand_says(commits: list[set[str]]) -> None:
    past = history(*(" ".join(sorted(commit)) for commit in commits))
    scopes = {"one": Scope.parse(["a"]), "two": Scope.parse(["**/b", "c", "!c/f"]), "three": Scope.parse(["b/*", "x"])}
    for pair in couplings(past, scopes, lambda *_: True, lambda _: True):
        held = {
            task: [{f for f in commit if scopes[task].matches(f.encode())} for commit in commits] for task in scopes
        }
        mine, others = held[pair.first], held[pair.second]
        assert pair.together == sum(bool(a and b) for a, b in zip(mine, others, strict=True))
        assert pair.either == sum(bool(a or b) for a, b in zip(mine, others, strict=True))
        for files in pair.pairs:
            both = [commit for commit in commits if {files.first.decode(), files.second.decode()} <= commit]
            counts = [sum(name.decode() in commit for commit in commits) for name in (files.first, files.second)]
            assert (files.together, files.fewer) == (len(both), min(counts))
            assert files.lift > 1

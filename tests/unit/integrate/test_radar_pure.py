"""Merge bases of all pairs from one walk, and which pairs can be excluded: against brute force."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from gitfleet.integrate.radar.ancestry import Node, find_bases, parse_walk
from gitfleet.integrate.radar.meeting import Touched, folded, may_conflict, parents, parse_diffs


@st.composite
def histories(draw: st.DrawFn) -> dict[int, tuple[int, ...]]:
    """Commits by number with their parents, which have smaller ones."""
    size = draw(st.integers(2, 14))
    return {
        number: tuple(draw(st.sets(st.integers(0, number - 1), min_size=1, max_size=2))) if number else ()
        for number in range(size)
    }


def ancestors(history: dict[int, tuple[int, ...]], commit: int) -> set[int]:
    found, todo = {commit}, [commit]
    while todo:
        for parent in history[todo.pop()]:
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found


@given(history=histories(), data=st.data())
def test_the_bases_of_all_pairs_are_the_best_common_ancestors(
    history: dict[int, tuple[int, ...]], data: st.DataObject
) -> None:
    tips = data.draw(st.lists(st.sampled_from(sorted(history)), min_size=2, max_size=6, unique=True))
    walk = [Node(str(c), f"t{c}", tuple(map(str, history[c]))) for c in sorted(history, reverse=True)]
    found = find_bases([str(tip) for tip in tips], walk)
    for a, b in combinations(tips, 2):
        common = ancestors(history, a) & ancestors(history, b)
        best = {c for c in common if not any(c in ancestors(history, d) for d in common - {c})}
        assert {int(base) for base in found.bases[str(a), str(b)]} == best


def test_tips_without_common_history_have_no_base() -> None:
    found = find_bases(["a", "b"], [Node("a", "t", ()), Node("b", "t", ())])
    assert found.bases == {}


def test_a_walk_is_read_with_trees_and_parents() -> None:
    assert list(parse_walk("c1 t1 p1 p2\nc0 t0 \n")) == [Node("c1", "t1", ("p1", "p2")), Node("c0", "t0", ())]


def test_a_diff_is_read_whatever_a_path_looks_like() -> None:
    head = b"1111 2222\n"
    fake = b"3333 4444\n:040000 000000 a b D"
    raw = head + b":100644 100644 a b M\0" + fake + b"\0:000000 100644 a b A\0new\nline\0" + b"3333 4444\n" + b"5 6\n"
    found = parse_diffs(raw, fold=False)
    assert found["1111", "2222"].paths == {fake, b"new\nline"}
    assert found["1111", "2222"].added == {b"new\nline"}
    assert found["1111", "2222"].vanished == frozenset()
    assert found["3333", "4444"] == found["5", "6"] == Touched()


def test_directories_count_where_they_vanish() -> None:
    raw = b"1 2\n:040000 000000 a b D\0d\0:100644 000000 a b D\0d/f\0:040000 040000 a b M\0e\0:000000 040000 a b A\0g\0"
    found = parse_diffs(raw, fold=False)["1", "2"]
    assert (found.paths, found.vanished, found.above) == (frozenset({b"d/f"}), frozenset({b"d"}), frozenset({b"d"}))


def touched(*paths: str, added: tuple[str, ...] = (), vanished: tuple[str, ...] = ()) -> Touched:
    names = frozenset(path.encode() for path in (*paths, *added))
    above = frozenset(parent for name in names for parent in parents(name))
    return Touched(names, frozenset(n.encode() for n in added), frozenset(n.encode() for n in vanished), above)


def test_what_can_conflict_and_what_cannot() -> None:
    assert may_conflict(touched("a"), touched("a"))
    assert may_conflict(touched("x"), touched(added=("x/y/z",)))
    assert may_conflict(touched("d/f", vanished=("d",)), touched(added=("d/deep/new",)))
    assert not may_conflict(touched("d/f", vanished=("d",)), touched("d/g"))
    assert not may_conflict(touched("x"), touched("xy/z"))
    assert not may_conflict(touched(), touched("a"))


def test_names_are_folded_as_file_systems_fold_them() -> None:
    assert folded("STRASSE/É".encode()) == folded("strasse/e\u0301".encode())
    assert folded(b"\xff") == b"\xff"

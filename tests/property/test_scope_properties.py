"""Overlap is exact: it equals brute force over small alphabets, exclusions and folding included."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitfleet.planner.scopes import (
    Scope,
    ScopeError,
    ScopeIndex,
    entry_for,
    fold_name,
    overlap,
    parse_entry,
    resolve_links,
)
from tests.support.scopes import all_paths, entries, scope_matches, scopes

PATHS = all_paths("ab", longest=2, deepest=3)
FOLDED_PATHS = all_paths("aAb", longest=2, deepest=2)
DOTTED_PATHS = [b".g", b".git", b"a/.git", b".planning", b"a/.planning", b".git/a", b"..a", b".p/.git"]

quick = settings(max_examples=250, deadline=None)


@quick
@given(scopes("ab"))
def test_matches_equals_the_obvious_matcher(written: list[str]) -> None:
    scope = Scope.parse(written)
    for path in PATHS:
        assert scope.matches(path) == scope_matches(written, path), path


@quick
@given(scopes("ab"), scopes("ab"))
@example(["a", "!a/b"], ["a/b"])
@example(["**/a/**/b"], ["**/b/**/a"])
@example(["*a*b"], ["*b*a", "!*a?b*", "!**/b*"])
@example(["."], [".", "!?*"])
@example(["a/**"], ["**/b", "!a/*"])
def test_overlap_equals_brute_force(one: list[str], other: list[str]) -> None:
    a, b = Scope.parse(one), Scope.parse(other)
    witness = overlap(a, b)
    if witness is None:
        assert not [path for path in PATHS if scope_matches(one, path) and scope_matches(other, path)]
    else:
        assert scope_matches(one, witness)
        assert scope_matches(other, witness)
        assert a.matches(witness)
        assert b.matches(witness)
    assert (overlap(b, a) is None) == (witness is None)


@quick
@given(scopes("aAb"), scopes("aAb"))
@example(["A", "!A/B"], ["a/b"])
def test_folded_overlap_equals_brute_force(one: list[str], other: list[str]) -> None:
    a, b = Scope.parse(one), Scope.parse(other)
    witness = overlap(a, b, fold=True)
    if witness is None:
        assert not [
            path
            for path in FOLDED_PATHS
            if scope_matches(one, path, fold=True) and scope_matches(other, path, fold=True)
        ]
    else:
        assert scope_matches(one, witness, fold=True)
        assert scope_matches(other, witness, fold=True)
        assert a.matches(witness, fold=True)
        assert b.matches(witness, fold=True)
    assert (overlap(b, a, fold=True) is None) == (witness is None)


@quick
@given(scopes("éEe\u0301"), scopes("éEe\u0301"))
def test_folding_composes_characters_and_its_witness_is_a_name(one: list[str], other: list[str]) -> None:
    a, b = Scope.parse(one), Scope.parse(other)
    witness = overlap(a, b, fold=True)
    if witness is not None:
        assert a.matches(witness, fold=True)
        assert b.matches(witness, fold=True)
        assert fold_name(witness.decode()) == witness.decode()


@quick
@given(scopes(".git"), scopes(".git"))
@example([".gi?"], ["*t"])
@example(["??"], [".*"])
@example(["?"], [".*"])
@example([".plannin?"], ["*g"])
@example(["a/.gi?"], ["a/*t"])
def test_what_nobody_may_write_is_no_overlap(one: list[str], other: list[str]) -> None:
    try:
        a, b = Scope.parse(one), Scope.parse(other)
    except ScopeError:
        return
    witness = overlap(a, b)
    if witness is None:
        assert not [path for path in DOTTED_PATHS if scope_matches(one, path) and scope_matches(other, path)]
    else:
        assert scope_matches(one, witness)
        assert scope_matches(other, witness)


@quick
@given(st.lists(scopes("ab"), min_size=2, max_size=6), st.booleans())
def test_the_index_finds_what_all_pairs_find(written: list[list[str]], fold: bool) -> None:  # noqa: FBT001
    parsed = [Scope.parse(one) for one in written]
    index = ScopeIndex(fold=fold)
    for number, scope in enumerate(parsed[:-1]):
        index.add(str(number), scope)
    expected = [
        str(number) for number, scope in enumerate(parsed[:-1]) if overlap(scope, parsed[-1], fold=fold) is not None
    ]
    assert [key for key, _ in index.overlapping(parsed[-1])] == expected
    for number in range(len(parsed) - 1):
        index.discard(str(number))
    assert index.overlapping(parsed[-1]) == []
    assert len(index) == 0


@quick
@given(entries('a!\\é." '))
def test_an_entry_in_its_normal_spelling_is_itself(text: str) -> None:
    try:
        entry = parse_entry(text)
    except ScopeError:
        return
    assert parse_entry(entry.text) == entry


@quick
@given(st.binary(min_size=1, max_size=12))
@example(b"!x")
@example(b'"x"')
@example(b"**")
@example(b"a\n/\xff\xc3\xa9*")
@example(b".planning")
def test_every_path_has_an_entry_that_holds_it_and_nothing_beside_it(path: bytes) -> None:
    first, *_ = names = path.lower().split(b"/")
    if b"\0" in path or first == b".planning" or any(name in (b"", b".", b"..", b".git") for name in names):
        return
    scope = Scope.parse([entry_for(path)])
    assert scope.matches(path)
    assert scope.matches(path + b"/below")
    assert not scope.matches(path + b"x")
    assert overlap(scope, Scope.parse(["."])) == path


@quick
@given(st.lists(st.binary(min_size=1, max_size=3), min_size=2, max_size=2), st.lists(st.sampled_from("*?"), max_size=4))
def test_stray_bytes_never_give_a_witness_that_is_not_one(runs: list[bytes], wild: list[str]) -> None:
    def quoted(raw: bytes) -> str:
        return '"' + "".join(f"\\{byte:03o}" for byte in raw) + '"'

    first, second = runs
    try:
        a = Scope.parse([quoted(first + "".join(wild).encode())])
        b = Scope.parse([quoted("".join(wild).encode() + second)])
    except ScopeError:
        return
    witness = overlap(a, b)
    if witness is not None:
        assert a.matches(witness)
        assert b.matches(witness)


@pytest.mark.parametrize("fold", [False, True])
@quick
@given(text=st.text("aAßẞéE\u0301ǰİ\u0131\u017fﬁΣς\u03c3\u0345", max_size=6))
def test_folding_is_stable(text: str, fold: bool) -> None:  # noqa: FBT001
    folded = fold_name(text) if fold else fold_name(text.upper())
    assert fold_name(folded) == folded


@quick
@given(
    scopes("ab"),
    st.dictionaries(
        st.sampled_from([b"a", b"b", b"a/a", b"ab", b"b/a"]),
        st.sampled_from([b"b", b"../b", b"a/b", b"/etc", b".", b"ab/x", b"../../x"]),
    ),
)
def test_links_either_resolve_to_a_fixed_point_or_are_refused(written: list[str], links: dict[bytes, bytes]) -> None:
    try:
        resolved, _ = resolve_links(Scope.parse(written), links)
    except ScopeError:
        return
    again, _ = resolve_links(resolved, links)
    assert set(resolved.entries) == set(again.entries)

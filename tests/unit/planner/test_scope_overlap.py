from __future__ import annotations

import time

import pytest

from gitfleet.planner.scopes import Scope, ScopeIndex, overlap, words


def between(one: list[str], other: list[str], *, fold: bool = False) -> bytes | None:
    a, b = Scope.parse(one), Scope.parse(other)
    forth, back = overlap(a, b, fold=fold), overlap(b, a, fold=fold)
    assert (forth is None) == (back is None)
    if forth is not None:
        assert a.matches(forth, fold=fold)
        assert b.matches(forth, fold=fold)
    return forth


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (["src/api"], ["src/api"], b"src/api"),
        (["docs"], ["docs/api.md"], b"docs/api.md"),
        (["src/api"], ["src/api-v2"], None),
        (["src", "!src/gen"], ["src/gen"], None),
        (["src", "!src/gen"], ["src/gen2"], b"src/gen2"),
        (["src", "!src/gen/*"], ["src/gen"], b"src/gen"),
        (["src", "!src/**/*.css"], ["src/ui/x.css"], None),
        (["src", "!src/**/*.css"], ["src/ui/*.c?"], b"src/ui/x.cx"),
        (["src/**/*.css"], ["src/ui"], b"src/ui/x.css"),
        (["src/*.css"], ["src/*.js"], None),
        (["*a*"], ["*b*"], b"ab"),
        (["app/[slug]/page.tsx"], ["app/*/page.tsx"], b"app/[slug]/page.tsx"),
        (["app/[slug]/page.tsx"], ["app/s/page.tsx"], None),
        (["."], ["."], b"x"),
        (["."], [".", "!*"], None),
        (["."], ["x", "!."], None),
        ([], ["."], None),
        (["!a"], ["."], None),
        (["a/**/b", "!a/b", "!a/*/b"], ["a/*/*/b"], b"a/x/x/b"),
        (["*"], ["*", "!x", "!xx", "!?"], b"xy"),
        ([".gi?"], [".*t"], None),
        (["*plannin?"], [".*"], b".xplanning"),
        ([".?lanning"], [".p*"], None),
        (["a/.?lanning"], ["a/.p*"], b"a/.planning"),
        (["..?"], [".??"], b"..x"),
        (["?"], [".*"], None),
        (["src/**/a", "!src/**/a/*"], ["src/**/b", "!src/**/b/*"], None),
        (["src/**/a"], ["src/**/b"], b"src/a/b"),
        (["Src"], ["src"], None),
    ],
)
def test_overlap_is_decided_with_a_witness(one: list[str], other: list[str], path: bytes | None) -> None:
    witness = between(one, other)
    assert (witness is None) == (path is None)
    if path is not None and witness is not None:
        assert witness.count(b"/") == path.count(b"/")
        assert Scope.parse(one).matches(path)
        assert Scope.parse(other).matches(path)


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (["SRC/API"], ["src/api/x"], b"src/api/x"),
        (["SRC", "!SRC/Gen"], ["src/gen"], None),
        (["straße"], ["STRASSE"], b"strasse"),
        (["é"], ["E\u0301"], "é".encode()),
        (["*.CSS"], ["a.*s"], b"a.css"),
        (["e*"], ["*\u0301"], None),
        (["ǰ"], ["J\u030c"], "ǰ".encode()),
    ],
)
def test_folded_overlap(one: list[str], other: list[str], path: bytes | None) -> None:
    witness = between(one, other, fold=True)
    if path is None and one == ["e*"]:
        assert witness is not None
        assert witness != "e\u0301".encode()
    else:
        assert witness == path


def test_the_witness_reads_like_an_example() -> None:
    assert between(["src/**/*.css"], ["src"]) == b"src/x.css"
    assert between(["test_?.py"], ["*"]) == b"test_x.py"


def test_stray_bytes_do_not_make_up_a_character() -> None:
    witness = between(['"\\303*"'], ['"*\\251"'])
    assert witness is not None
    assert witness != "é".encode()
    assert between(['"\\303?"'], ['"?\\251"']) is None
    assert between(['"\\303?"'], ['"?\\300"']) == b"\xc3\xc0"


def test_many_entries_meet_through_a_trie() -> None:
    one = [f"a/{number}/*.py" for number in range(40)]
    other = [f"?/{number}/*" for number in range(39, 80)]
    assert between(one, other) == b"a/39/x.py"
    assert between(one[:-1], other) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["*a" * 100 + "*"], ["*b" * 100]),
        (["x" + "a*" * 400], ["*b" * 400]),
        (["/".join(["**", "a"] * 60)], ["/".join(["**", "b"] * 60)]),
        (["*a" + "?" * 40], [".", "!*a" + "?" * 39]),
        (["**"], ["**", *(f"!**/{'?' * size}a*" for size in range(12))]),
        (["**/" + "*/" * 30 + "b"], [".", *("!" + "**/" + "*/" * size + "a" for size in range(25))]),
        (["*"], ["*", *("!*" + chr(97 + number) + "?" * 12 for number in range(12))]),
        (["*a*b*c*d*", "*b*a*c*d*"] * 50, ["*" + "?" * number + "z" for number in range(100)]),
    ],
)
def test_hostile_patterns_are_answered_in_bounded_time(one: list[str], other: list[str]) -> None:
    a, b = Scope.parse(one), Scope.parse(other)
    start = time.process_time()
    assert overlap(a, b) is not None
    assert time.process_time() - start < 10


def test_hostile_patterns_that_are_apart_are_told_apart() -> None:
    assert between(["x*" + "a*" * 50], ["y*" + "b*" * 50]) is None
    assert between(["*a" * 20 + "x"], ["*b" * 20 + "y"]) is None
    assert between(["/".join(["**", "a"] * 20 + ["x"])], ["/".join(["**", "b"] * 20 + ["y"])]) is not None


def test_doubt_means_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    words.choices.cache_clear()
    monkeypatch.setattr(words, "WORK_LIMIT", 3)
    one, other = Scope.parse(["a*b*c"]), Scope.parse(["*", "!a*b*c"])
    witness = overlap(one, other)
    words.choices.cache_clear()
    assert witness == b"axbxc"
    monkeypatch.undo()
    assert overlap(one, other) is None


def test_doubt_without_exclusions_gives_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    words.choices.cache_clear()
    monkeypatch.setattr(words, "WORK_LIMIT", 3)
    one, other = Scope.parse(["src/ab*cd"]), Scope.parse(["**/*y*"])
    witness = overlap(one, other)
    words.choices.cache_clear()
    monkeypatch.undo()
    assert witness == b"src/abxcd"
    assert overlap(one, other) is not None


def test_the_answer_does_not_depend_on_what_was_asked_before() -> None:
    one, other = Scope.parse(["*a" + "?" * 30]), Scope.parse([".", "!*a" + "?" * 29])
    words.choices.cache_clear()
    cold = overlap(one, other)
    assert overlap(one, other) == cold


def test_a_name_needs_a_filler_that_no_pattern_uses() -> None:
    letters = "zyxwvutsrqponmlkjihgfedcba"
    witness = between(["*a*b*"], [".", *(f"!*{letter}?*" for letter in letters)])
    assert witness is None
    assert between(["?*"], [".", *(f"!*{letter}*" for letter in letters)]) == "一".encode()


def test_a_thousand_disjoint_scopes_need_no_exact_comparison() -> None:
    for spell in ("src/m{}/", "src/*/m{}/*.py", "m{}.py", "?/m{}"):
        index = ScopeIndex()
        for number in range(1000):
            scope = Scope.parse([spell.format(number), f"docs/{number}.md", f"!docs/{number}.md/*"])
            assert index.overlapping(scope) == []
            index.add(str(number), scope)
        assert len(index) == 1000
        assert index.comparisons == 0


def test_an_index_compares_only_what_is_near() -> None:
    index = ScopeIndex()
    for number in range(1000):
        index.add(f"t{number}", Scope.parse([f"src/m{number}"]))
    assert index.overlapping(Scope.parse(["src/m7/x", "src/m30"])) == [("t7", b"src/m7/x"), ("t30", b"src/m30")]
    assert index.comparisons == 2
    assert len(index.overlapping(Scope.parse(["src"]))) == 1000


def test_an_index_replaces_and_forgets() -> None:
    index = ScopeIndex(fold=True)
    index.add("a", Scope.parse(["SRC/*.py", "doc"]))
    index.add("b", Scope.parse(["src/*.py"]))
    index.add("a", Scope.parse(["doc/x"]))
    assert [key for key, _ in index.overlapping(Scope.parse(["."]))] == ["b", "a"]
    index.discard("b")
    index.discard("unknown")
    assert index.overlapping(Scope.parse(["SRC"])) == []
    assert [key for key, _ in index.overlapping(Scope.parse(["DOC"]))] == ["a"]


def test_once_the_work_is_used_up_what_is_left_is_decided_without_exclusions() -> None:
    hostile = "!*a" + "?" * 20
    assert overlap(Scope.parse(["*a*x", "doc"]), Scope.parse(["*b*y", hostile, "doc", "!doc"])) == b"doc"
    one = [f"*a*x{number}" for number in range(30)]
    other = [f"*b*y{number}" for number in range(30)]
    start = time.process_time()
    assert overlap(Scope.parse(one), Scope.parse([*other, hostile])) is None
    assert time.process_time() - start < 10


def test_without_a_filler_there_is_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Scope.parse(["*a*"]), Scope.parse(["*b*", "!*ab*", "!*x*"])
    monkeypatch.setattr(words, "_filler", lambda _: None)
    words.choices.cache_clear()
    assert overlap(one, other) == b"xax"
    words.choices.cache_clear()
    monkeypatch.undo()
    assert overlap(one, other) == b"ba"

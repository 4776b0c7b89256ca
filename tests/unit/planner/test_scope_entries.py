from __future__ import annotations

import pytest

from gitfleet.planner.scopes import Scope, ScopeError, entry_for, parse_entry
from gitfleet.planner.scopes.entries import MAX_ENTRY_BYTES


@pytest.mark.parametrize(
    ("written", "held", "apart"),
    [
        ("src/api", [b"src/api", b"src/api/x.py", b"src/api/a/b"], [b"src", b"src/api-v2", b"src/ap", b"x/src/api"]),
        ("*.css", [b"a.css", b".css", b"a.css/below"], [b"src/a.css", b"a.css.bak"]),
        ("src/**/*.css", [b"src/a.css", b"src/x/y/a.css"], [b"a.css", b"src/a.js", b"src"]),
        ("**/gen", [b"gen", b"a/gen/x", b"a/b/gen"], [b"a/gen2", b"agen"]),
        ("src/**", [b"src", b"src/a"], [b"srcs"]),
        ("src/*", [b"src/a", b"src/a/b"], [b"src", b"other/a"]),
        ("a?c", [b"abc", "aéc".encode(), b"a\xffc"], [b"ac", b"abbc"]),
        ("a**b", [b"ab", b"axxb"], [b"a/b"]),
        ("app/[slug]/{a,b}.tsx", [b"app/[slug]/{a,b}.tsx"], [b"app/s/a.tsx", b"app/[slug]/a.tsx"]),
        ("a\\*b/\\?/\\\\", [b"a*b/?/\\"], [b"axb/?/\\", b"a*b/x/\\"]),
        ("\\!a", [b"!a"], [b"a"]),
        ("a b/ c", [b"a b/ c"], [b"a b/c"]),
        ("-rf", [b"-rf"], [b"rf"]),
        (".", [b"a", b"a/b", b".github/x"], []),
        ("**", [b"a", b"a/b"], []),
        ('"a\\377"', [b"a\xff", b"a\xff/b"], [b"a", "aÿ".encode()]),
        ('"a\\nb"', [b"a\nb"], [b"anb"]),
        ('"\\303\\251"', ["é".encode()], []),
        ("*a*a*a*a*a*a*a*a*a*a*b", [], [b"a" * 200]),
        ("**/a/**/a/**/a/**/b", [], [b"/".join([b"a"] * 60)]),
        (".*", [b".github"], [b".git", b".GIT/x", b".planning", b".Planning/x"]),
        ("a/.*", [b"a/.planning", b"a/.g"], [b"a/.git", b"a/.Git/x"]),
    ],
)
def test_what_an_entry_holds(written: str, held: list[bytes], apart: list[bytes]) -> None:
    scope = Scope.parse([written])
    assert [path for path in held if not scope.matches(path)] == []
    assert [path for path in apart if scope.matches(path)] == []


@pytest.mark.parametrize("path", [b"", b"/a", b"a//b", b"a/", b"./a", b"a/../b", b"a/.git/x", b".planning/x", b"a\0b"])
def test_no_scope_holds_what_is_not_a_path_that_may_be_written(path: bytes) -> None:
    assert not Scope.parse(["."]).matches(path)


def test_exclusions_count_in_any_order() -> None:
    for entries in (["src", "!src/gen"], ["!src/gen", "src"]):
        scope = Scope.parse(entries)
        assert scope.matches(b"src/a")
        assert not scope.matches(b"src/gen/a")
    assert Scope.parse(["src", "!."]).matches(b"src") is False


def test_folding_compares_names_without_case() -> None:
    scope = Scope.parse(["Src/É", "!src/é/GEN", "x?"])
    assert scope.matches("sRC/e\u0301/a".encode(), fold=True)
    assert not scope.matches("sRC/e\u0301/a".encode())
    assert not scope.matches("Src/É/gen".encode(), fold=True)
    assert scope.matches("Src/É/gen".encode())
    assert scope.matches("xe\u0301".encode(), fold=True)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("src/api/", "src/api"),
        ("./src//api/./", "src/api"),
        ("src/**", "src"),
        ("src/**/**/x/**", "src/**/x"),
        ("./", "."),
        ("**/", "."),
        ("a**b", "a*b"),
        ("!src/", "!src"),
        ('!"a b"', "!a b"),
        ('"!a"', "!a"),
        ("\\!a", "\\!a"),
        ("\\a\\*", "a\\*"),
        ('"a\\377"', '"a\\377"'),
        ('!"a\\377"', '!"a\\377"'),
        ('"a\\nb"', '"a\\nb"'),
        ('"\\"q"', '"\\"q"'),
        ("é", "é"),
        ("a\u200bb", "a\u200bb"),
        ("\\.hidden", ".hidden"),
        ("a/\\./b", "a/b"),
    ],
)
def test_entries_are_kept_in_one_spelling(written: str, normal: str) -> None:
    assert parse_entry(written).text == normal
    assert parse_entry(normal) == parse_entry(written)


def test_equal_entries_are_kept_once_and_scopes_are_hashable() -> None:
    scope = Scope.parse(["src", "src/", "!a", "./src"])
    assert scope.entries == ("src", "!a")
    assert {scope: 1}[Scope.parse(["src", "!a"])] == 1
    assert repr(scope) == "Scope(entries=('src', '!a'))"


@pytest.mark.parametrize(
    ("written", "clause"),
    [
        ("", "must name something"),
        ("!", "must name something"),
        ('""', "must name something"),
        ("/etc", "an absolute path"),
        ("!/etc", "an absolute path"),
        ("..", "`..` is not allowed"),
        ("a/../b", "`..` is not allowed"),
        ("\\../x", "`..` is not allowed"),
        (".git", "`.git` is not allowed"),
        (".GIT/hooks", "`.GIT` is not allowed"),
        ("vendor/.git", "`.git` is not allowed"),
        ("!.git", "`.git` is not allowed"),
        ("\\.git/x", "`.git` is not allowed"),
        (".planning", "`.planning` is not allowed"),
        ("./.Planning/x", "`.Planning` is not allowed"),
        ("a\0b", "a NUL"),
        ('"a\\000b"', "a NUL"),
        ("a\\", "must be followed"),
        ("a\\/b", "must be followed"),
        ("***", "`***` is not allowed"),
        ("a/****", "`****` is not allowed"),
        ('"a', "unbalanced quotation"),
        ('"\\q"', "unknown escape"),
        ("a\ud800", "not valid UTF-8"),
        ("a" * (MAX_ENTRY_BYTES + 1), "more than 4096 bytes"),
    ],
)
def test_what_cannot_be_meant_is_refused(written: str, clause: str) -> None:
    with pytest.raises(ScopeError) as caught:
        Scope.parse(["src", written])
    assert clause in str(caught.value)


def test_a_planning_directory_deeper_down_is_a_directory_like_others() -> None:
    assert Scope.parse(["docs/.planning"]).matches(b"docs/.planning/x")


def test_a_scope_without_positive_entries_is_empty() -> None:
    assert Scope.parse([]).is_empty
    assert Scope.parse(["!src"]).is_empty
    assert not Scope.parse(["src", "!src"]).is_empty
    assert not Scope.parse([]).matches(b"a")


@pytest.mark.parametrize("path", [b"!a", b'"a"', b"a*b/?", b"**", b"a\\b", b"\xff\n", b"#x", "é".encode()])
def test_a_path_can_be_written_as_an_entry(path: bytes) -> None:
    scope = Scope.parse([entry_for(path)])
    assert scope.matches(path)
    assert not scope.matches(path + b"x")


def test_the_automaton_of_an_entry_drops_positions_that_a_later_wildcard_covers() -> None:
    entry = parse_entry("**/a/**/b")
    assert entry.step(0b11, "a") == 0b10
    assert entry.accept == 0b100
    assert [segment.key for segment in parse_entry("a/b/**/c").anchored] == ["a", "b"]
    assert parse_entry("a/b*/c").head == ("a",)

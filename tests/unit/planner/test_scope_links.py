from __future__ import annotations

import pytest

from gitfleet.planner.scopes import Scope, ScopeError, resolve_links

LINKS = {
    b"docs": b"src/docs",
    b"src/docs/latest": b"../../releases/v1/",
    b"up": b"..",
    b"self": b".",
    b"etc": b"/etc",
    b"loop": b"pool",
    b"pool": b"loop",
    b"chain": b"./docs/latest",
    b"hooks": b".git/hooks",
    b"plans": b"x/../.planning",
    b"w*ld": b"a?b",
    b"a/out": b"../../elsewhere",
    b"a/in": b"../b/c",
}


def resolved(*entries: str) -> tuple[str, ...]:
    return resolve_links(Scope.parse(entries), LINKS)[0].entries


@pytest.mark.parametrize(
    ("written", "real"),
    [
        (["docs/x.md"], ("src/docs/x.md",)),
        (["docs/*.md", "!docs/gen"], ("src/docs/*.md", "!src/docs/gen")),
        (["docs/**/x"], ("src/docs/**/x",)),
        (["docs/latest/x"], ("releases/v1/x",)),
        (["chain/x"], ("releases/v1/x",)),
        (["self/src"], ("src",)),
        (["self/self/*"], ("*",)),
        (["a/in/x"], ("b/c/x",)),
        (["w\\*ld/x"], ("a\\?b/x",)),
        (["docs"], ("docs", "src/docs")),
        (["!docs", "."], ("!docs", "!src/docs", ".")),
        (["chain"], ("chain", "releases/v1")),
        (["docs/latest"], ("src/docs/latest", "releases/v1")),
        (["self"], ("self", ".")),
        (["etc"], ("etc",)),
        (["loop"], ("loop",)),
        (["hooks"], ("hooks",)),
        (["src", "*/x"], ("src", "*/x")),
        (["d*/x"], ("d*/x",)),
        (["docs2/x"], ("docs2/x",)),
        (["."], (".",)),
    ],
)
def test_entries_are_rewritten_to_real_paths(written: list[str], real: tuple[str, ...]) -> None:
    assert resolved(*written) == real


@pytest.mark.parametrize(
    ("written", "clause"),
    [
        ("etc/x", "the symlink at `etc/x` leads out of the repository"),
        ("up/x", "leads out of the repository"),
        ("a/out/*", "leads out of the repository"),
        ("loop/x", "the symlinks at `loop/x` lead in a circle"),
        ("hooks/x", "leads into `.git`"),
        ("plans/x", "leads into `.planning`"),
        ("!etc/x", "leads out of the repository"),
    ],
)
def test_links_that_cannot_be_followed_are_refused(written: str, clause: str) -> None:
    with pytest.raises(ScopeError) as caught:
        resolved(written)
    assert clause in str(caught.value)


def test_what_changed_is_said() -> None:
    scope = Scope.parse(["docs/x", "docs", "etc", "src", "!docs/y"])
    _, notes = resolve_links(scope, LINKS)
    assert notes == (
        "`docs/x` goes through a symlink to `src/docs/x`",
        "`docs` is a symlink; what it points at is meant as well: `src/docs`",
        (
            "`etc` is itself a symlink and nothing behind it is held, "
            "because the symlink at `etc` leads out of the repository"
        ),
        "`!docs/y` goes through a symlink to `!src/docs/y`",
    )


def test_nothing_changes_without_links() -> None:
    scope = Scope.parse(["docs/x", "!a"])
    assert resolve_links(scope, {}) == (scope, ())
    assert resolve_links(scope, {b"other": b"x"}) == (scope, ())


def test_a_link_is_reached_in_any_spelling_where_case_is_ignored() -> None:
    scope = Scope.parse(["DOCS/x"])
    assert resolve_links(scope, LINKS)[0] is scope
    assert resolve_links(scope, LINKS, fold=True)[0].entries == ("src/docs/x",)


def test_a_link_of_stray_bytes_is_followed() -> None:
    scope, _ = resolve_links(Scope.parse(['"\\377/x"']), {b"\xff": b"b\xfe"})
    assert scope.matches(b"b\xfe/x/y")

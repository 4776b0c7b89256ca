"""A second opinion on scopes: the slow, obvious matcher that the exact one is held against, and what draws entries."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from gitfleet.planner.scopes import fold_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def name_matches(pattern: str, name: str) -> bool:
    """Match one name by trying everything; ``\\`` escapes."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(name_matches(pattern[1:], name[cut:]) for cut in range(len(name) + 1))
    if pattern[0] == "?":
        return bool(name) and name_matches(pattern[1:], name[1:])
    literal, rest = (pattern[1], pattern[2:]) if pattern[0] == "\\" else (pattern[0], pattern[1:])
    return name[:1] == literal and name_matches(rest, name[1:])


def entry_matches(segments: Sequence[str], names: Sequence[str]) -> bool:
    """Match a path, or one of the directories that it lies in, by trying everything."""
    if not segments:
        return True
    if segments[0] == "**":
        return any(entry_matches(segments[1:], names[cut:]) for cut in range(len(names) + 1))
    return bool(names) and name_matches(segments[0], names[0]) and entry_matches(segments[1:], names[1:])


def scope_matches(entries: Iterable[str], path: bytes, *, fold: bool = False) -> bool:
    """Say whether a scope holds a path of the tree, for entries without quotation whose runs fold one by one."""
    names = path.decode("utf-8", "surrogateescape").split("/")
    if names[0].lower() == ".planning" or any(name.lower() in ("", ".", "..", ".git") for name in names):
        return False
    held = False
    for entry in entries:
        text = fold_name(entry) if fold else entry
        segments = [segment for segment in text.removeprefix("!").split("/") if segment not in ("", ".")]
        if entry_matches(segments, [fold_name(name) for name in names] if fold else names):
            if text.startswith("!"):
                return False
            held = True
    return held


def all_paths(alphabet: str, *, longest: int, deepest: int) -> list[bytes]:
    """Every path over some characters, by length of its names and by depth."""
    names = ["".join(chars) for length in range(1, longest + 1) for chars in product(alphabet, repeat=length)]
    return ["/".join(path).encode() for depth in range(1, deepest + 1) for path in product(names, repeat=depth)]


def entries(alphabet: str, *, exclusions: bool = True) -> st.SearchStrategy[str]:
    """Entries over some characters and the wildcards."""
    name = st.text(alphabet + "*?", min_size=1, max_size=4).filter(lambda text: set(text) != {"*"} or len(text) < 3)
    segment = st.one_of(name, st.sampled_from(["**", "*", *alphabet]))
    path = st.lists(segment, min_size=1, max_size=4).map("/".join)
    return st.one_of(path, path.map("!{}".format)) if exclusions else path


def scopes(alphabet: str) -> st.SearchStrategy[list[str]]:
    """Entry lists with at least one positive entry, exclusions in any place."""
    return st.tuples(entries(alphabet, exclusions=False), st.lists(entries(alphabet), max_size=3), st.booleans()).map(
        lambda drawn: [*drawn[1], drawn[0]] if drawn[2] else [drawn[0], *drawn[1]]
    )

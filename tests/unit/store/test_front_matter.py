"""Front matter: written by us, read by us and by every YAML tool."""

from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitfleet.model.session import Session, SessionState
from gitfleet.store.documents.front_matter import FrontMatterError, parse, parse_facts, render

SESSION = Session(
    id="a-k3f9qm",
    name='odd "name": \u2028 # x',
    state=SessionState.ACTIVE,
    target="refs/heads/main",
    base="0" * 40,
    started="2026-01-02T03:04:05.678Z",
    waves=(("a", "b"), ("c",)),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def test_a_session_comes_back_with_its_text() -> None:
    data = render(SESSION, "# Report\n---\nrest")
    assert data.startswith(b'---\nschema: "gitfleet/session/v1"\nid: "a-k3f9qm"\n')
    assert parse(data, Session) == (SESSION, "# Report\n---\nrest")
    assert parse(data.replace(b"\n", b"\r\n"), Session)[0] == SESSION


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True), VALUES, max_size=4), TEXTS)
def test_what_is_rendered_is_read_back_and_is_yaml(facts: dict[str, object], body: str) -> None:
    data = render(facts, body)
    assert parse_facts(data) == (facts, body)
    front = data.decode()[4:].split("\n---\n")[0] if facts else ""
    assert (YAML(typ="safe", pure=True).load(io.StringIO(front + "\n")) or {}) == facts


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "first line is not"),
        (b"x: 1\n", 1, "first line is not"),
        (b"---\na: 1\n", 3, "is missing"),
        (b"---\na: 1\nb\n---\n", 3, "line 3 is not `key: value`"),
        (b"---\na: 1\na: 2\n---\n", 3, "line 3 repeats `a`"),
        (b"---\na: {\n---\n", 2, "line 2 does not give `a` as JSON"),
        (b"---\na: 1\n\xff\n---\n", 3, "not UTF-8"),
    ],
)
def test_broken_front_matter_says_where(data: bytes, line: int, message: str) -> None:
    with pytest.raises(FrontMatterError, match=message) as caught:
        parse_facts(data)
    assert caught.value.line == line


def test_other_facts_are_not_a_session() -> None:
    with pytest.raises(msgspec.ValidationError):
        parse(b"---\nid: 1\n---\n", Session)

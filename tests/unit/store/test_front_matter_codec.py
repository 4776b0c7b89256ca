from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.session import Session
from gitfleet.store.documents import front_matter
from tests.unit.store.samples import make_session

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(max_examples=150, deadline=None)
@given(name=TEXT, reason=TEXT, body=TEXT)
def test_any_text_survives(name: str, reason: str, body: str) -> None:
    session = make_session(name=name, reason=reason, waves=(("a", "b"), ("c",)))
    data = front_matter.render(session, body)
    assert front_matter.parse(data, Session) == (session, body)
    head = data.decode().split("\n---\n")[0]
    assert head.splitlines() == head.split("\n")


def test_one_value_a_line_in_declared_order() -> None:
    lines = front_matter.render(make_session(), "# auth\n").decode().split("\n")
    assert lines[:4] == ["---", 'schema: "gitfleet/session/v1"', 'id: "auth-k3f9qm"', 'name: "auth"']
    assert lines[-3:] == ["---", "# auth", ""]


def test_windows_line_ends_are_read() -> None:
    data = front_matter.render(make_session(), "").replace(b"\n", b"\r\n")
    assert front_matter.parse(data, Session)[0] == make_session()


@pytest.mark.parametrize(
    ("data", "clause"),
    [
        (b"", "first line"),
        (b"# no", "first line"),
        (b"---\nid: 1", "ends the front matter"),
        (b"---\nnonsense\n---\n", "line 2 is not"),
        (b"---\nid: 1\nid: 2\n---\n", "line 3 repeats `id`"),
    ],
)
def test_what_is_not_front_matter_is_said(data: bytes, clause: str) -> None:
    with pytest.raises(ValueError, match=clause):
        front_matter.parse(data, Session)
    with pytest.raises(ValueError, match="line 2 does not give `id` as JSON"):
        front_matter.parse(b"---\nid: {\n---\n", Session)
    with pytest.raises(msgspec.MsgspecError):
        front_matter.parse(b"---\nid: 5\n---\n", Session)

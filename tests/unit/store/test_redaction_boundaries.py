"""Where a local directory begins and ends in a text, and that values of variables have no such borders."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.model.base import decode, encode
from gitfleet.model.evidence import Attempt, Exit
from gitfleet.model.run import Run, RunState
from gitfleet.store.redaction import Passing, Redaction

REDACTION = Redaction({"/root": "~", "/tmp": "<tmp>", "/": "<all>"}, {"postgres://u:pw@h/db": "<$DB>", "short": "<$S>"})


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("/root", "~"),
        ("/root/x and '/root/y'", "~/x and '~/y'"),
        ("HOME=/root:/root/bin", "HOME=~:~/bin"),
        ("file:///root/x", "file://~/x"),
        ("gcc -I/root/include", "gcc -I~/include"),
        ("/tmp/gitfleet-0123456789ab/x", "<tmp>/gitfleet-0123456789ab/x"),
        ("chroot/root/x", "chroot/root/x"),
        ("a-/root", "a-/root"),
        ("./root/x", "./root/x"),
        ("src/tmp/x", "src/tmp/x"),
        ("/rootfs /root-2 /root_x", "/rootfs /root-2 /root_x"),
        ("xpostgres://u:pw@h/dby", "x<$DB>y"),
        ("a short word", "a short word"),
    ],
)
def test_a_directory_is_replaced_where_it_is_one(text: str, public: str) -> None:
    assert REDACTION.text(text) == public


def test_what_a_document_is_found_by_stays() -> None:
    exit_ = Exit(reason="exited", message="said tree-1-key")
    attempt = Attempt(number=1, base="", started="", exit=exit_, agent="tree-1-key", worktree="tree-1-key")
    run = Run(
        session="tree-1-key",
        task="tree-1-key",
        name="my tree-1-key",
        instance="fleet-tree-1-key-w1-a1",
        wave=1,
        state=RunState.TIMED_OUT,
        scope=("tree-1-key/",),
        attempts=(attempt,),
    )
    secret = Redaction({}, {"tree-1-key": "<secret>", RunState.TIMED_OUT.value: "<secret>"})
    clean = secret.document(run)
    assert (clean.name, clean.attempts[0].exit) == (
        "my <secret>",
        msgspec.structs.replace(exit_, message="said <secret>"),
    )
    assert clean == msgspec.structs.replace(run, name=clean.name, attempts=clean.attempts)
    assert clean.attempts[0] == msgspec.structs.replace(attempt, exit=clean.attempts[0].exit)
    assert decode(encode(clean), Run) == clean


VALUES = {"sk-0123456789": "<one>", "sk-0123456789-longer": "<two>", "89-longest": "<three>"}


@given(st.lists(st.sampled_from([*VALUES, "sk-01", "sk-0123456789-", "89-l", "x", "\n"])), st.data())
def test_a_value_in_pieces_is_replaced_as_a_whole_one(words: list[str], data: st.DataObject) -> None:
    whole = "".join(words)
    text = whole.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    passing = Passing(VALUES)
    pieces = [text[at:end] for at, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert b"".join([*map(passing.feed, pieces), passing.finish()]) == Redaction({}, VALUES).text(whole).encode()


def test_what_cannot_be_a_value_is_not_held_back() -> None:
    passing = Passing(VALUES)
    assert passing.feed(b"$ ") == b"$ "
    assert passing.feed(b"a sk-01") == b"a "
    assert passing.feed(b"x") == b"sk-01x"
    assert Passing({}).feed(b"sk-01") == b"sk-01"

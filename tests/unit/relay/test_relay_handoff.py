from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.base import encode
from gitfleet.model.handoff import Fact, Handoff, HandoffSource
from gitfleet.relay.handoff import BAD_HANDOFF, FILE_LIMIT, ITEM_LIMIT, LIST_LIMIT, ParsedHandoff, read_handoff


def from_file(content: object) -> ParsedHandoff:
    return read_handoff(json.dumps(content).encode(), b"")


def from_output(text: str) -> Handoff:
    parsed = read_handoff(None, text.encode())
    assert parsed.handoff is not None
    return parsed.handoff


def test_a_file_is_read_with_lists_strings_and_objects() -> None:
    parsed = from_file(
        {
            "built": ["a", "  b\n c "],
            "decisions": "one",
            "discoveries": ["plain", {"fact": "f", "paths": "x.py", "kind": "api"}, {"fact": "g", "paths": ["a", "b"]}],
            "remaining": None,
            "no_change": "nothing\nto do",
        }
    )
    assert parsed == ParsedHandoff(
        Handoff(
            built=("a", "b c"),
            decisions=("one",),
            discoveries=(
                Fact(fact="plain"),
                Fact(fact="f", paths=("x.py",), kind="api"),
                Fact(fact="g", paths=("a", "b")),
            ),
            no_change="nothing to do",
        ),
        HandoffSource.FILE,
    )


def test_the_file_goes_before_the_output() -> None:
    output = b"---HANDOFF---\n- Built: from output\n"
    assert read_handoff(b'{"built": "from file"}', output).source is HandoffSource.FILE
    assert read_handoff(b" \n", output).source is HandoffSource.OUTPUT
    assert read_handoff(None, b"no block") == ParsedHandoff(None, HandoffSource.NONE)


@pytest.mark.parametrize(
    ("data", "clause"),
    [
        (b"{", "truncated"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 200_000, "not a handoff"),
        (b'{"built": 5}', "`built` is neither"),
        (b'{"built": [["x"]]}', "`built` is neither"),
        (b'{"discoveries": [{"paths": []}]}', "object with a `fact`"),
        (b'{"discoveries": [{"fact": "f", "paths": [1]}]}', "`paths` of a discovery"),
        (b'{"no_change": true}', "`no_change` is not a string"),
        (b'{"built": "' + b"x" * FILE_LIMIT + b'"}', "at most 1048576"),
    ],
)
def test_a_broken_file_is_a_failure_and_not_an_excuse_to_read_the_output(data: bytes, clause: str) -> None:
    parsed = read_handoff(data, b"---HANDOFF---\n- Built: other\n")
    assert parsed.handoff is None
    assert parsed.source is HandoffSource.FILE
    assert parsed.failure is not None
    assert parsed.failure.code == BAD_HANDOFF
    assert parsed.problem is not None
    assert clause in parsed.problem


def test_unknown_fields_are_named() -> None:
    parsed = from_file({"bilt": ["x"], "discoveries": [{"fact": "f", "why": 1}]})
    assert parsed.failure is None
    assert parsed.problem is not None
    assert "bilt in the handoff" in parsed.problem
    assert "why in a discovery" in parsed.problem


def test_too_much_is_cut_and_said() -> None:
    parsed = from_file({"built": ["x"] * (LIST_LIMIT + 5), "decisions": "y" * (ITEM_LIMIT * 2)})
    assert parsed.handoff is not None
    assert len(parsed.handoff.built) == LIST_LIMIT
    assert len(parsed.handoff.decisions[0]) == ITEM_LIMIT
    assert parsed.problem is not None
    assert "5 items of built were cut" in parsed.problem
    assert "an item of decisions was cut" in parsed.problem


def test_the_last_block_counts_and_ends_at_its_line() -> None:
    handoff = from_output(
        "---HANDOFF---\n- Built: old\n---\nmore work\n"
        "---HANDOFF---\n- Built: new\n- Next: later\n---\n- Decisions: not part of it\n"
    )
    assert handoff == Handoff(built=("new",), remaining=("later",))


def test_a_block_may_end_with_the_output() -> None:
    assert from_output("x\n---HANDOFF---\n- Built: b") == Handoff(built=("b",))


def test_every_field_with_sub_bullets_continuations_and_bold_keys() -> None:
    handoff = from_output(
        "---HANDOFF---\n"
        "- **Built:** JWT middleware\n"
        "  with refresh tokens\n"
        "  - a second thing: with a colon\n"
        "- Decisions:\n"
        "  1. jose over jsonwebtoken\n"
        "* Discoveries: limit is 100/min\n"
        "Remaining: docs\n"
        "- Failures: none\n"
        "- Merge conflicts: n/a\n"
        "- No change: the work\n"
        "  was done\n"
    )
    assert handoff == Handoff(
        built=("JWT middleware with refresh tokens", "a second thing: with a colon"),
        decisions=("jose over jsonwebtoken",),
        discoveries=(Fact(fact="limit is 100/min"),),
        remaining=("docs",),
        no_change="the work was done",
    )


def test_bullets_without_a_key_count_as_built_and_unknown_keys_are_named() -> None:
    parsed = read_handoff(None, b"---HANDOFF---\n- did it\n- Mood: good\n- and glad\n- Built: this\n")
    assert parsed.handoff == Handoff(built=("did it", "this"))
    assert parsed.problem is not None
    assert "Mood" in parsed.problem


def test_a_marker_inside_a_line_is_no_block() -> None:
    prose = b"a line holding only `---HANDOFF---`, then\n> ---HANDOFF---\n x---HANDOFF---\n- Built: no\n"
    assert read_handoff(None, prose).handoff is None
    assert read_handoff(None, b"---HANDOFF---\n- Built: yes\n---\n" + prose).handoff == Handoff(built=("yes",))


def test_escapes_and_control_characters_are_stripped() -> None:
    output = "\x1b[1m---HANDOFF---\x1b[0m\r\n- Built: \x1b]0;evil\x07re\x1b[31md\x08\x00 \u202eleft\r\n---\r\n"
    assert from_output(output) == Handoff(built=("red left",))
    parsed = from_file({"built": "a\x1b[2Jb\u202e\x9b5mc"})
    assert parsed.handoff == Handoff(built=("abc",))


def test_huge_and_hostile_output_is_read_quickly() -> None:
    block = b"---HANDOFF---\n- Built: ok\n"
    filler = b"x" * 20_000_000
    began = time.process_time()
    assert read_handoff(None, block + filler).handoff is not None
    assert read_handoff(None, filler + b"\n" + block).handoff == Handoff(built=("ok",))
    assert read_handoff(None, b"> ---HANDOFF---\n" * 500_000).handoff is None
    assert read_handoff(None, b"---HANDOFF---\n" + b"\x1b]" * 1_000_000).handoff is not None
    assert read_handoff(None, b"---HANDOFF---\n" + b"- Built: a\n" * 100_000).handoff is not None
    assert time.process_time() - began < 10


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_a_handoff_that_can_be_written(data: bytes, marked: bool) -> None:  # noqa: FBT001
    parsed = read_handoff(None if marked else data, b"---HANDOFF---\n" + data if marked else data)
    if parsed.handoff is not None:
        encode(parsed.handoff)

"""Streams that ``claude`` was seen to write, trimmed to what is read of them, in gitfleet's own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.agents.claude.stream import ClaudeReader, argument
from gitfleet.agents.events import Called, Denied, Ended, RateLimited, Retrying, Troubled, Used
from gitfleet.agents.transcript import Follower
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript

STREAMS = Path(__file__).parent / "streams"
SESSION = "9c1f5b1e-6f6b-4a0e-9a43-2f1f6a1c2d3e"


def stream(name: str) -> bytes:
    return (STREAMS / f"{name}.jsonl").read_bytes()


def read(data: bytes, reader: ClaudeReader | None = None, pieces: int = 1 << 20) -> Transcript:
    follower = Follower(reader or ClaudeReader())
    for offset in range(0, len(data), pieces):
        follower.feed(offset, data[offset : offset + pieces])
    return follower.finish()


def test_work_with_a_helper_is_told_and_counted() -> None:
    told = read(stream("work"))

    assert (told.cli_session, told.model) == (SESSION, "claude-opus-5-5")
    assert told.said == "I will look.\nAll done.\n"
    assert told.tool_calls == 3
    assert told.calls == {"msg_1": 1, "msg_2": 1, "rest": 1, "msg_5": 0}
    assert told.retries == 1
    assert told.turns == 3
    assert told.trouble is None
    assert told.ended == Ended(totals=True)
    assert told.used["msg_1"] == Used(
        "msg_1", Tokens(input=1000, cache_read=200, cache_write=30, output=50, reasoning=7), "claude-opus-5-5"
    )
    assert told.used["msg_5"].tokens == Tokens(input=1200, cache_read=1000, output=9, reasoning=0)
    # 12 + 20 of input: the sub-agent, and a call of the program's own to its small model.
    assert told.used["rest"] == Used(
        "rest", Tokens(input=32, cache_read=1, output=10, reasoning=0, cost_usd=0.75), helper=True
    )


def test_a_retry_says_why_and_when() -> None:
    line = '{"type":"system","subtype":"api_retry","retry_delay_ms":510,"error_status":%s,"error":"server_error"}'

    assert list(ClaudeReader().read((line % 500).encode())) == [Retrying("500 server_error", 0.51)]
    assert list(ClaudeReader().read((line % "null").encode())) == [Retrying("server_error", 0.51)]


def test_plain_words_say_why_it_did_not_begin_and_nothing_afterwards() -> None:
    reader = ClaudeReader()

    assert list(reader.read(b"error: unknown option\r")) == [Troubled("no-end-event", "error: unknown option")]
    list(reader.read(b'{"type":"system","subtype":"init"}'))
    assert list(reader.read(b"a warning")) == []


def test_a_helper_is_counted_in_part_until_the_end() -> None:
    *lines, _ = stream("work").splitlines(keepends=True)

    told = read(b"".join(lines))

    assert told.ended is None
    assert told.used["rest"] == Used(
        "rest", Tokens(input=12, cache_read=1, output=2, reasoning=0), "", helper=True, exact=False
    )


@pytest.mark.parametrize("name", ["work", "limit", "denied", "interrupted"])
@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_a_stream_is_the_same_in_any_pieces(name: str, pieces: int) -> None:
    assert read(stream(name), pieces=pieces) == read(stream(name))


def test_a_stream_with_a_part_missing_adds_up_by_its_end() -> None:
    data = stream("work")
    follower = Follower(ClaudeReader())
    follower.feed(0, data[:400])
    gap = data.index(b'"msg_4"')
    follower.feed(gap, data[gap:])
    told = follower.finish()

    assert not told.whole
    assert told.ended is not None
    assert told.ended.totals
    assert told.tokens == read(data).tokens


def changed(line: bytes, **facts: object) -> bytes:
    event = {**json.loads(line), **facts}
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode() + b"\n"


def test_what_a_session_used_before_does_not_count() -> None:
    *lines, end = stream("work").splitlines(keepends=True)
    ends = changed(end, modelUsage={"claude-opus-5-5": {"inputTokens": 900_000, "outputTokens": 7, "costUSD": 9}})

    assert read(b"".join([*lines, ends]), ClaudeReader(resumed=True)) == read(stream("work"))


@pytest.mark.parametrize("resumed", [False, True])
def test_a_version_that_tells_only_the_sum_of_a_session(*, resumed: bool) -> None:
    *lines, end = stream("work").splitlines(keepends=True)
    ends = changed(end, model_usage_since_last_result=None)

    told = read(b"".join([*lines, ends]), ClaudeReader(resumed=resumed))

    assert told.used["rest"].exact is not resumed
    assert (told.tokens == read(stream("work")).tokens) is not resumed


def test_a_second_end_adds_to_the_first() -> None:
    *_, end = stream("work").splitlines(keepends=True)
    more = changed(end, model_usage_since_last_result={"claude-haiku-5-5": {"inputTokens": 8, "costUSD": 0.125}})

    told = read(stream("work") + more)

    assert told.used["rest"].tokens.input == 40
    assert told.used["rest"].tokens.cost_usd == 0.875


def test_a_price_that_is_made_up_for_an_unknown_model_is_no_cost() -> None:
    *lines, end = stream("work").splitlines(keepends=True)
    models = json.loads(end)["model_usage_since_last_result"]
    guessed = {name: {**used, "costBasis": "unknown"} for name, used in models.items()}

    told = read(b"".join([*lines, changed(end, model_usage_since_last_result=guessed)]))

    assert told.tokens == read(stream("work")).tokens
    assert all(used.tokens.cost_usd is None for used in told.used.values())


@pytest.mark.parametrize("interrupted", [False, True])
def test_an_answer_that_is_broken_off_is_not_guessed_at(*, interrupted: bool) -> None:
    *lines, end = stream("broken-off").splitlines(keepends=True)
    went_on = changed(end, subtype="success", is_error=False, terminal_reason="completed")

    told = read(b"".join([*lines, end if interrupted else went_on]))

    assert told.ended == Ended("interrupted" if interrupted else "", totals=True)
    assert told.used == {"rest": Used("rest", Tokens(), helper=True, exact=False)}
    assert told.turns == 0


def test_limits_are_warned_of_and_met() -> None:
    data = stream("limit")
    reader = ClaudeReader()

    limits = [event for line in data.splitlines() for event in reader.read(line) if isinstance(event, RateLimited)]
    told = read(data)

    assert limits == [
        RateLimited(hard=False, resets=1795258260.0, window="five_hour", share=0.93),
        RateLimited(hard=True, resets=1795258260.0, window="five_hour"),
    ]
    assert told.limit == limits[-1]
    assert told.ended == Ended("usage-limit", "You've hit your 5-hour limit · resets 10:51am (UTC)", totals=True)
    assert told.used == {}
    assert told.said == ""


def test_denials_are_told_once_with_what_was_asked_for() -> None:
    told = read(stream("denied"))

    assert told.denied == [
        Denied("Write", "/etc/motd"),
        Denied("mcp__db__drop", '{"table": "t"}', "every use of mcp__db__drop"),
    ]
    assert told.ended == Ended(totals=True)


def test_an_interrupt_is_told() -> None:
    told = read(stream("interrupted"))

    assert told.ended == Ended("interrupted", totals=True)
    assert told.trouble is not None
    assert told.trouble.code == "interrupted"


def test_what_standard_error_says_counts_before_the_beginning_alone() -> None:
    before = read(b"error: unknown option '--nonsense'\n")
    after = read(stream("denied") + b"a warning\n")

    assert before.trouble is not None
    assert before.trouble.message == "error: unknown option '--nonsense'"
    assert after.trouble is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"command": "ls", "description": "List"}, "ls"),
        ({"file_path": "/a", "content": "x"}, "/a"),
        ({"url": "http://x/", "prompt": "Read."}, "http://x/"),
        ({"b": 1, "a": [2]}, '{"a": [2], "b": 1}'),
        ({}, ""),
        ("text", ""),
    ],
)
def test_what_a_person_wants_to_see_of_a_call(given: object, shown: str) -> None:
    assert argument(given) == shown


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["", "x", "tool_use", "text", "message_start"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "text", "name", "input", "usage", "model", "message"]), inner)
    ),
    max_leaves=8,
)
_EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["system", "assistant", "user", "result", "stream_event", "rate_limit_event"])},
    optional=dict.fromkeys(
        ("subtype", "message", "event", "usage", "modelUsage", "permission_denials", "rate_limit_info"), _JSON
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_EVENTS | _JSON, max_size=4), st.binary(max_size=40))
def test_no_line_is_fatal(events: list[object], noise: bytes) -> None:
    reader = ClaudeReader()
    for event in events:
        list(reader.read(json.dumps(event).encode()))
    list(reader.read(noise))
    assert len(list(reader.read(b"[" * 100_000))) <= 1


@pytest.mark.parametrize("subtype", ["init", "permission_denied", "api_retry"])
def test_events_that_lack_everything_are_read(subtype: str) -> None:
    events = list(ClaudeReader().read(json.dumps({"type": "system", "subtype": subtype}).encode()))
    assert len(events) == 1


def test_a_tool_of_a_helper_is_a_call_as_well() -> None:
    reader = ClaudeReader()
    calls = [event for line in stream("work").splitlines() for event in reader.read(line) if isinstance(event, Called)]
    assert calls == [Called("Bash", "make test"), Called("Task", "look"), Called("Read", "/w/a.py")]

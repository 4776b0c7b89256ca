"""Streams that ``opencode`` and the plugin in it were seen to write, in gitfleet's own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.agents.events import Ended
from gitfleet.agents.opencode.stream import OpencodeReader
from gitfleet.agents.transcript import Follower
from gitfleet.model.run import FailureSource
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript

STREAMS = Path(__file__).parent / "streams"
NAMES = sorted(path.stem for path in STREAMS.iterdir())


def stream(name: str, *, plugin: bool = True) -> bytes:
    lines = (STREAMS / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
    return b"".join(line for line in lines if plugin or b'"gitfleet","what"' not in line)


def read(data: bytes, pieces: int = 1 << 20) -> Transcript:
    follower = Follower(OpencodeReader())
    for offset in range(0, len(data), pieces):
        follower.feed(offset, data[offset : offset + pieces])
    return follower.finish()


def test_work_with_a_sub_agent_is_told_and_counted() -> None:
    told = read(stream("work"))

    assert (told.cli_session, told.model) == ("ses_1", "gitfleet/default")
    assert told.said == "I will write one.\nThe first half.\n"
    assert told.tool_calls == sum(told.calls.values()) == 2
    assert told.turns == 3
    assert [used.helper for used in told.used.values()].count(True) == 2
    assert {used.tokens for used in told.used.values()} == {Tokens(input=1030, cache_read=200, output=50, reasoning=7)}
    assert told.retries == 2
    assert told.limit is not None
    assert not told.limit.hard
    assert told.ended == Ended()


def test_without_its_plugin_the_last_step_is_the_end_and_helpers_are_not_counted() -> None:
    told = read(stream("work", plugin=False))

    assert told.ended == Ended()
    assert told.turns == len(told.used) == 3
    assert told.retries == 0


def test_a_limit_that_lasts_is_told_with_its_end() -> None:
    told = read(stream("limit"))

    assert told.limit is not None
    assert told.limit.hard
    until = next(json.loads(line)["next"] for line in stream("limit").splitlines() if b'"retry"' in line)
    assert told.limit.resets == until / 1000
    assert told.ended is not None
    assert told.ended.code == "rate-limited"


def test_a_denied_permission_is_told_once_with_tool_and_argument() -> None:
    told = read(stream("denied"))

    assert [(one.tool, one.argument) for one in told.denied] == [("webfetch", "http://127.0.0.1:9/x")]
    assert told.ended is not None
    assert told.ended.code == "no-end-event"
    assert [(one.tool, one.argument) for one in read(stream("denied", plugin=False)).denied] == [
        ("webfetch", "http://127.0.0.1:9/x")
    ]


def test_summing_up_is_a_helpers_and_says_nothing() -> None:
    told = read(stream("overflow"))

    assert told.said == ""
    assert [used.helper for used in told.used.values()] == [True]
    assert told.ended is not None
    assert told.ended.code == "context-overflow"


def test_what_a_gateway_says_of_a_limit_is_its_end() -> None:
    body = json.dumps({"error": {"message": "The usage limit has been reached", "resets_at": 1234}})
    error = {"name": "APIError", "data": {"message": "No.", "statusCode": 429, "responseBody": body}}

    told = read(json.dumps({"type": "error", "timestamp": 0, "sessionID": "ses_1", "error": error}).encode())

    assert told.cli_session == "ses_1"
    assert told.limit is not None
    assert (told.limit.hard, told.limit.resets) == (True, 1234)
    assert told.trouble is not None
    assert told.trouble.code == "usage-limit"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"message": "x", "statusCode": 401}, "auth"),
        ({"message": "x", "statusCode": 402}, "usage-limit"),
        ({"message": "x", "statusCode": 403}, "auth"),
        ({"message": "x", "statusCode": 413}, "context-overflow"),
        ({"message": "x", "statusCode": 429, "responseBody": "insufficient_quota"}, "usage-limit"),
        ({"message": "Monthly limit of this key"}, "usage-limit"),
        ({"message": "Insufficient account funds"}, "usage-limit"),
        ({"message": "Too many requests"}, "rate-limited"),
        ({"message": "Rate limit reached"}, "rate-limited"),
        ({"message": "Unauthorized"}, "auth"),
        ({"message": "getaddrinfo ENOTFOUND host"}, "network"),
        ({"message": "The socket was closed"}, "network"),
        ({"message": "x", "statusCode": 429}, "rate-limited"),
        ({"message": "Your credit balance is too low", "statusCode": 429}, "usage-limit"),
        ({"message": "x", "statusCode": 500}, "model-error"),
        ({"message": "Cannot connect to API: Unable to connect."}, "network"),
        ({"message": "Connection reset by server"}, "network"),
        ({"message": "API key is missing."}, "auth"),
        ({"message": "Model not found: a/b."}, "model-error"),
    ],
)
def test_every_error_has_a_code(data: dict[str, object], code: str) -> None:
    error = {"name": "APIError", "data": data}

    told = read(json.dumps({"type": "error", "timestamp": 0, "sessionID": "s", "error": error}).encode())

    assert told.trouble is not None
    assert told.trouble.code == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ProviderAuthError", "auth"),
        ("ContextOverflowError", "context-overflow"),
        ("MessageOutputLengthError", "context-overflow"),
        ("MessageAbortedError", "interrupted"),
        ("UnknownError", "model-error"),
    ],
)
def test_some_errors_have_a_code_by_their_name(name: str, code: str) -> None:
    end = {"type": "gitfleet", "what": "end", "now": 0, "error": {"name": name, "data": {"message": "x"}}}

    assert read(json.dumps(end).encode()).ended == Ended(code, "x")


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"reason": "stop"}, Ended()),
        ({"reason": "length"}, Ended("context-overflow", "its last step ended with length")),
        ({"reason": "content-filter"}, Ended("model-error", "its last step ended with content-filter")),
        ({"reason": "tool-calls"}, Ended("no-end-event", "its last step ended with tool-calls")),
        ({}, Ended("no-end-event", "it never got an answer")),
        (
            {"error": {"name": "APIError", "data": {"message": "x", "statusCode": 404}}},
            Ended("model-error", "x", FailureSource.TASK),
        ),
        ({"error": {"name": "APIError", "data": {"message": "x", "statusCode": 500}}}, Ended("model-error", "x")),
    ],
)
def test_every_end_has_a_code(end: dict[str, object], expected: Ended) -> None:
    assert read(json.dumps({"type": "gitfleet", "what": "end", "now": 0, **end}).encode()).ended == expected


@pytest.mark.parametrize(
    ("headers", "resets"),
    [
        ({"Retry-After-Ms": "1500"}, 101.5),
        ({"retry-after": "30"}, 130),
        ({"retry-after": "Thu, 01 Jan 1970 00:05:00 GMT"}, 300),
        ({"retry-after": "Mon, 99 Foo 99999 99:99:99 +9999"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_headers_tell_when_a_limit_ends(headers: dict[str, str], resets: float | None) -> None:
    error = {"name": "APIError", "data": {"message": "x", "statusCode": 429, "responseHeaders": headers}}

    told = read(json.dumps({"type": "error", "timestamp": 100_000, "sessionID": "s", "error": error}).encode())

    assert told.limit is not None
    assert (told.limit.hard, told.limit.resets) == (True, resets)


@given(name=st.sampled_from(NAMES), pieces=st.integers(1, 3000))
def test_pieces_do_not_matter(name: str, pieces: int) -> None:
    assert read(stream(name), pieces) == read(stream(name))


@given(
    st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda kind, what, part: json.dumps({"type": kind, "what": what, "part": part, "session": part}).encode(),
            st.sampled_from(["gitfleet", "text", "tool_use", "step_finish", "error", "new"]),
            st.sampled_from(["retry", "denied", "used", "end", "new"]),
            st.recursive(
                st.none() | st.integers() | st.text(max_size=5),
                lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
                max_leaves=5,
            ),
        ),
    )
)
def test_a_line_that_says_nothing_known_is_skipped(line: bytes) -> None:
    list(OpencodeReader().read(line))

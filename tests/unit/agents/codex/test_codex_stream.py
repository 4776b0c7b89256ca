"""What Codex printed, as recorded, becomes events, figures and reasons; the words of its errors find their codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitfleet.agents.codex import CodexAgent
from gitfleet.agents.codex.outcomes import code_of, reset_of, sentence
from gitfleet.agents.codex.stream import CodexReader
from gitfleet.agents.events import Used
from gitfleet.agents.rendering import Rendering
from gitfleet.agents.transcript import Follower, Transcript, read_whole
from gitfleet.model.evidence import Exit
from gitfleet.model.run import FailureSource
from gitfleet.model.usage import Tokens

COST = Tokens(input=900, cache_read=250, cache_write=40, output=60, reasoning=9)
AGENT = CodexAgent()


def recorded(name: str) -> bytes:
    return (Path(__file__).parent / f"{name}.log").read_bytes()


def read(data: bytes, before: Tokens | None = None) -> Transcript:
    return read_whole(AGENT.reader(before=before), lambda offset, size: (offset, data[offset : offset + size]))


def events_of(data: bytes) -> bytes:
    return b"".join(line for line in data.splitlines(keepends=True) if line.startswith(b"{"))


def total(told: Transcript) -> Tokens:
    found = Tokens()
    for used in told.used.values():
        found = found.plus(used.tokens)
    return found


THREE = COST.plus(COST).plus(COST)


def test_a_success_is_told_answer_by_answer() -> None:
    told = read(recorded("success"))

    assert told.ended is not None
    assert told.ended.code == ""
    assert told.model == "gpt-6.1-sol"
    assert told.cli_session == "01a1fdaa-9998-7642-bedb-584d15e44878"
    assert [used.tokens for used in told.used.values()] == [COST, COST, COST]
    assert list(told.calls.values()) == [1, 1, 0]
    assert (told.turns, told.tool_calls, told.retries) == (3, 2, 1)
    assert told.last_said == "All of it is done."
    assert AGENT.outcome(Exit(code=0), told) is None


def test_the_same_bytes_tell_the_same_in_any_pieces() -> None:
    data, whole = recorded("success"), read(recorded("success"))
    follower = Follower(AGENT.reader())
    for offset in range(0, len(data), 7):
        follower.feed(offset, data[offset : offset + 7])

    assert follower.finish() == whole


def test_without_a_trace_the_count_of_the_session_is_differenced() -> None:
    told = read(events_of(recorded("success")), before=COST)

    assert [used.tokens for used in told.used.values()] == [COST.plus(COST)]


def test_what_the_trace_leaves_out_is_a_row_of_its_own() -> None:
    lines = recorded("success").splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if b"input_token_count" in line)

    told = read(b"".join([*lines[:last], *lines[last + 1 :]]))

    assert [used.tokens for used in told.used.values()] == [COST, COST, COST]
    assert total(told) == THREE


def test_lines_of_both_streams_that_ran_into_each_other_are_parted() -> None:
    data = recorded("success")
    trace = next(line for line in data.splitlines() if b"input_token_count" in line)
    reader = CodexReader()

    behind = list(reader.read(b'{"type":"turn.started"}' + trace))
    within = list(reader.read(b'{"type":"item.com' + trace))
    quoted = list(reader.read(b'{"type":"x","text":"' + trace.replace(b'"', b'\\"') + b'"}'))
    broken = list(reader.read(b'{"text":"' + trace.replace(b'"', b'\\"')))

    assert [type(event) for event in (*behind, *within)] == [Used, Used]
    assert [quoted, broken] == [[], []]


def test_another_conversation_is_a_helper() -> None:
    reader = CodexReader()
    data = recorded("success")
    other = data.replace(b"01a1fdaa-9998-7642-bedb-584d15e44878", b"01a1fdaa-9998-7642-bedb-000000000000")
    for line in data.splitlines()[:3]:
        list(reader.read(line))

    used = [event for line in other.splitlines()[3:] for event in reader.read(line) if isinstance(event, Used)]

    assert used[0].helper


def test_a_usage_limit_tells_its_end() -> None:
    told = read(recorded("limit"))
    failure = AGENT.outcome(Exit(code=1), told)

    assert failure is not None
    assert (failure.code, failure.source) == ("usage-limit", FailureSource.TRANSPORT)
    assert told.limit is not None
    assert told.limit.resets == datetime(2026, 11, 22, 14, 7, tzinfo=UTC).timestamp()
    assert total(told) == COST


def test_people_do_not_see_its_trace() -> None:
    shown = Rendering(AGENT.reader()).feed(recorded("success"))

    assert b"> shell echo one >one.txt\n" in shown
    assert b"codex_otel" not in shown


def test_a_missing_sandbox_needs_a_person() -> None:
    told = read(recorded("no-sandbox"))
    failure = AGENT.outcome(Exit(code=0), told)

    assert failure is not None
    assert (failure.code, failure.source) == ("permission-denied", FailureSource.NEEDS_PERSON)
    assert [(one.tool, one.every) for one in told.denied] == [("sandbox", True)]


@pytest.mark.parametrize(
    "said",
    [
        "Can't mount tmpfs on /newroot/r/.git/.agents: No such file or directory",
        'Can\'t remount readonly on /newroot/r/.git/.codex: Unable to find "/newroot/r/.git/.codex" in mount table',
    ],
)
def test_a_sandbox_that_met_another_one_is_none_that_is_missing(said: str) -> None:
    missing = b"Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"
    met = recorded("no-sandbox").replace(missing, json.dumps(said)[1:-1].encode())

    assert met != recorded("no-sandbox")
    assert read(met).denied == []


@pytest.mark.parametrize(
    ("said", "now", "then"),
    [
        ("try again at 10:52 AM.", "2026-11-21T09:50:00", "2026-11-21T10:53:00"),
        ("try again at 12:05 AM.", "2026-11-21T23:50:00", "2026-11-22T00:06:00"),
        ("try again at 9:50 AM.", "2026-11-21T09:50:30", "2026-11-21T09:51:00"),
        ("or try again at Nov 23rd, 2026 5:24 PM.", "2026-11-21T09:50:00", "2026-11-23T17:25:00"),
        ("or try again at Feb 30th, 2026 5:24 PM.", "2026-11-21T09:50:00", None),
        ("or try again at Dec 31st, 9999 11:59 PM.", "2026-11-21T09:50:00", None),
        ("try again at 13:05 PM.", "2026-11-21T09:50:00", None),
        ("try again at 10:52 AM.", "9999-12-31T11:50:00", None),
        ("or try again later.", "2026-11-21T09:50:00", None),
    ],
)
def test_when_a_limit_ends(said: str, now: str, then: str | None) -> None:
    found = reset_of(said, datetime.fromisoformat(now).replace(tzinfo=UTC))

    assert found == (datetime.fromisoformat(then).replace(tzinfo=UTC).timestamp() if then else None)


def test_a_time_without_a_zone_is_one_of_utc() -> None:
    trace = 'codex_otel.trace_safe: event.name="codex.api_request" event.timestamp=2026-11-21T09:50:00'
    said = '{"type":"turn.failed","error":{"message":"You have hit your usage limit, try again at 9:40 AM."}}'

    told = read(f"{trace}\n{said}\n".encode())

    assert told.limit is not None
    assert told.limit.resets == datetime(2026, 11, 22, 9, 41, tzinfo=UTC).timestamp()


def test_a_limit_without_a_trace_is_told_by_the_session_id() -> None:
    reader = CodexReader()
    said = b'{"type":"turn.failed","error":{"message":"You have hit your usage limit, try again at 11:00 AM."}}'
    list(reader.read(b'{"type":"thread.started","thread_id":"01a1fdaa-9998-7642-bedb-584d15e44878"}'))

    limit = next(iter(reader.read(said)))

    assert getattr(limit, "resets", None) == datetime(2026, 11, 21, 11, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("You\u2019ve hit your usage limit. Visit https://x or try again later.", 429, "usage-limit"),
        ("Quota exceeded. Check your plan and billing details.", 429, "usage-limit"),
        ("To use Codex with your ChatGPT plan, upgrade to Plus: https://x", 429, "usage-limit"),
        ("exceeded retry limit, last status: 429 Too Many Requests", 429, "rate-limited"),
        ("stream disconnected before completion: Rate limit reached for m", 200, "rate-limited"),
        ("unexpected status 401 Unauthorized: x, url: http://y", 401, "auth"),
        ("Your access token could not be refreshed. Please log out and sign in again.", None, "auth"),
        ("Missing environment variable: `OPENAI_API_KEY`.", None, "auth"),
        ("nobody knows", 401, "auth"),
        ("nobody knows", 403, "auth"),
        ("nobody knows", 429, "rate-limited"),
        ("Your workspace is out of credits. Add credits to continue.", None, "usage-limit"),
        ("You hit your spend cap set in your workspace.", None, "usage-limit"),
        ("Your spending limit is met.", None, "usage-limit"),
        ("The usage limit has been reached", None, "usage-limit"),
        ("You exceeded your current quota, please check your plan.", None, "usage-limit"),
        ("context_length_exceeded", None, "context-overflow"),
        ("unexpected status 429", None, "rate-limited"),
        ("Too many requests", None, "rate-limited"),
        ("unexpected status 403 Forbidden", None, "auth"),
        ("Not logged in", None, "auth"),
        ("Log in once again.", None, "auth"),
        ("Incorrect API key provided", None, "auth"),
        ("error sending request", None, "network"),
        ("network error", None, "network"),
        ("operation timed out", None, "network"),
        (
            "stream disconnected before completion: Incomplete response returned, reason: content_filter",
            200,
            "model-error",
        ),
        (
            "stream disconnected before completion: Incomplete response returned, reason: max_output_tokens",
            200,
            "context-overflow",
        ),
        ("budget reached", None, "budget"),
        ("turn aborted. Something went wrong? Hit `/feedback` to report the issue.", None, "interrupted"),
        ("interrupted (Ctrl-C). Something went wrong?", None, "interrupted"),
        ("We\u2019re currently experiencing high demand, which may cause temporary errors.", 500, "model-error"),
        ("Selected model is at capacity. Please try a different model.", 503, "model-error"),
        ("unexpected status 502 Bad Gateway: <html>", 502, "model-error"),
        ("The model `x` does not exist or you do not have access to it.", 404, "model-error"),
        ("stream disconnected before completion: idle timeout waiting for SSE", 200, "stalled"),
        ("stream disconnected before completion: stream closed before response.completed", 200, "network"),
        ("Connection failed: error sending request", None, "network"),
        ("Codex ran out of room in the model's context window. Start a new thread", 400, "context-overflow"),
    ],
)
def test_the_words_of_an_error_find_its_code(message: str, status: int | None, code: str) -> None:
    assert code_of(message, status) == code


def test_an_errors_sentence_has_no_key_no_address_and_an_end() -> None:
    document = '{"error": {"message": "Unsupported value: x.", "type": "invalid_request_error"}}'

    assert sentence(document) == "Unsupported value: x"
    assert sentence("Token eyJhbGciOiJIUzI1NiJ9.e30.x is no good.") == "Token [secret] is no good"
    assert sentence("Incorrect key sk-abcdef0123456 given, url: http://u:p@h/x") == "Incorrect key [secret] given"
    assert len(sentence("long " * 1000)) < 400
    assert len(sentence('{"error":' * 10_000)) < 400


@pytest.mark.parametrize(
    ("ended", "lines", "code", "source"),
    [
        (Exit(code=1), (), "interrupted", "needs-person"),
        (Exit(signal=2), (), "interrupted", "needs-person"),
        (Exit(signal=15), (), "no-end-event", "transport"),
        (Exit(code=0), (), "no-end-event", "transport"),
        (Exit(signal=9), (), "killed", "transport"),
        (Exit(code=1), (b"Error: thread/resume failed: no rollout found",), "no-end-event", "transport"),
        (Exit(code=1), (b'{"type":"error","message":"Connection failed"}',), "network", "transport"),
        (
            Exit(code=1),
            (b'{"type":"error","message":"Codex ran out of room in the context window"}',),
            "context-overflow",
            "task",
        ),
        (Exit(code=1), (b'{"type":"turn.failed","error":{"message":"context window"}}',), "context-overflow", "task"),
        (Exit(code=1), (b'{"type":"turn.failed","error":{"message":"budget reached"}}',), "budget", "task"),
        (Exit(code=1), (b'{"type":"turn.failed","error":{"message":"turn aborted"}}',), "interrupted", "needs-person"),
        (Exit(code=1), (b'{"type":"turn.failed","error":{"message":"idle timeout"}}',), "stalled", "transport"),
        (Exit(reason="stalled"), (), "stalled", "transport"),
        (Exit(reason="budget"), (b'{"type":"turn.failed","error":{"message":"x"}}',), "budget", "task"),
        (Exit(code=3), (b'{"type":"turn.completed","usage":{}}',), "exit-code", "task"),
    ],
)
def test_an_end_is_read_with_what_was_told(ended: Exit, lines: tuple[bytes, ...], code: str, source: str) -> None:
    began = b'{"type":"thread.started","thread_id":"01a1"}'

    failure = AGENT.outcome(ended, read(b"\n".join((began, *lines))))

    assert failure is not None
    assert (failure.code, failure.source) == (code, source)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[1]",
        b'{"type": 3}',
        b'{"type":"turn.completed","usage":null}',
        b'{"type":"item.completed","item":{"id":"1","type":"file_change","changes":[3]}}',
        b'{"type":"item.completed","item":{"id":"1","type":"hologram"}}',
        b'{"type":"error"}',
        b"\xff\xfe",
        b"{" + b'"a":{' * 5000,
        b'x codex_otel.trace_safe: event.name="codex.sse_event" input_token_count=many output_token_count=-1',
    ],
)
def test_no_line_is_too_odd(line: bytes) -> None:
    assert read(line).trouble is None


def test_a_failed_turn_is_measured_by_the_trace_alone() -> None:
    failed = b'{"type":"turn.failed","error":{"message":"x"}}\n'

    traced = read(recorded("success").replace(b'{"type":"turn.completed"', b'{"type":"nothing"') + failed)
    plain = read(b'{"type":"thread.started","thread_id":"t"}\n' + failed)

    assert all(used.exact for used in traced.used.values())
    assert total(traced) == THREE
    assert [(used.tokens, used.exact, used.helper) for used in plain.used.values()] == [(Tokens(), False, True)]

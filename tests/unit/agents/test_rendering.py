"""What people read of an agent's stream."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents import lines
from gitfleet.agents.claude.stream import ClaudeReader
from gitfleet.agents.events import (
    AgentEvent,
    Began,
    Called,
    Denied,
    Ended,
    RateLimited,
    Retrying,
    Said,
    Troubled,
    Used,
    Waiting,
)
from gitfleet.agents.rendering import Rendering, words
from gitfleet.agents.transcript import Standing, Transcript, standing
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable


class Letters:
    """A stream whose lines are `{` and words."""

    def read(self, line: bytes) -> Iterable[AgentEvent]:
        if line.startswith(b"{said "):
            yield Said(line[6:].decode())
        if line.startswith(b"{call "):
            yield Called("Bash", line[6:].decode())


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Began("s-1", "m"), "= session s-1, m"),
        (Said(" Done.\n"), "Done."),
        (Called("Bash", "make"), "> Bash make"),
        (Called("Todo"), "> Todo"),
        (Used("1", Tokens(input=1)), ""),
        (Retrying("529", 3.2), "~ asks again: 529, in 3 s"),
        (RateLimited(hard=True, resets=0.0, window="day"), "! the limit day is used up"),
        (RateLimited(hard=False, share=0.8), "~ a limit is used to 80%"),
        (RateLimited(hard=False), ""),
        (Denied("WebFetch", "http://x"), "! not allowed: WebFetch http://x"),
        (Waiting("a login"), "! waits for a person: a login"),
        (Troubled("network", "gone"), "! network: gone"),
        (Ended(), "= ended: success"),
        (Ended("budget", "too much"), "= ended: budget, too much"),
    ],
)
def test_every_event_has_its_words(event: AgentEvent, text: str) -> None:
    assert words(event) == text


def test_the_time_of_a_reset_is_one_of_the_readers_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        monkeypatch.setenv("TZ", "XXX-05:30")
        time.tzset()
        told = words(RateLimited(hard=True, resets=1.5e9))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert told == "! a limit is used up, until 2017-07-14 08:10:00"


def test_a_stream_is_rendered_in_whatever_pieces_it_comes() -> None:
    data = b"{said one\n{unknown\nwarning: a shell\n{call make\n\n{said last"
    whole = b"one\nwarning: a shell\n> Bash make\nlast\n"
    for step in (1, 3, len(data)):
        shown = Rendering(Letters())
        pieces = [shown.feed(data[at : at + step]) for at in range(0, len(data), step)]
        assert b"".join(pieces) + shown.finish() == whole


@pytest.mark.parametrize("ends", [b"", b"\n{said on\n"])
def test_a_line_without_an_end_is_kept_up_to_a_bound_and_then_left_out(
    ends: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 100)
    shown = Rendering(Letters())
    assert [shown.feed(b"x" * 60) for _ in range(50)] == [b""] * 50
    assert sum(len(piece) for piece in shown._lines._pieces) <= 100
    told = shown.feed(ends) + shown.finish()
    assert told == b"~ a line of 3000 bytes is left out: `gitfleet logs --raw` shows it\n" + b"on\n" * bool(ends)


def test_half_of_a_surrogate_pair_is_shown_as_what_it_is() -> None:
    said = {"type": "assistant", "message": {"id": "m", "content": [{"type": "text", "text": "so\ud83d! \U0001f600"}]}}
    assert Rendering(ClaudeReader()).feed(json.dumps(said).encode() + b"\n") == "so\ufffd! \U0001f600\n".encode()


def test_what_an_agent_waits_for_is_known_until_it_goes_on() -> None:
    stream = Transcript()
    assert standing(stream) is None
    stream.tell(Retrying("500"))
    assert standing(stream) is Standing.RETRYING
    stream.tell(RateLimited(hard=True, resets=9.0))
    assert standing(stream) is Standing.RATE_LIMITED
    stream.tell(Said("I go on."))
    assert standing(stream) is None
    stream.tell(RateLimited(hard=False, share=0.9))
    assert standing(stream) is None
    stream.tell(Waiting("a login"))
    assert standing(stream) is Standing.NEEDS_PERSON
    stream.tell(Ended("auth"))
    assert standing(stream) is None
    assert stream.limit == RateLimited(hard=False, share=0.9)


def test_the_log_of_the_program_itself_is_left_out_and_a_session_is_named_once() -> None:
    class Traced(Letters):
        def read(self, line: bytes) -> Iterable[AgentEvent]:
            return [Began("s-1", "m")] if line.startswith(b"{began") else Letters.read(self, line)

    traced = Rendering(Traced())
    log = (
        b"{began\n{began\n2026-11-21T12:17:17.8Z  INFO codex_otel.trace_safe: event\n"
        b"2026-11-21T12:17:17.8Z ERROR no route\n2026-11-21 is a day\n"
    )
    shown = traced.feed(log).decode().splitlines()
    assert shown == ["= session s-1, m", "2026-11-21T12:17:17.8Z ERROR no route", "2026-11-21 is a day"]

"""What a stream amounts to is the same in whatever pieces it comes, and what is missing of it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.agents.events import Began, Called, Denied, Ended, RateLimited, Retrying, Said, Troubled, Used, Waiting
from gitfleet.agents.lines import LINE_BYTES
from gitfleet.agents.transcript import Follower, Transcript, read_whole
from gitfleet.model.usage import Tokens, Truth, UsageRow, UsageSummary, summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.agents.events import AgentEvent

LINES: dict[bytes, AgentEvent] = {
    b"began": Began("s1", "large"),
    b"said": Said("hello"),
    b"called": Called("Bash", "ls"),
    b"used": Used("t1", Tokens(input=3, output=2)),
    b"again": Used("t1", Tokens(input=5, output=2)),
    b"helper": Used("h1", Tokens(cache_read=7), helper=True),
    b"retrying": Retrying("500", 1.0),
    b"limit": RateLimited(hard=True, resets=9.0),
    b"denied": Denied("Bash", "rm"),
    b"waiting": Waiting("a person"),
    b"trouble": Troubled("network", "gone"),
    b"ended": Ended(),
}


class Words:
    """A stream with an event a word."""

    def read(self, line: bytes) -> Iterable[AgentEvent]:
        return [LINES[line]] if line in LINES else []


def whole(data: bytes) -> Transcript:
    follower = Follower(Words())
    follower.feed(0, data)
    return follower.finish()


def test_what_is_said_last_of_a_turn_counts_and_calls_belong_to_the_turn_that_made_them() -> None:
    told = whole(b"began\ncalled\ncalled\nused\nagain\nhelper\nsaid\nno such word\nended")
    assert (told.cli_session, told.model, told.last_said, told.tool_calls) == ("s1", "large", "hello", 2)
    assert (told.turns, told.tokens, told.calls["t1"]) == (1, 14, 2)
    assert told.ended == Ended()
    assert told.whole


def test_what_goes_on_is_in_no_trouble_any_more() -> None:
    told = whole(b"retrying\nwaiting\ntrouble\nlimit\ndenied\n")
    assert (told.retries, told.retrying, told.waiting, told.trouble) == (
        1,
        LINES[b"retrying"],
        LINES[b"waiting"],
        LINES[b"trouble"],
    )
    more = whole(b"retrying\nwaiting\ntrouble\nlimit\ndenied\nsaid\n")
    assert (more.retrying, more.waiting, more.trouble) == (None, None, None)
    assert (more.retries, more.limit, more.denied) == (1, LINES[b"limit"], [LINES[b"denied"]])


@given(st.lists(st.sampled_from(sorted(LINES))), st.data())
def test_pieces_do_not_matter(words: list[bytes], data: st.DataObject) -> None:
    stream = b"\n".join(words)
    follower, at = Follower(Words()), 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        follower.feed(at, stream[at : at + size])
        at += size
    assert follower.finish() == whole(stream)


def test_a_gap_is_known_and_costs_one_line() -> None:
    follower = Follower(Words())
    follower.feed(0, b"began\nus")
    follower.feed(100, b"ed\nsaid\n")
    told = follower.finish()
    assert not told.whole
    assert (told.used, told.said) == ({}, "hello\n")


def test_a_line_without_an_end_is_not_kept_in_memory() -> None:
    follower = Follower(Words())
    follower.feed(0, b"x" * (LINE_BYTES + 1))
    follower.feed(LINE_BYTES + 1, b"used\nsaid\n")
    assert not follower.transcript.whole
    assert (follower.transcript.used, follower.transcript.said) == ({}, "hello\n")


def test_a_log_is_read_in_pieces_to_its_end() -> None:
    stream = b"began\nused\nsaid"
    assert read_whole(Words(), lambda offset, size: (offset, stream[offset : offset + size]), piece=4) == whole(stream)


def test_a_sum_is_exact_or_not_and_unknown_is_never_zero() -> None:
    row = UsageRow(
        session="s",
        task="t",
        instance="fleet-s-w1-a1",
        attempt=1,
        cli_session="c",
        turn="t1",
        agent="claude",
        account="claude-2",
        model="large",
        at="2026-01-01T00:00:00.000Z",
        tokens=Tokens(input=1, cache_read=2, cache_write=3, output=5, reasoning=4),
        tool_calls=2,
    )
    assert row.key == "fleet-s-w1-a1/1/c/t1"
    priced = replace_tokens(row, cost_usd=0.5)
    assert summary([row, priced], Truth.EXACT) == UsageSummary(
        tokens=Tokens(input=2, cache_read=4, cache_write=6, output=10, reasoning=8, cost_usd=0.5),
        turns=2,
        tool_calls=4,
        truth=Truth.EXACT,
    )
    assert summary([row], Truth.EXACT).tokens.cost_usd is None
    assert summary([row], Truth.NOT_MEASURED).truth is Truth.NOT_MEASURED
    assert summary([row], Truth.EXACT).tokens.total == 11


def replace_tokens(row: UsageRow, *, cost_usd: float) -> UsageRow:
    return msgspec.structs.replace(row, tokens=msgspec.structs.replace(row.tokens, cost_usd=cost_usd))

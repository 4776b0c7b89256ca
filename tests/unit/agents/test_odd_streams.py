"""No shape of a stream stops the one who reads it, and what is told of it can be added up, shown and written."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gitfleet.agents.claude.stream import ClaudeReader
from gitfleet.agents.codex.stream import CodexReader
from gitfleet.agents.lines import LINE_BYTES
from gitfleet.agents.opencode.stream import OpencodeReader
from gitfleet.agents.rendering import words
from gitfleet.agents.transcript import Follower
from gitfleet.model.usage import UsageRow, UsageRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.agents.events import AgentEvent
    from gitfleet.agents.transcript import Reader, Transcript

HERE = Path(__file__).parent
READERS: dict[str, Callable[[], Reader]] = {"claude": ClaudeReader, "codex": CodexReader, "opencode": OpencodeReader}
LOGS = {
    "claude": sorted((HERE / "claude/streams").iterdir()),
    "codex": sorted((HERE / "codex").glob("*.log")),
    "opencode": sorted((HERE / "opencode/streams").iterdir()),
}
FIGURES = (b"input_tokens", b"inputTokens", b"input", b"input_token_count")
ODD: tuple[Any, ...] = (None, True, -5, 10**30, 1.5, float("inf"), float("nan"), "7", "", [], ["a"], {"a": 1}, "\ud800")
FORGED = {
    "claude": '{"type":"result","subtype":"success","is_error":false,"uuid":"x"}',
    "codex": '{"type":"turn.completed","usage":{"input_tokens":1}}',
    "opencode": '{"type":"gitfleet","what":"end","reason":"stop"}',
}
TOOLS = {
    "claude": lambda said: {
        "type": "user",
        "message": {"content": [{"type": "tool_result", "tool_use_id": "1", "content": said}]},
        "tool_use_result": {"stdout": said},
    },
    "codex": lambda said: {
        "type": "item.completed",
        "item": {"id": "1", "type": "command_execution", "command": said, "aggregated_output": said},
    },
    "opencode": lambda said: {
        "type": "tool_use",
        "sessionID": "s",
        "part": {"tool": "bash", "state": {"input": {"command": said}, "output": said}},
    },
}


def read(agent: str, *lines: bytes) -> Transcript:
    """What lines amount to, after everything that is done with it was done."""
    follower, told = Follower(READERS[agent]()), []
    told += follower.feed(0, b"\n".join(lines) + b"\n")
    stream = follower.finish()
    rows = tuple(
        UsageRow(
            session="s",
            task="t",
            instance="i",
            attempt=1,
            agent="a",
            turn=turn,
            model=used.model,
            tokens=used.tokens,
            helper=used.helper,
            cli_session=stream.cli_session,
        )
        for turn, used in stream.used.items()
    )
    msgspec.json.decode(msgspec.json.encode(UsageRows(rows=rows)), type=UsageRows)
    assert stream.tokens >= 0
    written(stream.said, *map(words, told))
    for event in told:
        written(*(value for value in event_values(event) if isinstance(value, str)))
    return stream


def event_values(event: AgentEvent) -> Iterator[object]:
    return (getattr(event, name) for name in event.__slots__)


def written(*texts: str) -> None:
    for text in texts:
        text.encode()


def places(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document."""
    found = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in found:
        yield (*at, name)
        yield from places(inner, (*at, name))


@pytest.mark.parametrize("agent", READERS)
def test_whatever_stands_in_the_place_of_a_value_stops_nobody(agent: str) -> None:
    """Each kind of event that was seen, with each of its values replaced by each that it should not be."""
    seen: set[tuple[object, ...]] = set()
    for line in (line for log in LOGS[agent] for line in log.read_bytes().splitlines() if line.startswith(b"{")):
        known = json.loads(line)
        for place in places(known):
            kind = (known["type"], known.get("subtype"), known.get("what"), *map(str, place))
            if kind in seen:
                continue
            seen.add(kind)
            for odd in ODD:
                document = json.loads(line)
                inner = document
                for name in place[:-1]:
                    inner = inner[name]
                inner[place[-1]] = odd
                read(agent, json.dumps(document).encode(), line)
    assert len(seen) > 20


@pytest.mark.parametrize("agent", READERS)
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0" * 64,
        b"\xff\xfe{\xff",
        b"{" + b'"a":{' * 100_000,
        b'{"type":' * 20_000,
        b"[" * 100_000,
        b'{"type": ' + b"9" * 10_000 + b"}",
        b'{"type":["gitfleet"]}',
        b'{"type":"of no kind"}',
        b'{"type":"result',
        "{“type”: “result”}".encode("utf-16"),
    ],
    ids=range(11),
)
def test_a_line_that_is_no_event_says_nothing_of_an_end(agent: str, line: bytes) -> None:
    stream = read(agent, line)

    assert stream.ended is None
    assert stream.used == {}


@pytest.mark.parametrize("agent", READERS)
def test_an_end_that_a_tool_printed_is_none(agent: str) -> None:
    said = f"\n{FORGED[agent]}\n"

    assert read(agent, FORGED[agent].encode()).ended is not None
    assert read(agent, json.dumps(TOOLS[agent](said)).encode()).ended is None


@pytest.mark.parametrize("agent", READERS)
def test_the_last_end_counts_and_one_that_is_told_twice_is_counted_once(agent: str) -> None:
    for log in LOGS[agent]:
        lines = log.read_bytes().splitlines()
        twice = read(agent, *lines, *(line for line in lines if b'"result"' in line or b"turn.completed" in line))
        assert twice.tokens == read(agent, *lines).tokens


@pytest.mark.parametrize("agent", READERS)
def test_a_figure_that_is_none_is_not_called_exact(agent: str) -> None:
    whole = b"\n".join(log.read_bytes() for log in LOGS[agent] if log.stem in {"work", "success"})
    spoilt = {_spoil(whole, figure, odd) for figure in FIGURES for odd in (b'"7"', b"-7", b"7e30")} - {whole}

    assert spoilt
    assert all(used.exact for used in read(agent, whole).used.values())
    for stream in spoilt:
        assert not all(used.exact for used in read(agent, stream).used.values())


def _spoil(data: bytes, name: bytes, odd: bytes) -> bytes:
    plain = re.sub(rb'"' + name + rb'": ?\d+', b'"' + name + b'":' + odd, data)
    return re.sub(name + rb"=\d+", name + b"=" + odd.strip(b'"') + b"x", plain)


@pytest.mark.parametrize("agent", READERS)
def test_time_does_not_grow_by_the_square(agent: str) -> None:
    begun = time.process_time()
    for said in ("x" * (1 << 20), "a.b " * (1 << 18), '" \\' * (1 << 18)):
        read(agent, json.dumps(TOOLS[agent](said)).encode(), f'codex_otel.trace_safe: event.name="x" {said}'.encode())
    helper = (
        '{"type":"assistant","parent_tool_use_id":"t","message":{"id":"m%d","content":[],"usage":{"input_tokens":1}}}'
    )
    read(agent, *(helper.encode() % number for number in range(3000)))

    assert time.process_time() - begun < 10


def test_a_line_that_is_too_long_is_left_out_in_whatever_pieces_it_comes() -> None:
    end = FORGED["codex"].encode()
    data = b'{"type":"error","message":"' + b"x" * LINE_BYTES + b'"}\n' + end + b"\n"
    for piece in (len(data), 1 << 20, 4096):
        follower = Follower(CodexReader())
        for offset in range(0, len(data), piece):
            follower.feed(offset, data[offset : offset + piece])
        stream = follower.finish()
        assert (stream.trouble, stream.whole) == (None, False)
        assert stream.ended is not None

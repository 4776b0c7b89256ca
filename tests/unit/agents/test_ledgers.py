"""What the agents' own programs write down of a session, in the shapes that their pinned releases write."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents.ledgers import ledger
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from pathlib import Path


def lines(path: Path, *documents: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents) + '{"cut of')


def answer(name: str, output: int) -> dict[str, object]:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 2,
        "output_tokens": output,
    }
    return {"type": "assistant", "message": {"id": name, "usage": usage}}


def test_claude_counts_each_message_by_its_last_word(tmp_path: Path) -> None:
    place = tmp_path / "projects/-work-tree"
    lines(place / "s-1.jsonl", {"type": "user"}, answer("m1", 1), answer("m1", 50), answer("m2", 5))
    lines(place / "s-1/subagents/agent-x.jsonl", answer("m3", 7))
    lines(place / "s-2.jsonl", answer("m9", 900))
    found = ledger(AgentKind.CLAUDE, tmp_path, "s-1")
    assert found == Tokens(input=30, cache_write=9, cache_read=6, output=62)


def test_claude_counts_helpers_where_its_last_state_does(tmp_path: Path) -> None:
    used = {"inputTokens": 20, "outputTokens": 60, "thinkingTokens": 4}
    state = {"type": "cost-state", "modelUsage": {"big": used, "small": {"inputTokens": 9, "outputTokens": 1}}}
    lines(tmp_path / "projects/-work-tree/s-1.jsonl", answer("m1", 5), state)
    found = ledger(AgentKind.CLAUDE, tmp_path, "s-1")
    assert found == Tokens(input=29, output=61, reasoning=4)


def test_codex_counts_from_the_beginning_and_takes_cached_tokens_out(tmp_path: Path) -> None:
    def count(times: int) -> dict[str, object]:
        used = {
            "input_tokens": 1230 * times,
            "cached_input_tokens": 200 * times,
            "cache_write_input_tokens": 30 * times,
            "output_tokens": 50 * times,
            "reasoning_output_tokens": 7 * times,
        }
        return {"type": "event_msg", "payload": {"type": "token_count", "info": {"total_token_usage": used}}}

    nothing = {"type": "event_msg", "payload": {"type": "token_count", "info": None}}
    lines(tmp_path / "sessions/2026/11/21/rollout-2026-11-21T09-57-16-abc-1.jsonl", nothing, count(1), count(2))
    found = ledger(AgentKind.CODEX, tmp_path, "abc-1")
    assert found == Tokens(input=2000, cache_read=400, cache_write=60, output=100, reasoning=14)


@pytest.mark.parametrize("odd", ["7", -7, 1.5, True, [7], 10**30, float("nan")], ids=str)
def test_a_figure_that_is_none_does_not_count(odd: object, tmp_path: Path) -> None:
    used = {"input_tokens": odd, "output_tokens": odd, "cached_input_tokens": odd, "reasoning_output_tokens": odd}
    told = {"type": "event_msg", "payload": {"type": "token_count", "info": {"total_token_usage": used}}}
    lines(tmp_path / "sessions/2026/11/21/rollout-2026-11-21T09-57-16-s-1.jsonl", told)
    message = {"id": "m", "usage": {"input_tokens": odd, "output_tokens": odd, "output_tokens_details": odd}}
    lines(tmp_path / "projects/-work-tree/s-1.jsonl", {"type": "assistant", "message": message})
    assert ledger(AgentKind.CODEX, tmp_path, "s-1") == Tokens()
    assert ledger(AgentKind.CLAUDE, tmp_path, "s-1") == Tokens()


def test_a_line_that_is_nested_without_end_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "projects/-work-tree/s-1.jsonl"
    lines(file, answer("m1", 5))
    file.write_text('{"a":' * 10_000 + "\n" + file.read_text())
    assert ledger(AgentKind.CLAUDE, tmp_path, "s-1") == Tokens(input=10, cache_write=3, cache_read=2, output=5)


def test_opencode_counts_sessions_that_a_session_started(tmp_path: Path) -> None:
    home = tmp_path / "50% of? #1"  # none of which may be read as part of an address
    (home / "data/opencode").mkdir(parents=True)
    tokens = {"input": 103, "output": 43, "reasoning": 7, "cache": {"read": 20, "write": 1}}
    with closing(sqlite3.connect(home / "data/opencode/opencode.db")) as database:
        database.execute("CREATE TABLE session (id TEXT, parent_id TEXT)")
        database.execute("CREATE TABLE message (session_id TEXT, data TEXT)")
        database.executemany("INSERT INTO session VALUES (?, ?)", [("s", None), ("t", "s"), ("u", None)])
        said = [
            ("s", {"role": "user"}),
            ("s", {"tokens": tokens}),
            ("t", {"tokens": tokens}),
            ("u", {"tokens": tokens}),
        ]
        database.executemany("INSERT INTO message VALUES (?, ?)", [(name, json.dumps(data)) for name, data in said])
        database.commit()
    found = ledger(AgentKind.OPENCODE, home, "s")
    assert found == Tokens(input=206, cache_read=40, cache_write=2, output=100, reasoning=14)


@pytest.mark.parametrize("kind", AgentKind)
@pytest.mark.parametrize("name", ["s-1", "../s", "*", ""])
def test_what_is_not_there_is_none(kind: AgentKind, name: str, tmp_path: Path) -> None:
    (tmp_path / "data/opencode").mkdir(parents=True)
    (tmp_path / "data/opencode/opencode.db").write_bytes(b"no database")
    assert ledger(kind, tmp_path, name) is None

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


def test_opencode_counts_sessions_that_a_session_started(tmp_path: Path) -> None:
    (tmp_path / "data/opencode").mkdir(parents=True)
    tokens = {"input": 103, "output": 43, "reasoning": 7, "cache": {"read": 20, "write": 1}}
    with closing(sqlite3.connect(tmp_path / "data/opencode/opencode.db")) as database:
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
    found = ledger(AgentKind.OPENCODE, tmp_path, "s")
    assert found == Tokens(input=206, cache_read=40, cache_write=2, output=100, reasoning=14)


@pytest.mark.parametrize("kind", AgentKind)
@pytest.mark.parametrize("name", ["s-1", "../s", "*", ""])
def test_what_is_not_there_is_none(kind: AgentKind, name: str, tmp_path: Path) -> None:
    (tmp_path / "data/opencode").mkdir(parents=True)
    (tmp_path / "data/opencode/opencode.db").write_bytes(b"no database")
    assert ledger(kind, tmp_path, name) is None

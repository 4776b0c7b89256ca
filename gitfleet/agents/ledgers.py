"""What the agents' own programs wrote down of a session: read from the files in the home of an account.

Only ``gitfleet usage --reconcile`` asks: figures come from an attempt's stream, and this is the second witness. The
files are the vendors' and may change with any release; what cannot be read is none, and nothing is written there.

``claude``
    ``projects/*/<session>.jsonl``, and files of sub-agents below ``projects/*/<session>/``: the last ``usage`` of each
    message; or the last ``cost-state``, which counts helpers too.
``codex``
    ``sessions/**/rollout-*-<session>.jsonl``: the last ``token_count``, which counts from the session's beginning.
``opencode``
    ``*/opencode/opencode*.db``: the tokens of each message of the session and of those that it started.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

from gitfleet.agents.lines import count, document, leading, mapping
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.usage import Tokens, added

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


def ledger(kind: AgentKind, home: Path, cli_session: str) -> Tokens | None:
    """All tokens that a session is said to have used; none where its program wrote none that can be read."""
    read = _READERS.get(kind)
    if read is None or _NAME.fullmatch(cli_session) is None:
        return None
    try:
        return read(home, cli_session)
    except (OSError, TypeError, KeyError, AttributeError):
        return None


def _claude(home: Path, session: str) -> Tokens | None:
    messages: dict[str, Tokens] = {}
    state = Tokens()
    files = [*home.glob(f"projects/*/{session}.jsonl"), *home.glob(f"projects/*/{session}/**/*.jsonl")]
    for line in (line for file in files for line in _lines(file)):
        message = line.get("message")
        if line.get("type") == "cost-state":
            state = added(_model(used) for used in line["modelUsage"].values())
        if line.get("type") != "assistant" or not isinstance(message, dict) or not message.get("usage"):
            continue
        used = message["usage"]
        messages[message["id"]] = Tokens(
            input=_figure(used, "input_tokens"),
            cache_read=_figure(used, "cache_read_input_tokens"),
            cache_write=_figure(used, "cache_creation_input_tokens"),
            output=_figure(used, "output_tokens"),
            reasoning=count(mapping(used.get("output_tokens_details")).get("thinking_tokens")),
        )
    said = added(messages.values())
    return max(said, state, key=lambda tokens: tokens.total) if files else None


def _model(used: dict[str, Any]) -> Tokens:
    return Tokens(
        input=_figure(used, "inputTokens"),
        cache_read=_figure(used, "cacheReadInputTokens"),
        cache_write=_figure(used, "cacheCreationInputTokens"),
        output=_figure(used, "outputTokens"),
        reasoning=count(used.get("thinkingTokens")),
    )


def _codex(home: Path, session: str) -> Tokens | None:
    found = None
    for file in sorted(home.glob(f"sessions/**/rollout-*-{session}.jsonl")):
        found = found or Tokens()
        for line in _lines(file):
            payload = line.get("payload")
            if line.get("type") != "event_msg" or not isinstance(payload, dict) or payload.get("type") != "token_count":
                continue
            used = (payload.get("info") or {}).get("total_token_usage")
            if used:
                cached, written = _figure(used, "cached_input_tokens"), _figure(used, "cache_write_input_tokens")
                found = Tokens(
                    input=max(0, _figure(used, "input_tokens") - cached - written),
                    cache_read=cached,
                    cache_write=written,
                    output=_figure(used, "output_tokens"),
                    reasoning=count(used.get("reasoning_output_tokens")),
                )
    return found


def _opencode(home: Path, session: str) -> Tokens | None:
    import sqlite3  # noqa: PLC0415 - nobody else needs it

    for file in sorted(home.glob("*/opencode/opencode*.db")):
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
                rows = database.execute(
                    "WITH RECURSIVE mine(id) AS (SELECT id FROM session WHERE id = ? UNION "
                    "SELECT session.id FROM session JOIN mine ON session.parent_id = mine.id) "
                    "SELECT data FROM message WHERE session_id IN mine",
                    (session,),
                ).fetchall()
        except sqlite3.Error:
            continue
        if rows:
            return added(_message(leading(str(data))[0] or {}) for (data,) in rows)
    return None


def _message(message: dict[str, Any]) -> Tokens:
    used = mapping(message.get("tokens"))
    cache, reasoning = mapping(used.get("cache")), _figure(used, "reasoning")
    return Tokens(
        input=_figure(used, "input"),
        cache_read=_figure(cache, "read"),
        cache_write=_figure(cache, "write"),
        output=_figure(used, "output") + reasoning,
        reasoning=reasoning,
    )


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as stream:
        for line in stream:
            found = document(line)
            if found is not None:  # as the last line of a program that was killed is
                yield found


def _figure(used: Mapping[str, Any], name: str) -> int:
    return count(used.get(name)) or 0


_READERS: dict[AgentKind, Callable[[Path, str], Tokens | None]] = {
    AgentKind.CLAUDE: _claude,
    AgentKind.CODEX: _codex,
    AgentKind.OPENCODE: _opencode,
}

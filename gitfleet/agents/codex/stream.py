"""Reads what Codex prints: events of ``codex exec --json``, and between them lines of its own trace.

The events tell of usage once, at the end of the work, and of the session as a whole. The trace, which ``TRACED`` turns
on, tells it answer by answer, with the time and the status of each request and without anything that was said. So what
an attempt used is known as it goes, and also of one that was cut off. What the events tell beyond the trace is a row of
its own; where there is no trace they are all there is.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from gitfleet.agents.codex.outcomes import (
    MODEL_ERROR,
    NO_END,
    RATE_LIMITED,
    SANDBOX,
    UNFENCED,
    USAGE_LIMIT,
    code_of,
    reset_of,
    sentence,
    source_of,
)
from gitfleet.agents.events import Began, Called, Denied, Ended, RateLimited, Retrying, Said, Troubled, Used
from gitfleet.agents.lines import count, counts, leading, text_of
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitfleet.agents.events import AgentEvent

_TOLD = ("input_token_count", "http.response.status_code", "reasoning_summary")
TRACED: Final = {
    "RUST_LOG": ",".join(["off", *(f"codex_otel.trace_safe[{{{fact}}}]=info" for fact in _TOLD)]),
    "TZ": "UTC0",
}
"""Variables of Codex itself, not of what it runs: its trace, and times that mean the same wherever they are read.

Only what has one of these facts is traced. Everything else would come with words of the model's, line breaks included,
and so with whole lines that look like events: a call of a tool that there is not, or a patch that does not fit.
"""

_TRACE = re.compile(r'codex_otel\.trace_safe: event\.name="(?P<name>[\w.]+)" (?P<facts>.*)')
_FACT = re.compile(r'(?<![\w.])([\w.]+)=("[^"]*"|\S+)')
_FATAL = re.compile(r"Error: (.+)")
_RECONNECTING = re.compile(r"Reconnecting\.\.\. (?:\d+/\d+ )?\(?(.*?)\)?$", re.DOTALL)
# What it does not find was taken away by somebody else meanwhile: that is no system without a sandbox.
_NO_SANDBOX = re.compile(r"bwrap: (?!.*(?:No such file or directory|in mount table)).*|.*\bLandlock\w*\b.*")
_SHELL_WORDS = 3
_SORTS = ("input", "cached", "cache_write", "output", "reasoning")
_USAGE = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
_DIGITS = 16
_LONGEST_COMMAND = 1 << 14
"""Characters of a command whose shell is left out; a longer one is shown whole: ``shlex`` takes time by the square."""


@dataclass(slots=True)
class CodexReader:
    """Reads one attempt's stream; ``before`` is what its session had used until then."""

    before: Tokens | None = None
    _thread: str = ""
    _calls: set[str] = field(default_factory=set)
    _used: Tokens = field(default_factory=Tokens)
    _answers: int = 0
    _traced: bool = False
    _last: Used | None = None
    _status: int | None = None
    _now: datetime | None = None

    def read(self, line: bytes) -> Iterator[AgentEvent]:
        """Give the events of one line; none for a line that says nothing."""
        text = line.decode(errors="replace")
        if text.startswith("{"):
            # Both streams go to one log: a line of the trace may stand right behind an event, or within a broken one.
            event, end = leading(text)
            text = text[end:]
            if event is not None:
                yield from self._event(event)
        if found := _TRACE.search(text):
            self._traced = True
            facts = {name: value.strip('"') for name, value in _FACT.findall(found["facts"])}
            yield from self._trace(found["name"], facts)
        elif found := _FATAL.match(text):
            # What Codex says before it asks anybody is not the model's.
            code = code_of(found[1])
            yield Troubled(NO_END if code == MODEL_ERROR else code, sentence(found[1]))

    def _event(self, event: dict[str, Any]) -> Iterator[AgentEvent]:
        match event:
            # A session that is begun within another one would be somebody else's to go on with.
            case {"type": "thread.started", "thread_id": str() as thread} if self._thread in {"", thread}:
                self._thread = thread
                yield Began(thread)
            case {"type": "item.started" | "item.completed", "item": {"id": str() as key, "type": str()} as item}:
                yield from self._item(key, item["type"], item)
            case {"type": "error", "message": str() as message}:
                yield from self._error(message)
            case {"type": "turn.completed", "usage": dict() as usage}:
                yield from self._untraced(usage)
                yield Ended()
            case {"type": "turn.failed", "error": {"message": str() as message}}:
                trouble = self._trouble(message)
                yield from self._limit(trouble.code, message)
                if not self._traced:
                    # Such an end tells no usage: without the trace nobody did.
                    yield Used(f"{self._thread}/untold", Tokens(), helper=True, exact=False)
                yield Ended(trouble.code, trouble.message, source_of(trouble.code))
            case _:
                pass

    def _item(self, key: str, kind: str, item: dict[str, Any]) -> Iterator[AgentEvent]:
        tool = _called(kind, item)
        if tool is not None and key not in self._calls:
            self._calls.add(key)
            yield tool
            if self._last is not None:
                yield self._last  # again: the call belongs to the answer that asked for it
        if kind == "agent_message":
            yield Said(text_of(item, "text"))
        if kind == "command_execution" and item.get("status") == "failed":
            output = text_of(item, "aggregated_output").strip()
            if _NO_SANDBOX.fullmatch(output) and "bwrap" not in text_of(item, "command"):
                yield Denied(SANDBOX, output, UNFENCED, every=True)

    def _error(self, message: str) -> Iterator[AgentEvent]:
        if again := _RECONNECTING.match(message):
            yield Retrying(sentence(again[1]))
            if code_of(again[1], self._status) == RATE_LIMITED:
                yield RateLimited(hard=False, window="requests")
        else:
            yield self._trouble(message)

    def _trouble(self, message: str) -> Troubled:
        return Troubled(code_of(message, self._status), sentence(message))

    def _limit(self, code: str, message: str) -> Iterator[AgentEvent]:
        if code == USAGE_LIMIT:
            resets = reset_of(message, self._now or _born(self._thread))
            yield RateLimited(hard=True, resets=resets, window="usage")
        elif code == RATE_LIMITED:
            yield RateLimited(hard=True, window="requests")

    def _trace(self, name: str, facts: Mapping[str, str]) -> Iterator[AgentEvent]:
        thread = facts.get("conversation.id", "")
        self._now = _moment(facts.get("event.timestamp", "")) or self._now
        if name == "codex.conversation_starts" and self._thread in {"", thread}:
            self._thread = thread
            yield Began(thread, facts.get("model", ""))
        elif name == "codex.api_request":
            self._status = _figure(facts.get("http.response.status_code", ""))
        elif name == "codex.sse_event" and "input_token_count" in facts:
            yield self._answer(facts, helper=thread not in {"", self._thread})

    def _answer(self, facts: Mapping[str, str], *, helper: bool) -> Used:
        told = [facts.get(f"{sort}_token_count", "0") for sort in _SORTS]
        tokens = _sorted(*(_figure(figure) or 0 for figure in told))
        self._answers += 1
        # A session that goes on numbers from one again; the time makes it one of its kind.
        turn = f"{facts.get('event.timestamp', '')}/{self._answers}"
        sound = all(_figure(figure) is not None for figure in told)
        used = Used(turn, tokens, facts.get("model", ""), helper, exact=sound)
        if not helper:
            self._used = self._used.plus(tokens)
            self._last = used
        return used

    def _untraced(self, usage: Mapping[str, Any]) -> Iterator[AgentEvent]:
        whole, known = _tokens(usage), self._used.plus(self.before or Tokens())
        rest, sound = whole.beyond(known), counts(usage, _USAGE)
        if rest.total or not sound:
            self._used = self._used.plus(rest)
            yield Used(f"{self._thread}/{whole.total}", rest, exact=sound)


def _called(kind: str, item: Mapping[str, Any]) -> Called | None:
    match kind:
        case "command_execution":
            return Called("shell", _command(text_of(item, "command")))
        case "file_change":
            told = item.get("changes")
            changes = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
            return Called("apply_patch", " ".join(text_of(change, "path") for change in changes))
        case "mcp_tool_call":
            return Called(f"{item.get('server')}/{item.get('tool')}")
        case "web_search":
            return Called(kind, text_of(item, "query"))
        case "collab_tool_call":
            return Called(text_of(item, "tool") or kind)
        case _:
            return None


def _tokens(usage: Mapping[str, Any]) -> Tokens:
    return _sorted(*(count(usage.get(name)) or 0 for name in _USAGE))


def _sorted(given: int, read: int, written: int, output: int, reasoning: int) -> Tokens:
    """Tokens of Codex's counts, where those of a cache are among those that were given."""
    return Tokens(
        input=max(0, given - read - written), cache_read=read, cache_write=written, output=output, reasoning=reasoning
    )


def _figure(words: str) -> int | None:
    return count(int(words)) if words.isascii() and words.isdigit() and len(words) <= _DIGITS else None


def _command(words: str) -> str:
    """The command that a shell was given, or all of it where no shell was."""
    try:
        split = shlex.split(words) if len(words) <= _LONGEST_COMMAND else []
    except ValueError:
        return words
    return split[2] if len(split) == _SHELL_WORDS and split[1] in {"-c", "-lc"} else words


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


def _born(thread: str) -> datetime:
    """When a session began: its id is a UUID of version 7, which starts with that in milliseconds (RFC 9562, 5.7)."""
    try:
        return datetime.fromtimestamp(int(thread.replace("-", "")[:12], 16) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)

"""The stream of ``claude``, one JSON object a line, in the words that all agents share.

Pieces of answers (``content_block_delta``) are most of the lines and say nothing that a whole answer does not say
again; they are known by their first bytes and not read. Lines that are no JSON come from standard error: before the
session began they say why it will not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitfleet.agents.claude.counting import Counting
from gitfleet.agents.claude.outcome import Refusal, end_of
from gitfleet.agents.claude.rules import allows
from gitfleet.agents.events import Began, Called, Denied, RateLimited, Retrying, Said, Troubled
from gitfleet.agents.lines import amount, count, document, moment, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gitfleet.agents.events import AgentEvent

_PIECE = b'"content_block_'
_HEAD = 96
_INTERRUPTED = "[Request interrupted by user"
_ARGUMENTS = ("command", "file_path", "notebook_path", "url", "query", "pattern", "path", "skill", "description")


@dataclass(slots=True)
class ClaudeReader:
    """Reads one attempt's stream; ``resumed`` says that the attempt goes on with a session of the program."""

    resumed: bool = False
    _counting: Counting = field(init=False)
    _began: bool = False
    _refusal: Refusal | None = None
    _calls: dict[str, Called] = field(default_factory=dict)
    _denied: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Start to count."""
        self._counting = Counting(self.resumed)

    def read(self, line: bytes) -> Iterable[AgentEvent]:
        """Give the events of one line; none for a line that says nothing."""
        if _PIECE in line[:_HEAD]:
            return ()
        event = document(line)
        if event is None:
            text = line.decode(errors="replace").strip()
            return () if self._began or not text or text.startswith("{") else (Troubled("no-end-event", text),)
        return tuple(self._events(event))

    def _events(self, event: Mapping[str, Any]) -> Iterator[AgentEvent]:
        helper = bool(event.get("parent_tool_use_id"))
        match event:
            case {"type": "system", "subtype": "init"}:
                self._began = True
                yield Began(text_of(event, "session_id"), text_of(event, "model"))
            case {"type": "system", "subtype": "api_retry"}:
                delay, status = amount(event.get("retry_delay_ms")), count(event.get("error_status"))
                why = f"{status} {text_of(event, 'error')}" if status else text_of(event, "error")
                yield Retrying(why, None if delay is None else delay / 1000)
            case {"type": "system", "subtype": "permission_denied"}:
                yield from self._deny(text_of(event, "tool_use_id"), text_of(event, "tool_name"), {})
            case {"type": "rate_limit_event", "rate_limit_info": dict() as info}:
                yield from _limit(info)
            case {"type": "stream_event", "event": dict() as inner} if not helper:
                yield from self._counting.streamed(inner)
            # The program makes such an answer itself, to tell of an error.
            case {"type": "assistant", "message": {"model": "<synthetic>"} as message}:
                yield from self._refused(event, message)
            case {"type": "assistant", "message": dict() as message}:
                yield from self._answer(message, helper=helper)
            case {"type": "user", "message": dict() as message}:
                yield from self._told(message, helper=helper)
            case {"type": "result"}:
                yield from self._result(event)
            case _:
                pass

    def _answer(self, message: Mapping[str, Any], *, helper: bool) -> Iterator[AgentEvent]:
        for block in _blocks(message):
            match block:
                case {"type": "text", "text": str() as text} if text and not helper:
                    yield Said(text)
                case {"type": "tool_use", "name": str() as tool}:
                    called = Called(tool, argument(block.get("input")))
                    self._calls[text_of(block, "id")] = called
                    yield called
                case _:
                    pass
        yield from self._counting.helped(message) if helper else self._counting.whole(message)

    def _told(self, message: Mapping[str, Any], *, helper: bool) -> Iterator[AgentEvent]:
        for block in _blocks(message):
            match block:
                case {"type": "tool_result", "tool_use_id": str() as known}:
                    self._calls.pop(known, None)
                case {"type": "text", "text": str() as text} if not helper and text.startswith(_INTERRUPTED):
                    yield Troubled("interrupted", text.strip("[]"))
                case _:
                    pass

    def _refused(self, event: Mapping[str, Any], message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        texts = [text_of(block, "text") for block in _blocks(message)]
        error = text_of(event, "error")
        if not error:
            return
        self._refusal = Refusal(error, text_of(event, "api_error"), event.get("api_error_status"), " ".join(texts))
        yield Troubled(self._refusal.code, self._refusal.text)

    def _deny(self, known: str, tool: str, given: object) -> Iterator[AgentEvent]:
        if known not in self._denied:
            self._denied.add(known)
            called = self._calls.get(known)
            asked = called.argument if called else argument(given)
            yield Denied(tool, asked, allows(tool, asked))

    def _result(self, event: Mapping[str, Any]) -> Iterator[AgentEvent]:
        denials = event.get("permission_denials")
        for denial in denials if isinstance(denials, list) else ():
            if isinstance(denial, dict):
                known, tool = text_of(denial, "tool_use_id"), text_of(denial, "tool_name")
                yield from self._deny(known, tool, denial.get("tool_input"))
        yield from self._counting.ended(event)
        yield end_of(event, self._refusal)


def argument(given: object) -> str:
    """The part of a tool's input that a person wants to see, whole: it may have to be approved."""
    if not isinstance(given, dict) or not given:
        return ""
    for name in _ARGUMENTS:
        if isinstance(given.get(name), str):
            return str(given[name])
    return json.dumps(given, ensure_ascii=False, sort_keys=True)


def _limit(info: Mapping[str, Any]) -> Iterator[RateLimited]:
    status = text_of(info, "status")
    if status in {"allowed_warning", "rejected"}:
        yield RateLimited(
            hard=status == "rejected",
            resets=moment(info.get("resetsAt")),
            window=text_of(info, "rateLimitType"),
            share=amount(info.get("utilization")),
        )


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []

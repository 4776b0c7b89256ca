"""Reads the stream of ``opencode run --format json`` and of the plugin in it.

What is said and done comes in the program's own events, and so does what the session's own steps used; the plugin tells
that as well, and everything else, the end too. Without a plugin a last step with the reason ``stop`` is the end. Tokens
of ``output`` leave the reasoning out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitfleet.agents.events import Began, Called, Denied, Ended, RateLimited, Retrying, Said, Troubled, Used
from gitfleet.agents.lines import amount, count, counts, document, mapping, moment, text_of
from gitfleet.agents.opencode.errors import limit_of, meaning
from gitfleet.agents.opencode.rules import allows
from gitfleet.model.run import FailureSource
from gitfleet.model.usage import Tokens
from gitfleet.planner.retries import LIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gitfleet.agents.events import AgentEvent

_ARGUMENTS = ("command", "filePath", "path", "pattern", "url", "query", "description")
"""What of a tool's input a person wants to see, the first that is there."""

_ENDS = {"length": "context-overflow", "content-filter": "model-error"}
_ASKED = re.compile(r"permission requested: ([\w-]+) \((.*)\); auto-rejecting")
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_STARTLESS = ("Error: ", "Session not found")


@dataclass(slots=True)
class OpencodeReader:
    """Reads the lines of one attempt."""

    session: str = ""
    model: str = ""
    _listens: bool = False
    _helpers: set[str] = field(default_factory=set)
    _models: dict[str, str] = field(default_factory=dict)
    _gave_up: AgentEvent | None = None

    def read(self, line: bytes) -> Iterable[AgentEvent]:
        """Give the events of one line."""
        told = document(line)
        if told is None:
            return [] if line.startswith(b"{") else self._plain(line)
        kind = text_of(told, "type")
        read = _READERS.get(text_of(told, "what") if kind == "gitfleet" else kind)
        try:
            return list(read(self, told)) if read else []
        except (TypeError, KeyError, AttributeError):
            return []

    def _plain(self, line: bytes) -> list[AgentEvent]:
        """What it says for people: why it does not start, and what it refuses where the plugin does not tell."""
        text = _COLOURS.sub("", line.decode(errors="replace")).strip()
        if text.startswith(_STARTLESS):
            return [Troubled("no-end-event", text)]
        found = None if self._listens else _ASKED.search(text)
        return [Denied(found[1], found[2], allows(found[1], found[2]))] if found else []

    def _enter(self, session: str, model: str = "") -> Iterator[AgentEvent]:
        if session and (not self.session or (model and model != self.model)):
            self.session, self.model = session, model or self.model
            yield Began(self.session, self.model)

    def _listening(self, _told: dict[str, Any]) -> Iterator[AgentEvent]:
        self._listens = True
        yield from ()

    def _began(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        session, model = text_of(told, "session"), text_of(told, "model")
        self._models[session] = model
        if session == told["root"]:
            yield from self._enter(session, model)

    def _helper(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        self._helpers.add(text_of(told, "message"))
        yield from ()

    def _step(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        yield from self._enter(text_of(told, "sessionID"))

    def _text(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        part = told["part"]
        # What the program tells the model to go on with is in nobody's words.
        text = text_of(part, "text")
        if text.strip() and not part.get("synthetic") and text_of(part, "messageID") not in self._helpers:
            yield Said(text)

    def _tool(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        part = told["part"]
        given = mapping(part["state"].get("input"))
        yield Called(text_of(part, "tool"), next((str(given[name]) for name in _ARGUMENTS if given.get(name)), ""))

    def _finished(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        part = told["part"]
        helper = text_of(part, "messageID") in self._helpers
        yield _used(part, self.model, helper=helper)
        if not helper and not self._listens and part.get("reason") == "stop":
            yield Ended()

    def _used(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        model = self._models.get(text_of(told, "session"), self.model)
        yield _used(told, model, helper=told.get("helper") is True)

    def _retry(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        message, until, long = text_of(told, "message"), amount(told.get("next")), told.get("long") is True
        limit = limit_of(message)
        if limit:
            yield RateLimited(hard=long, resets=None if until is None else moment(until / 1000))
        yield Retrying(message)
        if long:
            self._gave_up = Ended(limit or "model-error", message)

    def _denied(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        tool, patterns = text_of(told, "permission") or "a tool", told.get("patterns")
        for pattern in map(str, patterns if isinstance(patterns, list) and patterns else ("",)):
            yield Denied(tool, pattern, allows(tool, pattern))

    def _error(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        yield from self._enter(text_of(told, "sessionID"))
        found = meaning(mapping(told.get("error")), (amount(told.get("timestamp")) or 0) / 1000)
        if found.code in LIMITED and self._gave_up is None:
            yield RateLimited(hard=True, resets=found.resets)
        yield Troubled(found.code, found.message)

    def _end(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        error, reason = mapping(told.get("error")), text_of(told, "reason")
        if self._gave_up is not None:
            yield self._gave_up
        elif error:
            found = meaning(error, (amount(told.get("now")) or 0) / 1000)
            if found.code in LIMITED:
                yield RateLimited(hard=True, resets=found.resets)
            yield Ended(found.code, found.message, FailureSource.TASK if found.wrong else None)
        elif reason == "stop":
            yield Ended()
        else:
            # A permission that was refused ends it so too.
            said = f"its last step ended with {reason}" if reason else "it never got an answer"
            yield Ended(_ENDS.get(reason, "no-end-event"), said)


_READERS: dict[str, Callable[[OpencodeReader, dict[str, Any]], Iterator[AgentEvent]]] = {
    "listens": OpencodeReader._listening,  # noqa: SLF001 - its own
    "began": OpencodeReader._began,  # noqa: SLF001
    "helper": OpencodeReader._helper,  # noqa: SLF001
    "used": OpencodeReader._used,  # noqa: SLF001
    "retry": OpencodeReader._retry,  # noqa: SLF001
    "denied": OpencodeReader._denied,  # noqa: SLF001
    "end": OpencodeReader._end,  # noqa: SLF001
    "step_start": OpencodeReader._step,  # noqa: SLF001
    "text": OpencodeReader._text,  # noqa: SLF001
    "tool_use": OpencodeReader._tool,  # noqa: SLF001
    "step_finish": OpencodeReader._finished,  # noqa: SLF001
    "error": OpencodeReader._error,  # noqa: SLF001
}


def _used(part: Mapping[str, Any], model: str, *, helper: bool) -> Used:
    turn, tokens = text_of(part, "id"), mapping(part.get("tokens"))
    cache, reasoning = mapping(tokens.get("cache")), count(tokens.get("reasoning")) or 0
    given, output = count(tokens.get("input")), count(tokens.get("output"))
    told = turn and given is not None and output is not None
    return Used(
        turn=turn or "unnamed",
        tokens=Tokens(
            input=given or 0,
            cache_read=count(cache.get("read")) or 0,
            cache_write=count(cache.get("write")) or 0,
            output=(output or 0) + reasoning,
            reasoning=reasoning,
            # It says nothing for a model whose price it does not know, as a gateway's.
            cost_usd=amount(part.get("cost")) or None,
        ),
        model=model,
        helper=helper,
        exact=bool(told) and counts(tokens, ("reasoning",)) and counts(cache, ("read", "write")),
    )

"""Reads the stream of ``opencode run --format json`` and of the plugin in it.

What is said and done comes in the program's own events, and so does what the session's own steps used; the plugin tells
that as well, and everything else, the end too. Without a plugin a last step with the reason ``stop`` is the end. Tokens
of ``output`` leave the reasoning out.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitfleet.agents.events import Began, Called, Denied, Ended, RateLimited, Retrying, Said, Troubled, Used
from gitfleet.agents.opencode.errors import LIMITS, limit_of, meaning
from gitfleet.agents.opencode.rules import allows
from gitfleet.model.run import FailureSource
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
        try:
            told = json.loads(line)
            kind = told["type"]
            read = _READERS.get(told["what"] if kind == "gitfleet" else kind)
            return list(read(self, told)) if read else []
        except (ValueError, TypeError, KeyError, AttributeError):
            return self._plain(line)

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
        self._models[told["session"]] = told["model"]
        if told["session"] == told["root"]:
            yield from self._enter(told["root"], told["model"])

    def _helper(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        self._helpers.add(told["message"])
        yield from ()

    def _step(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        yield from self._enter(told["sessionID"])

    def _text(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        part = told["part"]
        # What the program tells the model to go on with is in nobody's words.
        if not part.get("synthetic") and part["messageID"] not in self._helpers and part["text"].strip():
            yield Said(part["text"])

    def _tool(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        part = told["part"]
        given = part["state"].get("input") or {}
        yield Called(part["tool"], next((str(given[name]) for name in _ARGUMENTS if given.get(name)), ""))

    def _finished(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        part = told["part"]
        helper = part["messageID"] in self._helpers
        yield _used(part, self.model, helper=helper)
        if not helper and not self._listens and part.get("reason") == "stop":
            yield Ended()

    def _used(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        yield _used(told, self._models.get(told["session"], self.model), helper=told["helper"])

    def _retry(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        until, long = told["next"] / 1000, bool(told.get("long"))
        limit = limit_of(told["message"])
        if limit:
            yield RateLimited(hard=long, resets=until)
        yield Retrying(told["message"])
        if long:
            self._gave_up = Ended(limit or "model-error", told["message"])

    def _denied(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        tool = str(told.get("permission") or "a tool")
        for pattern in map(str, told.get("patterns") or ("",)):
            yield Denied(tool, pattern, allows(tool, pattern))

    def _error(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        yield from self._enter(told["sessionID"])
        found = meaning(told["error"], told["timestamp"] / 1000)
        if found.code in LIMITS and self._gave_up is None:
            yield RateLimited(hard=True, resets=found.resets)
        yield Troubled(found.code, found.message)

    def _end(self, told: dict[str, Any]) -> Iterator[AgentEvent]:
        error, reason = told.get("error"), told.get("reason")
        if self._gave_up is not None:
            yield self._gave_up
        elif error:
            found = meaning(error, told["now"] / 1000)
            if found.code in LIMITS:
                yield RateLimited(hard=True, resets=found.resets)
            yield Ended(found.code, found.message, FailureSource.TASK if found.wrong else None)
        elif reason == "stop":
            yield Ended()
        else:
            # A permission that was refused ends it so too.
            said = f"its last step ended with {reason}" if reason else "it never got an answer"
            yield Ended(_ENDS.get(reason or "", "no-end-event"), said)


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


def _used(part: dict[str, Any], model: str, *, helper: bool) -> Used:
    tokens, cost = part["tokens"], part.get("cost")
    reasoning = tokens.get("reasoning") or 0
    cache = tokens.get("cache") or {}
    return Used(
        turn=part["id"],
        tokens=Tokens(
            input=tokens["input"],
            cache_read=cache.get("read") or 0,
            cache_write=cache.get("write") or 0,
            output=tokens["output"] + reasoning,
            reasoning=reasoning,
            # It says nothing for a model whose price it does not know, as a gateway's.
            cost_usd=cost or None,
        ),
        model=model,
        helper=helper,
    )

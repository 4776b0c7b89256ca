"""How the program's figures become rows that add up to what was used, to the token.

What was seen: an ``assistant`` event is told before its answer is over, so its output is a part; the whole is in the
``message_delta`` of the raw stream, which the program passes on for its own answers and not for those of sub-agents;
calls that it makes for itself it does not tell at all. The end event has ``usage``, which leaves those out,
``modelUsage``, which has everything from the beginning of the session of the program, earlier attempts included (but
for what a kill kept it from writing down), and ``model_usage_since_last_result``: everything of this attempt alone. So
each answer is a row, and one more row, ``rest``, is what the end event says beyond them: helpers, and the cost.

Of an answer that was broken off, by an interrupt or with its connection, the program may keep what it has, and then
guesses what that used. A guess is no figure: the row says that more was used than is told. Nor is a price that the
program makes up for a model that it does not know: then no cost is told (seen of 2.1.329: ``costBasis``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from gitfleet.agents.events import Used
from gitfleet.agents.lines import amount, count, counts, mapping
from gitfleet.model.usage import Tokens, added

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REST = "rest"
"""The turn of what belongs to no answer of the agent itself."""

_USAGE = {
    "input": "input_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
    "output": "output_tokens",
}
_MODEL_USAGE = {
    "input": "inputTokens",
    "cache_read": "cacheReadInputTokens",
    "cache_write": "cacheCreationInputTokens",
    "output": "outputTokens",
}


@dataclass(slots=True)
class Counting:
    """Counts one attempt; ``resumed`` says that it goes on with a session of the program."""

    resumed: bool = False
    _answers: dict[str, Tokens] = field(default_factory=dict)
    _helpers: dict[str, Tokens] = field(default_factory=dict)
    _helped: Tokens = field(default_factory=Tokens)
    _everything: Tokens = field(default_factory=Tokens)
    _end: Mapping[str, Any] = field(default_factory=dict)
    _begun: tuple[str, str, Mapping[str, Any]] = ("", "", {})
    _guessed: bool = False
    _unpriced: bool = False

    def streamed(self, event: Mapping[str, Any]) -> Iterator[Used]:
        """Take in an event of the raw stream of one of the agent's own answers."""
        match event:
            case {"type": "message_start", "message": {"id": str() as turn, **message}}:
                self._begun = turn, str(message.get("model") or ""), mapping(message.get("usage"))
            # One that is broken off ends without a reason.
            case {"type": "message_delta", "delta": {"stop_reason": str()}, "usage": dict() as usage} if self._begun[0]:
                turn, model, begun = self._begun
                # Gateways leave out of the end what the beginning said already.
                told = {name: value for name, value in usage.items() if value}
                yield self._answer(turn, {**begun, **told}, model)
            case {"type": "message_stop"} if self._begun[0] not in self._answers:
                self._guessed = True
            case _:
                pass

    def whole(self, message: Mapping[str, Any]) -> Iterator[Used]:
        """Take in an answer that did not come as a stream."""
        turn, usage = message.get("id"), message.get("usage")
        if isinstance(turn, str) and isinstance(usage, dict) and message.get("stop_reason"):
            yield self._answer(turn, usage, str(message.get("model") or ""))

    def helped(self, message: Mapping[str, Any]) -> Iterator[Used]:
        """Take in what is told of a sub-agent's answer: more will have been used than that."""
        turn, usage = message.get("id"), message.get("usage")
        if isinstance(turn, str) and isinstance(usage, dict):
            # Every piece of an answer tells all of it again.
            now, before = _tokens(usage, _USAGE), self._helpers.get(turn, Tokens())
            self._helpers[turn] = now
            self._helped = self._helped.plus(now).beyond(before)
            yield self._in_part()

    def ended(self, result: Mapping[str, Any]) -> Iterator[Used]:
        """Take in an end event, after which everything is told."""
        if result == self._end:
            return  # the same once more
        self._end = result
        models, in_session = result.get("model_usage_since_last_result"), result.get("modelUsage")
        before = self._everything
        if models is None and (not self.resumed or in_session == {}):
            models, before = in_session, Tokens()
        sound = isinstance(models, dict) and all(_sound(mapping(one), _MODEL_USAGE) for one in models.values())
        # Told to stop while its model answered, it may have had all of the answer but for its figures.
        broken_off = result.get("terminal_reason") == "aborted_streaming"
        if not isinstance(models, dict) or not sound or self._guessed or broken_off:
            yield self._in_part()
            return
        self._unpriced |= any(mapping(one).get("costBasis") == "unknown" for one in models.values())
        self._everything = added([before, *(_tokens(mapping(one), _MODEL_USAGE) for one in models.values())])
        rest = self._everything.beyond(added(self._answers.values()))
        if self._unpriced:
            rest = msgspec.structs.replace(rest, cost_usd=None)
        if rest.total or rest.cost_usd:
            yield Used(REST, rest, next(iter(models)) if len(models) == 1 else "", helper=True)

    def _in_part(self) -> Used:
        return Used(REST, self._helped, helper=True, exact=False)

    def _answer(self, turn: str, usage: Mapping[str, Any], model: str) -> Used:
        self._answers[turn] = _tokens(usage, _USAGE)
        return Used(turn, self._answers[turn], model, exact=_sound(usage, _USAGE))


def _sound(usage: Mapping[str, Any], names: Mapping[str, str]) -> bool:
    return counts(usage, names.values()) and counts(usage, ("thinkingTokens",))


def _tokens(usage: Mapping[str, Any], names: Mapping[str, str]) -> Tokens:
    details = mapping(usage.get("output_tokens_details"))
    return Tokens(
        **{ours: count(usage.get(theirs)) or 0 for ours, theirs in names.items()},
        reasoning=count(usage.get("thinkingTokens", details.get("thinking_tokens"))),
        cost_usd=amount(usage.get("costUSD")),
    )

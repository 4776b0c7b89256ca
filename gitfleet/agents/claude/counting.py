"""How the program's figures become rows that add up to what was used, to the token.

What was seen: an ``assistant`` event is told before its answer is over, so its output is a part; the whole is in the
``message_delta`` of the raw stream, which the program passes on for its own answers and not for those of sub-agents;
calls that it makes for itself it does not tell at all. The end event has ``usage``, which leaves those out, and
``modelUsage``, which has everything, but from the beginning of the session of the program, earlier attempts included.
So each answer is a row, and one more row, ``rest``, is what the end event says beyond them: helpers, and the cost.

The program keeps those sums when it is asked to end, and not when it is killed: then ``modelUsage`` begins anew, and
has less than was used before. Where no helper is seen the answers alone are exact then; else what helpers used is known
in part, and the row says so. The cost is not known at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitfleet.agents.events import Used
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
_COUNTS = (*_USAGE, "reasoning")


@dataclass(slots=True)
class Counting:
    """Counts one attempt; ``before`` is what the session of the program had used when the attempt resumed it."""

    before: Tokens | None = None
    _answers: dict[str, Tokens] = field(default_factory=dict)
    _helpers: dict[str, Tokens] = field(default_factory=dict)
    _begun: tuple[str, str, Mapping[str, Any]] = ("", "", {})

    def streamed(self, event: Mapping[str, Any]) -> Iterator[Used]:
        """Take in an event of the raw stream of one of the agent's own answers."""
        match event:
            case {"type": "message_start", "message": {"id": str() as turn, **message}}:
                self._begun = turn, str(message.get("model") or ""), _mapping(message.get("usage"))
            case {"type": "message_delta", "usage": dict() as usage} if self._begun[0]:
                turn, model, begun = self._begun
                # Gateways leave out of the end what the beginning said already.
                told = {name: value for name, value in usage.items() if value}
                yield self._answer(turn, {**begun, **told}, model)
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
            self._helpers[turn] = _tokens(usage, _USAGE)
            yield Used(REST, _sum(self._helpers.values()), helper=True, exact=False)

    def ended(self, result: Mapping[str, Any]) -> Iterator[Used]:
        """Take in the end event, after which everything is told."""
        models = _mapping(result.get("modelUsage"))
        everything = _sum(_tokens(_mapping(usage), _MODEL_USAGE) for usage in models.values())
        cost = result.get("total_cost_usd")
        cost = float(cost) if isinstance(cost, int | float) and cost >= 0 else None
        over = _over(everything, _sum(self._answers.values()), self.before or Tokens())
        helped = _sum(self._helpers.values())
        if all(over[name] >= getattr(helped, name) for name in _USAGE):
            earlier = (self.before and self.before.cost_usd) or 0.0
            rest, exact = _rest(over, everything, None if cost is None else max(0.0, cost - earlier)), True
        else:
            rest, exact = helped, not self._helpers
        if rest.total or rest.cost_usd:
            model = next(iter(models)) if len(models) == 1 else ""
            yield Used(REST, rest, model, helper=True, exact=exact)

    def _answer(self, turn: str, usage: Mapping[str, Any], model: str) -> Used:
        self._answers[turn] = _tokens(usage, _USAGE)
        return Used(turn, self._answers[turn], model)


def _tokens(usage: Mapping[str, Any], names: Mapping[str, str]) -> Tokens:
    details = _mapping(usage.get("output_tokens_details"))
    reasoning = usage.get("thinkingTokens", details.get("thinking_tokens"))
    return Tokens(
        **{ours: _count(usage.get(theirs)) or 0 for ours, theirs in names.items()}, reasoning=_count(reasoning)
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sum(parts: Iterable[Tokens]) -> Tokens:
    total = Tokens()
    for tokens in parts:
        total = total.plus(tokens)
    return total


def _over(everything: Tokens, answers: Tokens, before: Tokens) -> dict[str, int]:
    """What is left of everything once the others are taken off, which may be less than nothing."""
    parts = [{name: getattr(tokens, name) or 0 for name in _COUNTS} for tokens in (everything, answers, before)]
    return {name: parts[0][name] - parts[1][name] - parts[2][name] for name in _COUNTS}


def _rest(over: Mapping[str, int], everything: Tokens, cost: float | None) -> Tokens:
    counts = {name: over[name] for name in _USAGE}
    reasoning = None if everything.reasoning is None else max(0, over["reasoning"])
    return Tokens(**counts, reasoning=reasoning, cost_usd=cost)

"""What the end of ``claude`` means: its end event against its exit code, in gitfleet's own codes.

The exit code alone lies: 0 after an interrupt and after a denied permission, 1 with ``success`` in the end event after
an error of the API. So the end event decides where there is one, and without one there is no success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitfleet.agents.command import judge
from gitfleet.agents.events import Ended
from gitfleet.agents.failing import failure, without_end
from gitfleet.model.run import FailureSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.evidence import Exit
    from gitfleet.model.run import Failure

_REFUSALS = {
    "authentication_failed": "auth",
    "oauth_org_not_allowed": "auth",
    "billing_error": "usage-limit",
    "rate_limit": "rate-limited",
    "max_output_tokens": "context-overflow",
}
_API_ERRORS = {"usage_limit_reached": "usage-limit", "connection_failed": "network"}
_SERVER_ERROR = 500
_OVERFLOWS = {"prompt_too_long", "image_error", "blocking_limit", "rapid_refill_breaker"}
_SUBTYPES = {"error_max_turns": "max-turns", "error_max_budget_usd": "budget"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that the program tells instead of an answer: its own words for it, and the HTTP status where one is."""

    error: str
    api_error: str
    status: object
    text: str

    @property
    def code(self) -> str:
        """The failure code."""
        code = _API_ERRORS.get(self.api_error) or _REFUSALS.get(self.error)
        if code is None and self.error == "unknown" and self.status is None:
            # What came was no answer of the API: a proxy's page, say.
            return "network"
        return code or "model-error"

    @property
    def source(self) -> FailureSource | None:
        """Who is to blame, where it is not who is by the code: a request that is wrong stays wrong."""
        wrong = isinstance(self.status, int) and self.status < _SERVER_ERROR
        return FailureSource.TASK if wrong and self.code == "model-error" else None


def end_of(result: Mapping[str, Any], refusal: Refusal | None) -> Ended:
    """Read the end event; ``refusal`` is the last error that was told instead of an answer."""
    subtype, why = str(result.get("subtype") or ""), str(result.get("terminal_reason") or "")
    errors = result.get("errors")
    said = result.get("result") or "; ".join(map(str, errors if isinstance(errors, list) else ()))
    message = said if isinstance(said, str) else ""
    if subtype == "success" and not result.get("is_error"):
        return Ended(totals=True)
    if why in _OVERFLOWS:
        return Ended("context-overflow", message, totals=True)
    if why.startswith("aborted"):
        return Ended("interrupted", totals=True)
    if subtype in _SUBTYPES:
        return Ended(_SUBTYPES[subtype], message, totals=True)
    if refusal is not None:
        return Ended(refusal.code, message or refusal.text, refusal.source, totals=True)
    # It could not begin: there is no such session to resume, say.
    code = "model-error" if why else "no-end-event"
    return Ended(code, message or why or subtype, totals=True)


def outcome(who: str, ended: Exit, told: Transcript | None) -> Failure | None:
    """Read what an end says against success; ``who`` begins the sentence."""
    if ended.reason != "exited":
        return judge(ended, who)
    if told is None or told.ended is None:
        return without_end(who, ended, told)
    if told.ended.code:
        return failure(who, told.ended.code, told.ended.message, told.ended.source)
    if told.denied:
        denied = told.denied[-1]
        return failure(who, "permission-denied", f"{denied.tool} {denied.argument}".strip())
    return judge(ended, who)

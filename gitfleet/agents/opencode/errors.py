"""What the errors of ``opencode`` mean in gitfleet's own codes: by their name and HTTP status, else by their words.

A retry is told in words alone, so what it waits for is found in them: that it is a limit, and which.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from gitfleet.agents.lines import count, leading, mapping, moment
from gitfleet.planner.retries import LIMITED

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNAUTHORIZED, _PAYMENT, _FORBIDDEN, _TOO_LARGE, _TOO_MANY, _SERVER = 401, 402, 403, 413, 429, 500
_NAMES = {
    "ProviderAuthError": "auth",
    "ContextOverflowError": "context-overflow",
    "MessageOutputLengthError": "context-overflow",
    "MessageAbortedError": "interrupted",
}
_STATUS = {
    _UNAUTHORIZED: "auth",
    _FORBIDDEN: "auth",
    _PAYMENT: "usage-limit",
    _TOO_LARGE: "context-overflow",
    _TOO_MANY: "rate-limited",
}
_USED_UP = re.compile(
    r"usage.?limit|quota|insufficient.{0,20}(?:credit|balance|fund)|credit balance|billing|free usage|"
    r"(?:daily|weekly|monthly) limit",
    re.IGNORECASE,
)
_TOO_OFTEN = re.compile(r"\b429\b|rate.?(?:limit|increased)|too.?many.?requests", re.IGNORECASE)
_KEY = re.compile(r"api.?key|unauthori[sz]ed|authenticat|credentials? (?:is|are|not)", re.IGNORECASE)
_NETWORK = re.compile(
    r"cannot connect|connection|connect(?:ion)? (?:refused|reset)|socket|fetch failed|network|getaddrinfo|"
    r"e(?:notfound|connrefused|connreset|timedout|ai_again)|timed? ?out|terminated|unable to connect",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """A failure code, what was said, when a limit ends in POSIX seconds, and whether the request itself is wrong."""

    code: str
    message: str
    resets: float | None = None
    wrong: bool = False


def limit_of(message: str) -> str:
    """The code of the limit that a message speaks of; empty when it speaks of none."""
    if _USED_UP.search(message):
        return "usage-limit"
    return "rate-limited" if _TOO_OFTEN.search(message) else ""


def meaning(error: Mapping[str, Any], now: float) -> Meaning:
    """What an error means that was told at ``now``."""
    name, data = str(error.get("name") or ""), mapping(error.get("data"))
    message = str(data.get("message") or name)
    body, status = str(data.get("responseBody") or ""), count(data.get("statusCode"))
    code = _NAMES.get(name) or _STATUS.get(status or 0, "")
    if code == "rate-limited" and _USED_UP.search(f"{message} {body}"):
        code = "usage-limit"
    if code:
        return Meaning(code, message, _resets(data, body, now) if code in LIMITED else None)
    if status is not None:
        return Meaning("model-error", message, wrong=status < _SERVER)
    if limit := limit_of(message):
        return Meaning(limit, message, _resets(data, body, now))
    if _KEY.search(message):
        return Meaning("auth", message)
    return Meaning("network" if _NETWORK.search(message) else "model-error", message)


def _resets(data: Mapping[str, Any], body: str, now: float) -> float | None:
    headers = {str(name).lower(): str(value) for name, value in mapping(data.get("responseHeaders")).items()}
    said, _ = leading(body)
    with suppress(ValueError, TypeError, OverflowError):
        return moment(float(mapping((said or {}).get("error")).get("resets_at", "")))
    with suppress(KeyError, ValueError):
        return moment(now + float(headers["retry-after-ms"]) / 1000)
    with suppress(KeyError, ValueError):
        return moment(now + float(headers["retry-after"]))
    with suppress(KeyError, ValueError, TypeError, OverflowError):
        return moment(parsedate_to_datetime(headers["retry-after"]).timestamp())
    return None

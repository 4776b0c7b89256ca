"""What Codex's errors stand for. It tells them as text for people, and the status of the answer in its trace.

The words are those of codex 0.169. An error that none of them fits counts as the model's.
"""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gitfleet.agents.command import SHELL_SIGNAL, judge
from gitfleet.agents.failing import MEANINGS
from gitfleet.agents.lines import leading, mapping, text_of
from gitfleet.model.run import Failure, FailureSource

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.evidence import Exit

SANDBOX = "sandbox"
"""What a person approves when Codex is to work without its sandbox."""
UNFENCED = "every command, and every edit anywhere, without Codex's sandbox"
"""What it may do then."""

USAGE_LIMIT, RATE_LIMITED, OVERFLOW, AUTH = "usage-limit", "rate-limited", "context-overflow", "auth"
STALLED, NETWORK, MODEL_ERROR, NO_END = "stalled", "network", "model-error", "no-end-event"
BUDGET, INTERRUPTED = "budget", "interrupted"

_WORDS = (
    (
        USAGE_LIMIT,
        re.compile(
            r"hit your usage limit|usage limit has been reached|quota exceeded|exceeded your current quota"
            r"|with your ChatGPT plan, upgrade|out of credits|spend(ing)? (cap|limit)",
            re.IGNORECASE,
        ),
    ),
    (OVERFLOW, re.compile(r"context window|context_length_exceeded|reason: max_output_tokens", re.IGNORECASE)),
    (MODEL_ERROR, re.compile(r"reason: content_filter")),
    (BUDGET, re.compile(r"budget reached")),
    (INTERRUPTED, re.compile(r"interrupted \(Ctrl-C\)|turn aborted")),
    (RATE_LIMITED, re.compile(r"\b429\b|rate limit|too many requests", re.IGNORECASE)),
    (
        AUTH,
        re.compile(
            r"unexpected status 40[13]\b|could not be refreshed|not logged in|log (in|out) .{0,80}again|sign in again"
            r"|missing environment variable|incorrect api key",
            re.IGNORECASE,
        ),
    ),
    (STALLED, re.compile(r"idle timeout", re.IGNORECASE)),
    (
        NETWORK,
        re.compile(
            r"stream disconnected|stream closed|connection failed|error sending request|network|timed out",
            re.IGNORECASE,
        ),
    ),
)
_STATUSES = {401: AUTH, 403: AUTH, 429: RATE_LIMITED}

_URL = re.compile(r", url: \S+")
_KEY = re.compile(r"\b(sk|key|eyJ)[-_][\w*-]{6,}|\beyJ[\w.-]{16,}")
_LONGEST = 300

_AT = re.compile(
    r"try again at (?:(?P<date>\w{3} \d{1,2})(?:st|nd|rd|th), (?P<year>\d{4}) )?(?P<time>\d{1,2}:\d\d [AP]M)"
)
_MINUTE = timedelta(minutes=1)


def code_of(message: str, status: int | None = None) -> str:
    """The code of an error by its text, or else by the status of the answer before it."""
    for code, words in _WORDS:
        if words.search(message):
            return code
    return _STATUSES.get(status or 0, MODEL_ERROR)


def source_of(code: str) -> FailureSource:
    """Who is to blame for a failure that Codex tells of."""
    return MEANINGS[code][0] if code in MEANINGS else FailureSource.TRANSPORT


def sentence(message: str) -> str:
    """An error's text as it may be shown: the message of a document in it, without addresses and keys, bounded."""
    found, _ = leading(message)
    said = text_of(mapping((found or {}).get("error")), "message") or message
    text = " ".join(_KEY.sub("[secret]", _URL.sub("", said)).split())
    return (text[:_LONGEST] + "…" if len(text) > _LONGEST else text).rstrip(".")


def reset_of(message: str, now: datetime) -> float | None:
    """When a limit ends that was told of at ``now``, in POSIX seconds.

    Codex tells the minute in which it ends, in UTC as it is run here, and the day where that is another one: the end of
    that minute is waited for.
    """
    found = _AT.search(message)
    if found is None:
        return None
    try:
        time = datetime.strptime(found["time"], "%I:%M %p").time()  # noqa: DTZ007 - its zone and day follow
        day = (
            datetime.strptime(f"{found['date']} {found['year']}", "%b %d %Y").date()  # noqa: DTZ007
            if found["date"]
            else now.astimezone(UTC).date()
        )
        at = datetime.combine(day, time, UTC) + _MINUTE
        if not found["date"] and at < now:
            at += timedelta(days=1)
    except (ValueError, OverflowError):  # no such time, or none that a calendar has
        return None
    return at.timestamp()


def outcome(ended: Exit, told: Transcript | None, who: str) -> Failure | None:
    """Read what an end says against success; ``who`` begins the sentence."""
    plain = judge(ended, who)
    if ended.reason != "exited" or told is None or (plain and plain.code == "killed"):
        return plain
    if told.ended is None:
        return _without_end(ended, told, plain, who)
    if told.ended.code:
        source = told.ended.source or source_of(told.ended.code)
        return Failure(source=source, code=told.ended.code, message=f"{who} gave up: {told.ended.message}.")
    if plain is None and told.denied:
        what = told.denied[-1]
        return Failure(
            source=FailureSource.NEEDS_PERSON,
            code="permission-denied",
            message=f"{who} may not work without its sandbox, which this system cannot make: {what.argument}.",
        )
    return plain


def _without_end(ended: Exit, told: Transcript, plain: Failure | None, who: str) -> Failure:
    if told.trouble is not None:
        code = told.trouble.code
        return Failure(source=source_of(code), code=code, message=f"{who} gave up: {told.trouble.message}.")
    # Interrupted, Codex ends with 1 and without a word; its own errors come with one.
    by_signal = signal.SIGINT in {ended.signal, (ended.code or 0) - SHELL_SIGNAL}
    if by_signal or (ended.code == 1 and told.cli_session):
        return Failure(source=FailureSource.NEEDS_PERSON, code="interrupted", message=f"{who} was interrupted.")
    how = plain.message if plain else f"{who} ended."
    message = f"{how} It told of no end of its work."
    return Failure(source=FailureSource.TRANSPORT, code=NO_END, message=message)

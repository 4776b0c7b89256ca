"""Failures of agents that run a model: who is to blame for each code, and the sentence that tells of it."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from gitfleet.agents.command import judge, signal_of
from gitfleet.model.run import Failure, FailureSource

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.evidence import Exit

_TRANSPORT, _TASK, _PERSON = FailureSource.TRANSPORT, FailureSource.TASK, FailureSource.NEEDS_PERSON

MEANINGS = {
    "rate-limited": (_TRANSPORT, "was refused for now, by a limit on requests"),
    "usage-limit": (_TRANSPORT, "has used up what its account allows"),
    "auth": (_TRANSPORT, "was refused by its account"),
    "network": (_TRANSPORT, "lost its model"),
    "model-error": (_TRANSPORT, "got an error from its model"),
    "no-end-event": (_TRANSPORT, "ended without saying how"),
    "killed": (_TRANSPORT, "was ended from outside"),
    "context-overflow": (_TASK, "filled the whole context of its model"),
    "max-turns": (_TASK, "took all the turns that it may take"),
    "budget": (_TASK, "used up its budget"),
    "permission-denied": (_PERSON, "was not allowed to do what it wanted"),
    "interrupted": (_PERSON, "was interrupted"),
}
"""Who is to blame for each code, and the sentence that begins with the agent's name."""

_LONGEST = 400
_KEY = re.compile(r"\b(?:sk|key|pk|gsk|xai)-[\w-]{8,}|\bBearer\s+\S+", re.IGNORECASE)
"""What keys of vendors look like where an error repeats one."""


def failure(who: str, code: str, detail: str = "", source: FailureSource | None = None) -> Failure:
    """Tell of a failure on one line, without keys; ``who`` begins the sentence.

    ``source`` is who is to blame, where that is not who is by the code.
    """
    blame, clause = MEANINGS[code]
    detail = _KEY.sub("…", " ".join(detail.split()))
    if len(detail) > _LONGEST:
        detail = f"{detail[:_LONGEST]}…"
    told = f"{who} {clause}: {detail}" if detail else f"{who} {clause}"
    return Failure(source=source or blame, code=code, message=told if told.endswith(".") else f"{told}.")


def without_end(who: str, ended: Exit, told: Transcript | None) -> Failure | None:
    """Tell of a program that did not tell of its own end: by the signal that ended it, else by its last error."""
    by = signal_of(ended)
    trouble = told.trouble if told is not None else None
    if by == signal.SIGKILL:
        return judge(ended, who)
    if by == signal.SIGINT or (trouble is not None and trouble.code == "interrupted"):
        return failure(who, "interrupted")
    if by in {signal.SIGTERM, signal.SIGHUP}:
        return failure(who, "killed", f"by {signal.Signals(by).name}")
    if trouble is not None:
        return failure(who, trouble.code, trouble.message)
    detail = f"exit code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
    return failure(who, "no-end-event", detail)

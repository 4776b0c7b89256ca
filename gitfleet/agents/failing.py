"""Failures of agents that run a model: who is to blame for each code, and the sentence that tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.run import Failure, FailureSource

if TYPE_CHECKING:
    import re

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


def failure(
    who: str, code: str, detail: str, source: FailureSource | None, *, secret: re.Pattern[str], mask: str
) -> Failure:
    """Tell of a failure on one line; what ``secret`` finds in ``detail`` becomes ``mask``.

    ``source`` is who is to blame, where that is not who is by the code.
    """
    blame, clause = MEANINGS[code]
    detail = secret.sub(mask, " ".join(detail.split()))
    if len(detail) > _LONGEST:
        detail = f"{detail[:_LONGEST]}…"
    told = f"{who} {clause}: {detail}" if detail else f"{who} {clause}"
    return Failure(source=source or blame, code=code, message=told if told.endswith(".") else f"{told}.")

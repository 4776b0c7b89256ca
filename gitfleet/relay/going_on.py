"""What an agent is told that goes on with its own session: what is new, and nothing else.

It knows its task, its scope and how to hand off: that was said when its session began. Where a program does not know
the session any more it gets the whole prompt, in a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.relay.text import code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.model.evidence import Attempt
    from gitfleet.model.parking import Permission

_STOPPED = "You were stopped before you came to an end, and are started again."
_WHY = {
    "permission-denied": "A person looked at what you were not allowed to do.",
    "rate-limited": "Your account had met a limit, which is over.",
    "usage-limit": "Your account had met a limit, which is over.",
    "network": "The connection to your model had broken, and is there again.",
    "model-error": "Your model had failed to answer, and is asked again.",
    "no-end-event": "You ended without a word on whether you were done.",
}


_REST = (
    "Your worktree is as you left it; what was not committed may have been committed for you. What you are asked to "
    "do, what you may write and how you hand off have not changed. Go on where you stopped, to the end."
)
_HANDOFF = "The environment variable `GITFLEET_HANDOFF` names another file now: write your whole report there."


def go_on(before: Attempt, granted: Sequence[Permission]) -> bytes:
    """The prompt of an attempt that goes on where ``before`` stopped; ``granted`` is all that people permitted."""
    lines = ["# Go on", "", _WHY.get(before.outcome, _STOPPED)]
    if granted:
        lines += ["", "You may do this now:", "", *(f"- {code(one.words, 2000)}" for one in granted)]
    lines += ["", _REST, "", _HANDOFF]
    return "\n".join(lines).encode() + b"\n"

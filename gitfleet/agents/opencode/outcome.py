"""What the end of ``opencode`` means: what its stream tells of the end, against how its process ended.

The exit code says little: a permission that was refused ends with 0. Success is a last step with the reason ``stop``
and exit code 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.agents.command import judge, signal_of
from gitfleet.agents.failing import failure, without_end

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.evidence import Exit
    from gitfleet.model.run import Failure


def outcome(who: str, ended: Exit, told: Transcript | None) -> Failure | None:
    """Read what an end says against success; ``who`` begins the sentence."""
    if ended.reason != "exited":
        return judge(ended, who)
    if told is None or told.ended is None or signal_of(ended) > 0:
        return without_end(who, ended, told)
    if told.denied and told.ended.code in {"", "no-end-event"}:
        denied = told.denied[-1]
        return failure(who, "permission-denied", f"{denied.tool} {denied.argument}".strip())
    if told.ended.code:
        return failure(who, told.ended.code, told.ended.message, told.ended.source)
    return judge(ended, who)

"""What the end of ``opencode`` means: what its stream tells of the end, against how its process ended.

The exit code says little: a permission that was refused ends with 0. Success is a last step with the reason ``stop``
and exit code 0.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from gitfleet.agents.command import SHELL_SIGNAL, judge
from gitfleet.agents.failing import failure

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.evidence import Exit
    from gitfleet.model.run import Failure, FailureSource

_SECRET = re.compile(r"\b(?:sk|key|pk|gsk|xai)-[\w-]{8,}|\bBearer\s+\S+", re.IGNORECASE)


def outcome(who: str, ended: Exit, told: Transcript | None) -> Failure | None:
    """Read what an end says against success; ``who`` begins the sentence."""
    if ended.reason != "exited":
        return judge(ended, who)
    by = ended.signal or (ended.code or 0) - SHELL_SIGNAL
    if told is None or told.ended is None or by > 0:
        return _without_end(who, ended, by, told)
    if told.denied and told.ended.code in {"", "no-end-event"}:
        denied = told.denied[-1]
        return _failure(who, "permission-denied", f"{denied.tool} {denied.argument}".strip())
    if told.ended.code:
        return _failure(who, told.ended.code, told.ended.message, told.ended.source)
    return judge(ended, who)


def _without_end(who: str, ended: Exit, by: int, told: Transcript | None) -> Failure | None:
    if by == signal.SIGKILL:
        return judge(ended, who)
    if by == signal.SIGINT:
        return _failure(who, "interrupted")
    if by in {signal.SIGTERM, signal.SIGHUP}:
        return _failure(who, "killed", f"by {signal.Signals(by).name}")
    if told is not None and told.trouble is not None:
        return _failure(who, told.trouble.code, told.trouble.message)
    detail = f"exit code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
    return _failure(who, "no-end-event", detail)


def _failure(who: str, code: str, detail: str = "", source: FailureSource | None = None) -> Failure:
    return failure(who, code, detail, source, secret=_SECRET, mask="…")

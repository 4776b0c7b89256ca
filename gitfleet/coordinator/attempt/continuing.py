"""Attempts that go on where the one before stopped: in the same session of the agent's program, tree and branch.

Whether that can be is found out when the attempt is dispatched, from the record of the one before. What is
found out later, that the tree is not as it was left or that the program does not know its session, is an attempt that
could not go on; the next one starts clean, and what there was is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.refs import HEADS
from gitfleet.model.run import Failure, FailureSource
from gitfleet.planner.retries import AUTH, DENIED, LIMITED, NOT_RESUMED

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.accounts import Chosen
    from gitfleet.model.evidence import Attempt, Exit
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

_SAYS_WHY = LIMITED | {AUTH, DENIED, "network", "model-error", "interrupted", "context-overflow", "budget"}


def session_to_go_on(parts: Parts, run: Run, *, slot: str, chosen: Chosen) -> str:
    """The session of the agent's program that the next attempt of a run goes on with; empty for a clean start.

    ``slot`` and ``chosen`` are what that attempt works with: a session is known to its own agent and account alone, and
    what it speaks of lies in its own tree.
    """
    if not run.going_on or not run.attempts:
        return ""
    last = run.attempts[-1]
    if (last.worktree, last.agent, last.account) != (slot, chosen.agent, chosen.account):
        return ""
    if last.exit is not None and last.exit.remaining:
        return ""
    if not run.branch or parts.refs.read(HEADS + run.branch) is None:
        return ""
    return last.cli_session or last.continues


def not_resumed(attempt: Attempt, ended: Failure | None, exit_: Exit, told: Transcript | None) -> Failure | None:
    """The failure of an attempt whose program did not go on with its session: it said and did nothing at all."""
    if not attempt.continues or ended is None or told is None or exit_.reason != "exited":
        return None
    if ended.code in _SAYS_WHY or told.turns or told.tool_calls or told.said:
        return None
    return could_not(ended.message)


def could_not(why: str) -> Failure:
    """The failure of an attempt that was to go on and could not."""
    message = f"It could not go on where it stopped, and starts clean: {why.rstrip('.')}."
    return Failure(source=FailureSource.TRANSPORT, code=NOT_RESUMED, message=message)

"""Who is to blame for each code that an agent's own end can have, which is the same for every agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.agents.claude import ClaudeAgent
from gitfleet.agents.codex import CodexAgent
from gitfleet.agents.events import Ended
from gitfleet.agents.failing import MEANINGS
from gitfleet.agents.opencode import OpencodeAgent
from gitfleet.agents.transcript import Transcript
from gitfleet.model.evidence import Exit
from gitfleet.model.run import FailureSource

if TYPE_CHECKING:
    from gitfleet.agents.base import Agent

TRANSPORT, TASK, PERSON = FailureSource.TRANSPORT, FailureSource.TASK, FailureSource.NEEDS_PERSON
BLAMED = {
    "rate-limited": TRANSPORT,
    "usage-limit": TRANSPORT,
    "auth": TRANSPORT,
    "network": TRANSPORT,
    "model-error": TRANSPORT,
    "no-end-event": TRANSPORT,
    "killed": TRANSPORT,
    "context-overflow": TASK,
    "max-turns": TASK,
    "budget": TASK,
    "permission-denied": PERSON,
    "interrupted": PERSON,
}


@pytest.mark.parametrize("agent", [ClaudeAgent(), CodexAgent(), OpencodeAgent()], ids=lambda agent: str(agent.name))
@pytest.mark.parametrize("code", BLAMED)
def test_who_is_to_blame_is_the_same_for_every_agent(agent: Agent, code: str) -> None:
    failure = agent.outcome(Exit(code=1), Transcript(ended=Ended(code, "This is why")))

    assert failure is not None
    assert (failure.code, failure.source) == (code, BLAMED[code])
    assert failure.message.startswith(f"Agent {agent.name} ")
    assert code == "interrupted" or failure.message.endswith(": This is why.")


def test_no_code_is_left_out() -> None:
    assert set(BLAMED) == set(MEANINGS)


@pytest.mark.parametrize("agent", [ClaudeAgent(), CodexAgent(), OpencodeAgent()], ids=lambda agent: str(agent.name))
@pytest.mark.parametrize(
    ("reason", "code", "source"),
    [
        ("stalled", "stalled", TRANSPORT),
        ("spawn-failed", "spawn-failed", TRANSPORT),
        ("stopped", "stopped", TRANSPORT),
        ("lost", "lost", TRANSPORT),
        ("deadline", "deadline", TASK),
        ("budget", "budget", TASK),
    ],
)
def test_why_it_was_ended_outranks_what_it_said(agent: Agent, reason: str, code: str, source: FailureSource) -> None:
    for told in (None, Transcript(), Transcript(ended=Ended()), Transcript(ended=Ended("auth", "No."))):
        failure = agent.outcome(Exit(reason=reason), told)

        assert failure is not None
        assert (failure.code, failure.source) == (code, source)

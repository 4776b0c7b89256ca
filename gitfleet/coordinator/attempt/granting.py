"""What an attempt may do beyond its profile: what a person granted this run, and what they always grant here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.agents.base import Grant
from gitfleet.store.grants import Grants

if TYPE_CHECKING:
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


def granted(parts: Parts, run: Run, agent: AgentConfig | None) -> tuple[Grant, ...]:
    """The permissions of a run's next attempt, each once."""
    if agent is None:
        return ()
    always = [one.permission for one in Grants.of(parts.layout, parts.caller).all() if one.agent == agent.kind]
    return tuple(Grant(tool=one.tool, argument=one.argument) for one in dict.fromkeys((*run.grants, *always)))

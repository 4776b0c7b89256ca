"""What an attempt may do beyond its profile: what a person granted this run, and what they always grant here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.coordinator.parked import covered
from gitfleet.store.grants import Grants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.parking import Permission
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


def granted(parts: Parts, run: Run, agent: AgentConfig | None) -> tuple[Permission, ...]:
    """The permissions of a run's next attempt, each once."""
    if agent is None:
        return ()
    always = [one.permission for one in Grants.of(parts.layout, parts.caller).all() if one.agent == agent.kind]
    return tuple({one.key: one for one in (*run.grants, *always)}.values())


def granted_since(parts: Parts, run: Run, denied: Sequence[Permission]) -> bool:
    """Whether a person granted for good, while the run's last attempt was under way, all that it was denied."""
    agent = parts.config.agent_named(run.agent)
    always = Grants.of(parts.layout, parts.caller).all() if agent is not None and denied else ()
    return agent is not None and covered(denied, always, kind=str(agent.kind), since=run.attempts[-1].started)

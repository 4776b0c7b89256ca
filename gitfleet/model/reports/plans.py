"""What a session will be, said before anything starts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import Report
from gitfleet.model.session import Reversibility


class PlacedTask(Report, frozen=True, kw_only=True):
    """A task in a wave, with the reason for its place."""

    task: str
    name: str = ""
    agent: str = "command"
    scope: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    command: Annotated[str, Meta(description="What it runs with `sh -c`, for a command task.")] = ""
    tokens: Annotated[int, Meta(description="Token hint that counts against the wave's budget.")] = 0
    reason: Annotated[str, Meta(description="Why the task is in this wave and not an earlier one.")] = ""


class PlacedWave(Report, frozen=True, kw_only=True):
    """Tasks that may run at the same time."""

    number: int
    tasks: Annotated[tuple[PlacedTask, ...], Meta(description="Its tasks, in the order that they start in.")]


class Disclosure(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/plan/v1"):
    """What will happen, said before anything is spawned."""

    plan: str
    direction: str = ""
    agents: Annotated[int, Meta(description="Agents in all.")]
    max_agents: Annotated[int, Meta(description="Agents at the same time.")]
    waves: tuple[PlacedWave, ...]
    rolling: bool = False
    target: Annotated[str, Meta(description="Full ref name that the session lands on.")]
    creates_target: Annotated[bool, Meta(description="Whether the target branch is made by this session.")] = False
    base: Annotated[str, Meta(description="Commit that the target is at.")]
    checks: Annotated[tuple[str, ...], Meta(description="Commands that every candidate must pass, in order.")] = ()
    commands: Annotated[tuple[str, ...], Meta(description="Commands from plan and config that will run.")] = ()
    budget_tokens: Annotated[int, Meta(description="Sum of the token hints of all tasks; not measured.")] = 0
    permissions: Annotated[str, Meta(description="What agents may do on this machine.")] = ""
    retries: Annotated[
        str, Meta(description="How often an attempt may be made again, and which tasks are done once at most.")
    ] = ""
    reversibility: Reversibility
    reversibility_reason: Annotated[str, Meta(description="Why it is graded so, as a clause.")] = ""
    worktrees: Annotated[str, Meta(description="Directory that worktrees are made in.")] = ""
    notes: Annotated[
        tuple[str, ...], Meta(description="Things a person should know, such as a target behind its upstream.")
    ] = ()

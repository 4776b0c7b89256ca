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
    instructions: Annotated[str, Meta(description="What its agent is asked to do.")] = ""
    tokens: Annotated[int, Meta(description="Token hint that counts against the wave's budget.")] = 0
    reason: Annotated[str, Meta(description="Why the task is in this wave and not an earlier one.")] = ""
    minutes: Annotated[
        float | None, Meta(description="Minutes that it is taken to need; none where that is not known.")
    ] = None
    minutes_from: Annotated[
        str, Meta(description="estimate (the plan's), measured (past sessions), usual (its kind), or unknown.")
    ] = "unknown"


class PlacedWave(Report, frozen=True, kw_only=True):
    """Tasks that may run at the same time."""

    number: int
    tasks: Annotated[tuple[PlacedTask, ...], Meta(description="Its tasks, in the order that they start in.")]


class CoupledFiles(Report, frozen=True, kw_only=True):
    """Two files that history changes together: `together` of the `fewer` commits to the one that changed less often."""

    first: Annotated[str, Meta(description="Path of the one file.")]
    second: Annotated[str, Meta(description="Path of the other file.")]
    together: Annotated[int, Meta(description="Commits that changed both.")]
    fewer: Annotated[int, Meta(description="Commits that changed the one that changed less often.")]
    lift: Annotated[float, Meta(description="How many times as often as by chance.")]


class CoupledTasks(Report, frozen=True, kw_only=True):
    """Two tasks that may run at once and whose scopes hold files that history changes together."""

    first: Annotated[str, Meta(description="The one task.")]
    second: Annotated[str, Meta(description="The other task.")]
    together: Annotated[int, Meta(description="Commits that changed something in both scopes.")]
    either: Annotated[int, Meta(description="Commits that changed something in one scope or the other.")]
    files: Annotated[tuple[CoupledFiles, ...], Meta(description="The strongest pairs.")]
    more: Annotated[int, Meta(description="Coupled pairs that are not listed.")] = 0


class HistoryRead(Report, frozen=True, kw_only=True):
    """What of history was looked at."""

    commits: Annotated[int, Meta(description="Commits with one parent that count.")]
    large: Annotated[int, Meta(description="Commits left out because they change very many files.")] = 0
    cut: Annotated[
        str,
        Meta(
            description="Why nothing older was read: commits, seconds or bytes (a limit), missing (the clone lacks "
            "it); empty when all was."
        ),
    ] = ""


class PlanForecast(Report, frozen=True, kw_only=True):
    """What the plan may come to, beside one agent that does all of it; nothing of it is measured on this plan."""

    parallel_minutes: Annotated[
        float | None, Meta(description="Minutes as scheduled; none where a task's are not known.")
    ] = None
    sequence_minutes: Annotated[float | None, Meta(description="Minutes of one agent, task after task.")] = None
    chain: Annotated[tuple[str, ...], Meta(description="The chain of dependencies that takes longest.")] = ()
    chain_minutes: Annotated[float | None, Meta(description="Minutes of that chain.")] = None
    preparing_minutes: Annotated[
        float | None, Meta(description="Minutes to make a worktree ready, measured in past sessions; else none.")
    ] = None
    landing_minutes: Annotated[
        float | None, Meta(description="Minutes of the checks of a landing, measured in past sessions; else none.")
    ] = None
    clash: Annotated[
        str,
        Meta(
            description="Chance that changes do not fit together though no file is shared: very unlikely (to 10 %), "
            "unlikely (to 33 %), about as likely as not (to 66 %), likely, or unknown."
        ),
    ] = "unknown"
    doubts: Annotated[tuple[str, ...], Meta(description="Why several agents are not worth it, as clauses.")] = ()


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
    budgets: Annotated[tuple[str, ...], Meta(description="What agents may use at most, a clause for each budget.")] = ()
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
    coupled: Annotated[
        tuple[CoupledTasks, ...],
        Meta(description="Tasks that may run at once and that history couples, most coupled first; a warning only."),
    ] = ()
    history: Annotated[
        HistoryRead | None, Meta(description="What of history was read; none where no two tasks could be coupled.")
    ] = None
    forecast: Annotated[PlanForecast | None, Meta(description="What the plan may come to.")] = None

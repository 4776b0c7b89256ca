"""One attempt, from a worktree to the evidence of what it did. Runs in worker threads; writes no books.

``prepare`` makes the worktree and the specification, ``execute`` starts the warden and waits for it, ``collect`` reads
what is there at the end. Each returns a value; the coordinator's own thread decides what it means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.agents.base import Assignment
from gitfleet.agents.registry import agent_for
from gitfleet.coordinator.verdicts import Judgement, judge
from gitfleet.errors import GitfleetError
from gitfleet.git import worktrees
from gitfleet.git.command import GitFailed
from gitfleet.integrate import gate
from gitfleet.model.run import CheckResult, Exit, Failure, FailureSource, FileChange, GateReport, RunState
from gitfleet.relay.handoff import read_handoff
from gitfleet.runtime.environment import agent_environment
from gitfleet.runtime.hosts.base import LaunchSpec
from gitfleet.store.files import make_directory, write_durable
from gitfleet.store.locks import hold

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.parts import Parts
    from gitfleet.model.handoff import Handoff, HandoffSource
    from gitfleet.model.plan import Plan, Task
    from gitfleet.model.run import Run
    from gitfleet.planner.scopes import Scope
    from gitfleet.runtime.hosts.base import Handle

WORKTREE_LOCK_SECONDS = 600.0
HANDOFF_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Prepared:
    """A worktree stands and the attempt can start."""

    spec: LaunchSpec
    worktree: Path


@dataclass(frozen=True, slots=True)
class Unprepared:
    """There is no worktree to work in, and why."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Collected:
    """The evidence of one attempt and the judgement on it."""

    tip: str
    exit: Exit
    files: tuple[FileChange, ...]
    handoff: Handoff | None
    source: HandoffSource
    gate: GateReport
    checks: tuple[CheckResult, ...]
    judgement: Judgement
    log_bytes: int | None
    pins: tuple[tuple[str, str], ...]


def worktree_of(parts: Parts, instance: str) -> Path:
    """Where an instance works."""
    return parts.pool / instance


def prepare(parts: Parts, plan: Plan, task: Task, run: Run, prompt: bytes, port_base: int) -> Prepared | Unprepared:
    """Make the worktree on the run's branch and write everything that the attempt needs."""
    number = len(run.attempts)
    directory = parts.layout.attempts(run.instance, number)
    tree = worktree_of(parts, run.instance)
    try:
        make_directory(directory)
        worktrees.set_aside(parts.repository, tree, f"{run.instance}.{number}")
        worktrees.add(
            parts.repository,
            tree,
            run.base,
            branch=run.branch,
            instance=run.instance,
            lock=hold(parts.layout.lock("worktrees"), timeout=WORKTREE_LOCK_SECONDS, what="the worktrees"),
        )
        prompt_file = directory / "prompt.md"
        write_durable(prompt_file, prompt)
        assignment = Assignment(
            task=task,
            session=run.session,
            instance=run.instance,
            wave=run.wave,
            worktree=tree,
            prompt_file=prompt_file,
            handoff_file=directory / "handoff.json",
            port_base=port_base,
        )
        agent = agent_for(task, parts.config)
        launch = agent.launch(assignment)
        spec = LaunchSpec(
            instance=run.instance,
            attempt=number,
            directory=directory,
            argv=launch.argv,
            cwd=tree,
            env=agent_environment(parts.caller, assignment, allow=launch.allow, directory=directory) | launch.env,
            stdin=launch.stdin,
            deadline_seconds=task.timeout_seconds or parts.config.timeouts.of(task.kind),
        )
    except (GitfleetError, GitFailed, OSError) as error:
        message = f"The worktree {tree.name} could not be prepared: {error}"
        return Unprepared(Failure(source=FailureSource.TRANSPORT, code="prepare-failed", message=message))
    return Prepared(spec, tree)


def execute(parts: Parts, spec: LaunchSpec) -> Exit:
    """Start the attempt's warden and wait for its end."""
    handle = parts.host.start(spec)
    return wait(parts, handle)


def wait(parts: Parts, handle: Handle) -> Exit:
    """Wait for an attempt that runs already, ours or adopted."""
    return parts.host.wait(handle)


def collect(parts: Parts, task: Task, run: Run, scope: Scope, exit_: Exit, checks: CheckRunner) -> Collected:
    """Commit what is uncommitted, read the handoff, hold the diff against the scope, run the task's own checks."""
    number = len(run.attempts)
    tree = worktree_of(parts, run.instance)
    git = parts.repository.git.at(tree)
    work = worktrees.commit_work(git, run.branch, run.base, f"gitfleet: uncommitted work of {run.instance}")
    directory = parts.layout.attempts(run.instance, number)
    handle = parts.host.adopt(run.instance, number, directory)
    output = parts.host.log(handle, 0, HANDOFF_BYTES * 4)
    parsed = read_handoff(_read(directory / "handoff.json"), output)
    files = worktrees.numstat(git, run.base, work.tip)
    report = gate.inspect(
        parts.objects,
        base=run.base,
        tip=work.tip,
        target=run.base,
        scope=scope,
        fold=parts.fold,
    )
    ended = agent_for(task, parts.config).outcome(exit_)
    own_checks: tuple[CheckResult, ...] = ()
    if report.passed and ended is None and task.verify and (files or not task.scope):
        own_checks = checks.run_all(task.verify, tree, run.instance)
    judgement = judge(
        ended=ended,
        exit_=exit_,
        handoff=parsed.handoff,
        handoff_problem=parsed.problem,
        files=files,
        gate=report,
        checks=own_checks,
        read_only=not task.scope,
    )
    if work.nested and judgement.state is RunState.GATED:
        names = ", ".join(path.decode("utf-8", "replace") for path in work.nested)
        failure = Failure(
            source=FailureSource.TASK, code="nested-repository", message=f"It left a repository of its own in {names}."
        )
        judgement = Judgement(RunState.FAILED, failure)
    return Collected(
        tip=work.tip,
        exit=exit_,
        files=files,
        handoff=parsed.handoff,
        source=parsed.source,
        gate=report,
        checks=own_checks,
        judgement=judgement,
        log_bytes=len(output),
        pins=(),
    )


def _read(path: Path) -> bytes | None:
    """An agent's handoff file, bounded; none when it wrote none."""
    try:
        with path.open("rb") as stream:
            return stream.read(HANDOFF_BYTES + 1)
    except OSError:
        return None

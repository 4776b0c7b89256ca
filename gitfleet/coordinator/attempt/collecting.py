"""Collecting the evidence of an attempt that ended: commits, handoff, gate, the task's own checks. In worker threads.

It writes no books: what comes of it is a value, and the coordinator's own thread decides what it means.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.registry import agent_for, as_done
from gitfleet.coordinator.attempt.attempts import handle_of, worktree_of
from gitfleet.coordinator.attempt.continuing import not_resumed
from gitfleet.coordinator.attempt.gating import Work, finish_spill, hold_against_scope
from gitfleet.coordinator.attempt.guarding import tampered
from gitfleet.coordinator.attempt.resolving import judge_resolver
from gitfleet.coordinator.attempt.streams import transcript, used_up
from gitfleet.coordinator.attempt.verdicts import Judgement, did_without, judge, with_denial
from gitfleet.coordinator.machine import Refused, refused, refused_by_words
from gitfleet.coordinator.scrubbing import Scrubber
from gitfleet.git import worktrees
from gitfleet.git.changes import file_changes, numstat
from gitfleet.git.collect import Collected, Uncollected, commit_work
from gitfleet.git.command import GitFailed
from gitfleet.integrate.verify import stamped
from gitfleet.model.evidence import CheckResult, Exit, FileChange, GateReport
from gitfleet.model.handoff import HandoffSource
from gitfleet.model.paths import quote_path, unquote_path
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.recovery.keeping import keep_tip, keep_tree
from gitfleet.relay.discoveries import pin
from gitfleet.relay.handoff import read_handoff
from gitfleet.runtime.hosts.base import LogSlice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.git.objects import Objects
    from gitfleet.git.snapshots import Outcome
    from gitfleet.model.handoff import Discoveries, Handoff
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.model.tampering import Tampering
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.runtime.hosts.base import Handle

HANDOFF_BYTES = 1 << 20
OUTPUT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of one attempt and the judgement on it."""

    tip: str
    exit: Exit
    files: tuple[FileChange, ...]
    handoff: Handoff | None
    source: HandoffSource
    gate: GateReport
    checks: tuple[CheckResult, ...]
    judgement: Judgement
    log_bytes: int
    discoveries: Discoveries | None
    extended: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    """What its claim grew by, and the whole claim then; empty where it did not grow."""
    kept: Outcome | None = None
    """What became of the work in its tree, where the attempt failed."""
    tampered: tuple[Tampering, ...] = ()
    told: Transcript | None = None
    """What its agent's program said in a stream of its own; none for one that has none."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """The session was stopped before the run's own checks could say anything; what it left is committed."""


def collect(
    parts: Parts, task: Task, run: Run, scope: Scope, exit_: Exit, checks: CheckRunner, *, target: str
) -> Evidence | Unchecked | Refused:
    """Commit what is uncommitted, read the handoff, hold the diff against the scope, run the task's own checks.

    May be called again for the same attempt: what it finds the second time is what it found the first time.
    """
    try:
        work = _collect(parts, task, run, scope, exit_, checks, target)
    except (GitFailed, OSError) as error:
        # What the agent did to its repository is its own failure, and must not end the session.
        work = refused(parts, error) or _uncollected(exit_, str(error), 0, _to_blame(parts, worktree_of(parts, run)))
    if isinstance(work, Unchecked | Refused):
        return work
    work = _without_secrets(parts, replace(work, tampered=tampered(parts, run)))
    if work.judgement.failure is None:
        return work
    with parts.open_objects() as objects:
        return replace(work, kept=keep_tree(parts, objects, run, work.judgement.failure.code))


def _without_secrets(parts: Parts, work: Evidence) -> Evidence:
    """The evidence without the secrets of accounts: all that is written of the attempt comes from here."""
    clean = Scrubber(parts).clean
    return replace(
        work,
        exit=clean(work.exit),
        handoff=clean(work.handoff),
        checks=clean(work.checks),
        judgement=replace(work.judgement, failure=clean(work.judgement.failure)),
        discoveries=clean(work.discoveries),
        tampered=clean(work.tampered),
    )


def _collect(
    parts: Parts, task: Task, run: Run, scope: Scope, exit_: Exit, checks: CheckRunner, target: str
) -> Evidence | Unchecked | Refused:
    directory = parts.layout.attempt(run.instance, len(run.attempts))
    handle = handle_of(parts, run)
    tree = worktree_of(parts, run)
    output = _output(parts, handle)
    agent = agent_for(as_done(task, run.attempts[-1], parts.config), parts.config)
    told = transcript(parts, handle, agent, run.attempts)
    words = output.data if told is None else told.said.encode()
    parsed = read_handoff(handoff_bytes(directory / "handoff.json"), words)
    with parts.open_objects() as objects:
        ended = used_up(run, agent.name, exit_, told) or agent.outcome(exit_, told)
        ended = not_resumed(run.attempts[-1], ended, exit_, told) or ended
        finish_spill(parts, objects, run, tree)
        # What a resolver left of a merge is held against the conflict.
        work = _commit(parts, objects, run, tree, whole=ended is None and not run.attempts[-1].resolver)
        if isinstance(work, Uncollected):
            if work.unfinished:
                return _uncollected(exit_, work.why, output.next, FailureSource.TASK)
            blame = _to_blame(parts, tree)
            return refused_by_words(parts, work.why) or _uncollected(exit_, work.why, output.next, blame)
        denied = ended if did_without(ended, told, parsed.handoff) else None
        ended = None if denied else ended
        # A target that was deleted meanwhile is the landing's trouble, not this run's.
        known = objects.resolve(target) or run.base
        # Of what a resolver made, all goes on or nothing.
        well = ended is None and parsed.failure is None and not run.attempts[-1].resolver
        left = Work(work.tip, tree, known, well=well)
        gated = hold_against_scope(parts, objects, task, run, scope, left)
        files = file_changes(numstat(parts.repository.git, gated.start, gated.tip))
        discoveries = _discoveries(objects, run, gated.tip, parsed.handoff)
        whole = objects.commit(gated.tip).tree
    own_checks: tuple[CheckResult, ...] = ()
    if gated.report.passed and ended is None and task.verify:
        ran = checks.run_all(task.verify, tree, run.instance, [unquote_path(file.path) for file in files])
        if ran is None:
            return Unchecked()
        own_checks = stamped(ran, whole, gated.tip)
    judgement = judge(
        ended=ended,
        exit_=exit_,
        handoff=parsed.handoff,
        handoff_failure=parsed.failure,
        files=files,
        gate=gated.report,
        checks=own_checks,
        read_only=not task.scope,
        gate_open=gated.open,
    )
    if denied is not None:
        judgement = with_denial(judgement, denied, evidence=bool(files) or not task.scope)
    before = run.conflict_met if run.attempts[-1].resolver else None
    if before is not None and judgement.state is RunState.GATED:
        judgement = judge_resolver(parts, run, before, work)
    if work.nested and judgement.state is RunState.GATED:
        judgement = _nested(work.nested)
    parts.host.clean_up(handle)
    return Evidence(
        tip=gated.tip,
        exit=exit_,
        files=files,
        # What the task came to is still told by the attempt that did it.
        handoff=before.handoff or parsed.handoff if before is not None else parsed.handoff,
        source=parsed.source,
        gate=gated.report,
        checks=own_checks,
        judgement=judgement,
        log_bytes=output.next,
        discoveries=discoveries,
        extended=gated.extended,
        claimed=gated.claimed,
        told=told,
    )


def _output(parts: Parts, handle: Handle) -> LogSlice:
    """What the agent printed, as far as it can be read: evidence, and no reason to leave its work uncommitted."""
    try:
        return parts.host.log(handle, -OUTPUT_BYTES, OUTPUT_BYTES)
    except OSError:
        return LogSlice(0, b"")


def _nested(paths: Sequence[bytes]) -> Judgement:
    names = ", ".join(quote_path(path) for path in paths)
    message = f"It left a repository of its own in {names}; a commit cannot hold its files."
    failure = Failure(source=FailureSource.TASK, code="nested-repository", message=message)
    return Judgement(RunState.FAILED, failure)


def _commit(parts: Parts, objects: Objects, run: Run, tree: Path, *, whole: bool) -> Collected | Uncollected:
    worktree = worktrees.locate(parts.repository, tree)
    if worktree is None:
        return Uncollected(f"git knows no worktree at {tree.name} any more")
    return commit_work(
        objects,
        parts.repository.git,
        worktree,
        f"gitfleet: uncommitted work of {run.instance}\n",
        branch=run.branch,
        keep=lambda tip: keep_tip(parts, objects, run, tip, "it did not follow from its branch"),
        # The commit holds the files; what was staged and then changed again is in no commit but a snapshot's.
        half_staged=lambda: keep_tree(parts, objects, run, "half staged"),
        whole=whole,
    )


def _to_blame(parts: Parts, tree: Path) -> FailureSource:
    """Who is to blame that work cannot be committed: the agent when its tree or its HEAD is gone, else the machine."""
    try:
        worktree = worktrees.locate(parts.repository, tree)
        if worktree is None or not tree.is_dir():
            return FailureSource.TASK
        worktree.git(parts.repository.git).run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except (GitFailed, OSError):
        return FailureSource.TASK
    return FailureSource.TRANSPORT


def _uncollected(exit_: Exit, why: str, log_bytes: int, source: FailureSource) -> Evidence:
    message = f"What it left could not be committed: {why}. Its worktree stays as it is."
    failure = Failure(source=source, code="collect-failed", message=message)
    return Evidence(
        tip="",
        exit=exit_,
        files=(),
        handoff=None,
        source=HandoffSource.NONE,
        gate=GateReport(passed=False),
        checks=(),
        judgement=Judgement(RunState.FAILED, failure),
        log_bytes=log_bytes,
        discoveries=None,
    )


def _discoveries(objects: Objects, run: Run, tip: str, handoff: Handoff | None) -> Discoveries | None:
    if handoff is None or not handoff.discoveries:
        return None
    tree = objects.commit(tip).tree

    def blob(path: bytes) -> str | None:
        entry = objects.entry(tree, path)
        return entry.oid if entry else None

    return pin(msgspec.structs.replace(run, handoff=handoff), blob)


def handoff_bytes(path: Path) -> bytes | None:
    """An agent's handoff file, bounded; none when it wrote none. A pipe or a link to one must not hold us up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)  # before it becomes a stream, which a directory cannot be
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(HANDOFF_BYTES + 1)

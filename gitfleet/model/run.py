"""One task's life in a session: states, the one transition table, and the record that is sealed at its end."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, field

from gitfleet.model.base import Document
from gitfleet.model.conflict import Conflict, Resolution
from gitfleet.model.evidence import Attempt, CheckResult, FileChange, GateReport, Verification
from gitfleet.model.handoff import Handoff, HandoffSource
from gitfleet.model.parking import Parked, Permission
from gitfleet.model.plan import TaskKind
from gitfleet.model.worker import Labels

RUN_SCHEMA = "gitfleet/run/v1"


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    FINISHED = "finished"
    GATED = "gated"
    VERIFIED = "verified"
    LANDED = "landed"
    REJECTED = "rejected"
    CONFLICTED = "conflicted"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    LOST = "lost"
    SKIPPED = "skipped"


_S = RunState
_ENDED = frozenset({_S.REJECTED, _S.FAILED, _S.TIMED_OUT, _S.CANCELLED, _S.LOST})
TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    # It fails there when a person denies what it waits for.
    _S.QUEUED: frozenset({_S.PREPARING, _S.FAILED, _S.CANCELLED, _S.SKIPPED}),
    _S.PREPARING: frozenset({_S.RUNNING, _S.FAILED, _S.CONFLICTED, _S.CANCELLED, _S.LOST, _S.QUEUED}),
    _S.RUNNING: frozenset({_S.FINISHED, _S.FAILED, _S.TIMED_OUT, _S.CANCELLED, _S.LOST, _S.QUEUED}),
    _S.FINISHED: frozenset(
        {_S.GATED, _S.REJECTED, _S.CONFLICTED, _S.FAILED, _S.TIMED_OUT, _S.LOST, _S.CANCELLED, _S.QUEUED}
    ),
    _S.GATED: frozenset({_S.VERIFIED, _S.CONFLICTED, _S.FAILED, _S.CANCELLED, _S.QUEUED}),
    _S.VERIFIED: frozenset({_S.LANDED, _S.GATED, _S.CONFLICTED, _S.FAILED, _S.QUEUED}),
    _S.LANDED: frozenset(),
    # A person resolves it, starts it again or gives it up; nothing of it is over until then.
    _S.CONFLICTED: frozenset({_S.QUEUED, _S.GATED, _S.CANCELLED}),
    **{state: frozenset({_S.QUEUED}) for state in _ENDED},
    _S.SKIPPED: frozenset({_S.QUEUED}),
}

SEALED = frozenset({_S.LANDED, _S.SKIPPED, *_ENDED})
"""States of a run that is over unless a person requeues it."""

LIVE = frozenset(set(RunState) - SEALED - {_S.QUEUED})
"""States of a run that holds a claim; so does a queued one that is parked (``Run.holding``)."""


UNDER_WAY = frozenset({_S.PREPARING, _S.RUNNING, _S.FINISHED})
"""States of a run whose last attempt is not taken in yet."""


class FailureSource(StrEnum):
    """Who is to blame for a failure; only transport failures may be retried blindly."""

    TRANSPORT = "transport"
    TASK = "task"
    VERIFIER = "verifier"
    NEEDS_PERSON = "needs-person"


class Failure(Document, frozen=True, kw_only=True):
    """Why a run did not get further."""

    source: Annotated[FailureSource, Meta(description="Who is to blame.")]
    code: Annotated[str, Meta(description="Stable word, such as no-changes, exit-code, deadline, out-of-scope.")]
    message: Annotated[str, Meta(description="A sentence for people, at most some lines.")]


class MergeRecord(Document, frozen=True, kw_only=True):
    """Where a run entered the target."""

    commit: Annotated[str, Meta(description="The run's two-parent merge commit.")]
    landing: Annotated[int, Meta(description="Number of the landing in its session.", ge=1)]
    target: str


class ReceiptVerdict(StrEnum):
    """The typed verdict on a run."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    SKIP = "skip"
    TIMEOUT = "timeout"


class Receipt(Document, frozen=True, kw_only=True):
    """The typed verdict on a run with its evidence."""

    verdict: ReceiptVerdict
    reason: str
    source: FailureSource | None = None


class ClaimHeld(Document, frozen=True, kw_only=True):
    """The claim that a run held, for the record."""

    scope: tuple[str, ...]
    acquired: str
    released: str = ""


class Run(Document, frozen=True, kw_only=True, tag_field="schema", tag=RUN_SCHEMA):
    """One task's life in a session."""

    session: str
    task: str
    name: str
    instance: Annotated[str, Meta(description="fleet-<session>-w<wave>-a<index>, fixed at first dispatch.")] = ""
    wave: Annotated[int, Meta(description="Wave it is scheduled in, from 1.", ge=1)]
    state: RunState
    agent: Annotated[str, Meta(description="Name of the agent; `command` for an inline command.")] = "command"
    kind: Annotated[TaskKind, Meta(description="Sort of work, as the plan says.")] = TaskKind.BUILD
    objective: str = ""
    scope: tuple[str, ...] = ()
    extended: Annotated[
        tuple[str, ...], Meta(description="Paths outside the scope that its claim grew by, as entries of a scope.")
    ] = ()
    depends_on: tuple[str, ...] = ()
    tags: Annotated[tuple[str, ...], Meta(description="Its tags, as the plan says.")] = ()
    metadata: Annotated[Labels, Meta(description="Facts for people, as the plan says.")] = field(default_factory=dict)
    branch: str = ""
    base: str = ""
    tip: str = ""
    attempts: tuple[Attempt, ...] = ()
    not_before: Annotated[str, Meta(description="Instant before which a queued run is not started again.")] = ""
    backoff_seconds: Annotated[
        float | None, Meta(description="How long that wait was to be; however clocks jump, it is never longer.")
    ] = None
    reduced: Annotated[bool, Meta(description="Whether attempts get the reduced prompt from now on.")] = False
    going_on: Annotated[
        bool, Meta(description="Whether its next attempt goes on where the last one stopped, as far as it can.")
    ] = False
    parked: Annotated[Parked | None, Meta(description="What it waits for a person to permit, while it is queued.")] = (
        None
    )
    grants: Annotated[tuple[Permission, ...], Meta(description="What a person permitted its agent.")] = ()
    claim: ClaimHeld | None = None
    handoff: Handoff | None = None
    handoff_source: HandoffSource = HandoffSource.NONE
    files: tuple[FileChange, ...] = ()
    checks: Annotated[tuple[CheckResult, ...], Meta(description="The task's own checks, in its worktree.")] = ()
    gate: GateReport | None = None
    verification: Verification | None = None
    merge: MergeRecord | None = None
    failure: Failure | None = None
    conflicts: Annotated[
        tuple[Conflict, ...], Meta(description="Paths that conflict with the target, with both sides.")
    ] = ()
    resolving: Annotated[
        bool, Meta(description="Whether its next attempt resolves the conflict of the last one that had one.")
    ] = False
    resolution: Annotated[Resolution | None, Meta(description="What a person does about the conflict.")] = None
    receipt: Receipt | None = None

    @property
    def held(self) -> bool:
        """Whether it is in conflict, and waits for a person."""
        return self.state is RunState.CONFLICTED and bool(self.attempts) and bool(self.attempts[-1].retry)

    @property
    def waiting(self) -> bool:
        """Whether it waits for a person: in conflict, or for a permission."""
        return self.held or (self.parked is not None and not self.parked.approved)

    @property
    def holding(self) -> bool:
        """Whether it holds its claim and its worktree."""
        return self.state in LIVE or self.parked is not None

    @property
    def conflict_met(self) -> Attempt | None:
        """The attempt whose conflict the next one, or a resolver, is about: the last one that met any."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.conflicts), None)

    def is_under_way(self, attempt: Attempt) -> bool:
        """Whether one of its attempts is the last one, and not taken in yet."""
        return self.state in UNDER_WAY and attempt.number == len(self.attempts) and not attempt.outcome

    @property
    def sealed(self) -> bool:
        """Whether the run is over."""
        return self.state in SEALED


class IllegalTransitionError(AssertionError):
    """A run or a session was moved along an edge that its table does not have; a defect in gitfleet."""


def advance(run: Run, state: RunState, **facts: object) -> Run:
    """Move a run to another state and record the facts that go with it; the only function that changes a state.

    Raises ``IllegalTransitionError`` when the table has no such edge.
    """
    if state not in TRANSITIONS[run.state]:
        msg = f"run {run.task}: {run.state} -> {state} is not a transition"
        raise IllegalTransitionError(msg)
    if run.not_before or run.parked or run.going_on:
        # A wait ends with the queue, whichever way the run leaves it.
        facts = {"not_before": "", "backoff_seconds": None, "parked": None, "going_on": False, **facts}
    return msgspec.structs.replace(run, state=state, **facts)


def requeue(run: Run, **facts: object) -> Run:
    """Put a run back into the queue: its attempts stay on record, and nothing else is said of the last one."""
    return advance(
        run,
        RunState.QUEUED,
        **facts,
        tip="",
        extended=(),
        claim=None,
        handoff=None,
        handoff_source=HandoffSource.NONE,
        files=(),
        checks=(),
        gate=None,
        verification=None,
        failure=None,
        conflicts=(),
        resolution=None,
        receipt=None,
    )


def record(run: Run, **facts: object) -> Run:
    """Record facts about a run without moving it; ``state`` is refused, since only ``advance`` changes it."""
    if "state" in facts:
        msg = "state changes go through advance"
        raise IllegalTransitionError(msg)
    return msgspec.structs.replace(run, **facts)

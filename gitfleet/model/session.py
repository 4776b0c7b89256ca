"""A session: states, the one transition table, and what is known of it beyond its runs.

Its front matter lives in ``session.md``, one JSON value a line.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, field

from gitfleet.model.base import Document
from gitfleet.model.budget import BudgetsConfig
from gitfleet.model.evidence import Verdict
from gitfleet.model.run import IllegalTransitionError, Run
from gitfleet.model.worker import Labels

if TYPE_CHECKING:
    from collections.abc import Iterable

SESSION_SCHEMA = "gitfleet/session/v1"


class SessionState(StrEnum):
    """Where a session stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    DRAINING = "draining"
    NEEDS_CONTINUE = "needs-continue"
    COMPLETED = "completed"


_S = SessionState
SESSION_TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    _S.ACTIVE: frozenset({_S.PAUSED, _S.DRAINING, _S.NEEDS_CONTINUE, _S.COMPLETED}),
    # A pause lasts until somebody takes it back: `resume` to active, or to needs-continue where nobody runs it.
    _S.PAUSED: frozenset({_S.ACTIVE, _S.DRAINING, _S.NEEDS_CONTINUE, _S.COMPLETED}),
    # To active by `resume`, and by `continue` after the coordinator that drained was killed.
    _S.DRAINING: frozenset({_S.ACTIVE, _S.PAUSED, _S.NEEDS_CONTINUE, _S.COMPLETED}),
    _S.NEEDS_CONTINUE: frozenset({_S.ACTIVE, _S.PAUSED}),
    _S.COMPLETED: frozenset(),
}

DISPATCHING = frozenset({_S.ACTIVE})
"""States in which a coordinator starts tasks."""


class Reversibility(StrEnum):
    """How hard it is to take a session back."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class TrainCounts(Document, frozen=True, kw_only=True):
    """What the train of one landing did."""

    checked: Annotated[int, Meta(description="Trees that the checks ran on.")] = 0
    ejected: Annotated[tuple[str, ...], Meta(description="Tasks whose runs turned the checks red.")] = ()
    held: Annotated[
        tuple[str, ...], Meta(description="Tasks whose runs wait for one that was ejected or conflicts.")
    ] = ()


class Landing(Document, frozen=True, kw_only=True):
    """One move of the target by this session."""

    number: Annotated[int, Meta(ge=1)]
    commit: Annotated[
        str,
        Meta(description="What the target pointed at afterwards; empty in the record that this commit itself holds."),
    ] = ""
    candidate: Annotated[str, Meta(description="The verified commit below the record commit.")]
    previous: Annotated[str, Meta(description="What the target pointed at before.")]
    verdict: Annotated[
        Verdict, Meta(description="What the checks said of it: verified, no-worse, or unverified when none ran.")
    ]
    cached: Annotated[
        bool, Meta(description="Whether no check ran for it: all had been green on this tree before.")
    ] = False
    tasks: tuple[str, ...]
    at: str = ""
    train: Annotated[TrainCounts, Meta(description="What it took to find out what lands.")] = TrainCounts()


def weakest(verdicts: Iterable[Verdict]) -> Verdict:
    """The one word for several landings: what the least checked of them is called."""
    order = list(Verdict)
    return max(verdicts, key=order.index)


class Session(Document, frozen=True, kw_only=True, tag_field="schema", tag=SESSION_SCHEMA):
    """Front matter of ``session.md``: everything about a session that its runs do not say."""

    id: Annotated[str, Meta(examples=["auth-refactor-k3f9qm"])]
    name: str
    state: SessionState
    direction: str = ""
    target: Annotated[str, Meta(description="Full ref name the session lands on.", examples=["refs/heads/main"])]
    base: Annotated[str, Meta(description="The target's commit when the session started.")]
    started: str
    ended: str = ""
    reason: Annotated[str, Meta(description="Why it waits for a person, when it does.")] = ""
    budgets: Annotated[
        BudgetsConfig, Meta(description="What a person gave with `continue --budget`, in place of the config's.")
    ] = BudgetsConfig()
    labels: Annotated[Labels, Meta(description="Facts about the plan for people, as it says.")] = field(
        default_factory=dict
    )
    waves: Annotated[tuple[tuple[str, ...], ...], Meta(description="Task ids by wave, as scheduled.")] = ()
    rolling: bool = False
    max_agents: int = 3
    reversibility: Reversibility = Reversibility.AMBER
    landings: tuple[Landing, ...] = ()
    clone: str = ""


class PendingLanding(Document, frozen=True, kw_only=True):
    """A landing that was decided and may be under way: written before the target moves, removed after the books say so.

    It holds everything that the session's files will say once the target moved, so that a crash in between is rolled
    forward by writing these runs, and never by landing again.
    """

    number: Annotated[int, Meta(ge=1)]
    target: str
    previous: Annotated[str, Meta(description="The target's commit that the candidate was built on.")]
    commit: Annotated[str, Meta(description="The record commit that the target moves to.")]
    candidate: Annotated[str, Meta(description="The verified commit below it.")]
    verdict: Verdict
    session: Annotated[Session, Meta(description="The session as it is once the landing happened.")]
    runs: Annotated[tuple[Run, ...], Meta(description="Runs that the landing changes, as they are then.")]
    wave_text: Annotated[str, Meta(description="The text of `waves/w<number>.md` that the landing carries.")] = ""


class Verdicts(Document, frozen=True, kw_only=True):
    """Runs that one decision changes together: written first, so that a crash leaves all of them changed or none."""

    runs: Annotated[tuple[Run, ...], Meta(description="The runs as they are once the decision is in the books.")]


def move(session: Session, state: SessionState, **facts: object) -> Session:
    """Move a session to another state and record the facts that go with it; the only function that changes a state.

    Raises ``IllegalTransitionError`` when the table has no such edge.
    """
    if state not in SESSION_TRANSITIONS[session.state]:
        msg = f"session {session.id}: {session.state} -> {state} is not a transition"
        raise IllegalTransitionError(msg)
    return msgspec.structs.replace(session, state=state, **facts)

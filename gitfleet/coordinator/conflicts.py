"""Runs in conflict: done again, given to a resolver, or held for a person, as ``conflict`` says.

A train leaves a run in conflict, durably; what becomes of it is decided here, from the books alone, so that a crash in
between changes nothing. A run that is held keeps claim and worktree, and what depends on it waits; everything else goes
on, and when nothing else is left the session stops for a person. What they did meanwhile is looked at when somebody
continues the session.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.coordinator.attempt.resolving import Resolved, Unresolved, look
from gitfleet.coordinator.closing import Halt
from gitfleet.coordinator.messages import LookedMessage
from gitfleet.coordinator.parked import sentence
from gitfleet.coordinator.sealing import extended_by
from gitfleet.git.refs import short
from gitfleet.model.config import ConflictPolicy
from gitfleet.model.conflict import ConflictKind
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState, record
from gitfleet.planner.retries import Final, Retry
from gitfleet.planner.waiting import held_back
from gitfleet.recovery.runs import queued_again

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.coordinator.settling import Settling
    from gitfleet.coordinator.workers import Workers
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope

_NAMED = 5


@dataclass(slots=True)
class Conflicts:
    """What one session does about its conflicts."""

    parts: Parts
    books: Books
    scopes: Mapping[str, Scope]
    settling: Settling
    checks: CheckRunner
    workers: Workers
    _looking: set[str] = field(default_factory=set)
    _why: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Look, once, at what people did about the conflicts that they were left with."""
        for run in [run for run in self.books.runs.values() if run.held]:
            self._looking.add(run.task)
            self._look_at(run)

    def _look_at(self, run: Run) -> None:
        task, scope, target = self.books.plan.task(run.task), self.scopes[run.task], self.books.session.target
        self.workers.submit(
            lambda: LookedMessage(run.task, look(self.parts, task, run, scope, self.checks, target=target))
        )

    def looked(self, task: str, found: Resolved | Unresolved) -> None:
        """Take in what a person did: the run goes on to the train, or stays held and is told why."""
        self._looking.discard(task)
        run = self.books.runs[task]
        if not run.held:
            return
        match found:
            case Unresolved():
                self._why[task] = found.why
                if found.why:
                    self.books.event(EventKind.CONFLICT, f"{task} waits: {found.why}", run=run, status="held")
            case Resolved():
                resolution = run.resolution and msgspec.structs.replace(run.resolution, commit=found.tip)
                how = "a person resolved its conflict" if found.by_person else "nothing conflicts any more"
                run = self.books.advance(
                    task,
                    RunState.GATED,
                    tip=found.tip,
                    base=found.onto,
                    files=found.files,
                    gate=found.gate,
                    checks=found.checks,
                    **(extended_by(run, found.extended, found.claimed) if found.by_person else {}),
                    conflicts=(),
                    failure=None,
                    resolution=resolution if found.by_person else None,
                )
                self.books.event(EventKind.CONFLICT, f"{task} goes on: {how}", run=run, status="resolved")
            case _:
                assert_never(found)

    def decide(self) -> None:
        """Say of every run that a train left in conflict what becomes of it."""
        for run in [run for run in self.books.runs.values() if run.state is RunState.CONFLICTED]:
            if not run.held and run.attempts and run.failure is not None:
                self._decide(run)

    def _decide(self, run: Run) -> None:
        assert run.failure is not None  # noqa: S101 - the caller looked
        policy = self.parts.config.conflict
        judged, decision = self.settling.retrying.judge(run, run.failure)
        why = decision.why
        if policy is ConflictPolicy.HOLD:
            decision, why = Final(""), "the policy is conflict: hold"
        elif not run.conflicts:
            decision, why = Final(""), "another attempt would meet it again"
        elif policy is ConflictPolicy.RESOLVER and not _is_for_an_agent(run):
            decision, why = Final(""), "it conflicts outside of its scope"
        match decision:
            case Retry():
                resolving = policy is ConflictPolicy.RESOLVER
                how = "its conflict is to be resolved" if resolving else decision.why
                queued, sentence = queued_again(
                    self.parts, judged, how, **self.settling.retrying.facts(decision), resolving=resolving
                )
                self.books.replace(queued)
                self.settling.claiming.release([queued.instance])
                self.books.event(EventKind.RETRY, sentence, run=queued, status="conflict")
            case Final():
                last = msgspec.structs.replace(judged.attempts[-1], retry=f"not retried: {why}")
                held = self.books.replace(record(judged, attempts=(*judged.attempts[:-1], last)))
                words = f"{run.task} is held for a person ({why}): gitfleet resolve {run.instance}"
                self.books.event(EventKind.CONFLICT, words, run=held, status="held")
            case _:
                assert_never(decision)

    def waiting(self) -> frozenset[str]:
        """Runs that only a person brings further; the rest of their wave and of the plan does not wait for them."""
        return held_back(self.books.plan, self.books.runs, self.scopes, fold=self.parts.fold)

    def nothing_else_left(self) -> Halt | None:
        """Why the session stops: all that is not over waits for a person."""
        left = {task for task, run in self.books.runs.items() if not run.sealed}
        if not left or self._looking or not left <= self.waiting():
            return None
        held = [run for run in self.books.runs.values() if run.waiting]
        told = "; ".join(self._sentence(run) for run in held[:_NAMED])
        more = f"; and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
        blocked = len(left) - len(held)
        behind = f" ({blocked} more behind {'it' if len(held) == 1 else 'them'})" if blocked else ""
        return Halt(f"{told}{more}{behind}")

    def _sentence(self, run: Run) -> str:
        if run.parked is not None:
            return sentence(run)
        why = self._why.get(run.task)
        if why:
            return f"{run.task} is not resolved yet: {why.rstrip('.')} (`gitfleet resolve {run.instance}`)"
        paths = ", ".join(conflict.path for conflict in run.conflicts[:_NAMED])
        more = f" and {len(run.conflicts) - _NAMED} more" if len(run.conflicts) > _NAMED else ""
        if not paths and run.failure is not None:
            return f"{run.failure.message} `gitfleet restart {run.instance}` or `gitfleet cancel {run.task}`"
        return (
            f"{run.task} conflicts with {short(self.books.session.target)} in {paths}{more}: "
            f"`gitfleet resolve {run.instance}` opens a tree with the merge, then `gitfleet continue`"
        )


def _is_for_an_agent(run: Run) -> bool:
    """Whether none of the paths is one that only a person may let the run write."""
    return all(one.kind is not ConflictKind.OUTSIDE_SCOPE for one in run.conflicts)

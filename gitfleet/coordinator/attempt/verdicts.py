"""Pure judgements over runs: what a collected attempt amounts to, and what a session's end amounts to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import ExitCode
from gitfleet.integrate.verify import describe_red
from gitfleet.model.run import Failure, FailureSource, Receipt, ReceiptVerdict, Run, RunState
from gitfleet.model.session import Session, SessionState
from gitfleet.model.words import plural
from gitfleet.planner.retries import DENIED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.evidence import CheckResult, Exit, FileChange, GateReport
    from gitfleet.model.handoff import Handoff


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where a collected run goes: ``GATED`` when ``failure`` is none, else the state that fits the failure."""

    state: RunState
    failure: Failure | None = None


def judge(  # noqa: PLR0913 - what one attempt left
    *,
    ended: Failure | None,
    exit_: Exit,
    handoff: Handoff | None,
    handoff_failure: Failure | None,
    files: Sequence[FileChange],
    gate: GateReport,
    checks: Sequence[CheckResult],
    read_only: bool,
    gate_open: bool = False,
) -> Judgement:
    """Weigh the evidence of one attempt (DESIGN 8): the agent's end, its diff, its handoff, its own checks.

    A violation outranks everything: what wrote outside its scope never lands, however well it ended. With ``gate_open``
    it would have met a policy that lets work go on, had it ended well: then how it ended is all there is to say.
    """
    if not gate.passed and not (gate_open and (ended or handoff_failure)):
        paths = ", ".join(f"{violation.path} ({violation.reason})" for violation in gate.violations[:10])
        more = gate.outside - 10
        message = f"It wrote what it must not: {paths}" + (f" and {more} more." if more > 0 else ".")
        if gate.fallback:
            message += f" {gate.fallback[0].upper()}{gate.fallback[1:]}."
        return Judgement(RunState.REJECTED, Failure(source=FailureSource.TASK, code="out-of-scope", message=message))
    if ended is not None:
        states = {"deadline": RunState.TIMED_OUT, "lost": RunState.LOST}
        return Judgement(states.get(exit_.reason, RunState.FAILED), ended)
    if handoff_failure is not None:
        return Judgement(RunState.FAILED, handoff_failure)
    reason = handoff.no_change if handoff else ""
    if not files and not read_only and not reason:
        message = "It changed nothing and gave no reason: a handoff with `no_change` says why nothing had to change."
        return _failed(FailureSource.TASK, "no-changes", message)
    red = next((check for check in checks if check.red), None)
    if red is not None:
        return _failed(FailureSource.VERIFIER, "task-check", f"Its own check {describe_red(red)}")
    return Judgement(RunState.GATED)


def did_without(ended: Failure | None, told: Transcript | None, handoff: Handoff | None) -> bool:
    """Whether an agent was denied something, ended well all the same, and hands off without a word of a failure.

    Then its work is judged as any other is; if it does not stand by itself, a person is asked after all. One that
    could run no command at all could not look at what it did: that is a question to a person at once.
    """
    denied = ended is not None and ended.code == DENIED and ended.source is FailureSource.NEEDS_PERSON
    well = told is not None and told.ended is not None and not told.ended.code
    blind = told is not None and any(one.every for one in told.denied)
    return denied and well and not blind and handoff is not None and not handoff.failures


def with_denial(judgement: Judgement, denied: Failure, *, evidence: bool) -> Judgement:
    """The judgement on work that was done without what was denied; ``evidence`` is that there is any work.

    What wrote outside its scope is rejected whatever it was denied.
    """
    if judgement.state is RunState.REJECTED or (judgement.state is RunState.GATED and evidence):
        return judgement
    return Judgement(RunState.FAILED, denied)


def _failed(source: FailureSource, code: str, message: str) -> Judgement:
    return Judgement(RunState.FAILED, Failure(source=source, code=code, message=message))


def gate_words(run: Run) -> str:
    """What became of paths outside the scope of a run that goes on, as the end of a sentence; empty without any."""
    told = []
    if run.gate is not None and run.gate.spilled:
        told.append(f"; {plural(run.gate.outside, 'path')} outside its scope spilled to {run.gate.spilled}")
    if run.extended:
        told.append(f"; its claim grew by {', '.join(run.extended)}")
    return "".join(told)


def receipt(state: RunState, failure: Failure | None, reason: str = "") -> Receipt:
    """The typed verdict on a run that is over."""
    if state is RunState.LANDED:
        return Receipt(verdict=ReceiptVerdict.PASS, reason=reason)
    verdict = {
        RunState.SKIPPED: ReceiptVerdict.SKIP,
        RunState.CANCELLED: ReceiptVerdict.SKIP,
        RunState.TIMED_OUT: ReceiptVerdict.TIMEOUT,
    }.get(state, ReceiptVerdict.FAIL)
    return Receipt(
        verdict=verdict,
        reason=failure.message if failure else reason,
        source=failure.source if failure else None,
    )


def exit_code(session: Session, runs: Mapping[str, Run]) -> ExitCode:
    """What the command that ran or continued this session ends with (DESIGN 13)."""
    if session.state in {SessionState.NEEDS_CONTINUE, SessionState.PAUSED}:
        return ExitCode.NEEDS_PERSON
    states = {run.state for run in runs.values()}
    if RunState.CONFLICTED in states:
        return ExitCode.NEEDS_PERSON
    if states <= {RunState.LANDED, RunState.CANCELLED}:
        return ExitCode.DONE
    return ExitCode.RUNS_FAILED

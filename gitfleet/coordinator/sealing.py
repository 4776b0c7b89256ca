"""Pure: what a run is once it is over, with claim, failure and receipt in agreement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.coordinator.attempt.verdicts import gate_words, receipt
from gitfleet.model.run import Failure, FailureSource, Run, RunState, advance

if TYPE_CHECKING:
    from gitfleet.integrate.train import Clash
    from gitfleet.model.evidence import Verification
    from gitfleet.model.run import ClaimHeld, MergeRecord


def landed_run(run: Run, verification: Verification, merge: MergeRecord | None, at: str, reason: str = "") -> Run:
    """A gated run as it is once its landing happened, or at once when it changed nothing."""
    if run.state is RunState.GATED:
        run = advance(run, RunState.VERIFIED, verification=verification)
    where = f"landed as {merge.commit[:12]}, {verification.verdict}{gate_words(run)}" if merge else reason
    return advance(
        run,
        RunState.LANDED,
        verification=verification,
        merge=merge,
        failure=None,
        claim=released(run, at),
        receipt=receipt(RunState.LANDED, None, where),
    )


def extended_by(run: Run, entries: tuple[str, ...], claimed: tuple[str, ...]) -> dict[str, object]:
    """Facts of a run whose claim grew; none where it did not."""
    if not entries or run.claim is None:
        return {}
    return {"extended": entries, "claim": msgspec.structs.replace(run.claim, scope=claimed)}


def failed_run(run: Run, state: RunState, failure: Failure, at: str) -> Run:
    """A run that ended without a landing."""
    return advance(run, state, failure=failure, claim=released(run, at), receipt=receipt(state, failure))


def conflicted_run(run: Run, clash: Clash) -> Run:
    """A gated run that cannot be merged, until it is decided what becomes of it; branch, tree and claim stay."""
    message = f"{clash.why[0].upper()}{clash.why[1:]}. Its branch {run.branch} is kept."
    failure = Failure(source=FailureSource.NEEDS_PERSON, code="conflict", message=message)
    return advance(
        run, RunState.CONFLICTED, failure=failure, conflicts=clash.conflicts, resolution=None, resolving=False
    )


def held_again(run: Run, failure: Failure, at: str) -> Run:
    """A run whose resolver failed: in conflict as before it, at the tip that it had then."""
    before = run.conflict_met
    if before is None:
        msg = f"{run.task}: a resolver without a conflict"
        raise AssertionError(msg)
    last = run.attempts[-1]
    why = "not retried: what an agent could not resolve is for a person"
    last = msgspec.structs.replace(
        last, outcome=failure.code, message=failure.message, ended=last.ended or at, retry=why, files=run.files
    )
    message = f"{run.attempts[before.number - 1].message} Its resolver failed: {failure.message}"
    return advance(
        run,
        RunState.CONFLICTED,
        failure=Failure(source=FailureSource.NEEDS_PERSON, code="conflict", message=message),
        attempts=(*run.attempts[:-1], last),
        tip=before.tip,
        handoff=before.handoff,
        files=before.files,
        conflicts=before.conflicts,
        resolving=False,
    )


def skipped_run(run: Run, reason: str) -> Run:
    """A queued run that can never start."""
    failure = Failure(source=FailureSource.TASK, code="dependency", message=reason)
    return advance(run, RunState.SKIPPED, failure=failure, receipt=receipt(RunState.SKIPPED, failure))


def released(run: Run, at: str) -> ClaimHeld | None:
    """The run's claim with the moment it was let go."""
    return msgspec.structs.replace(run.claim, released=at) if run.claim else None

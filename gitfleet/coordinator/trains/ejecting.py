"""What becomes of runs that a train leaves behind: ejected ones go into another attempt or are over, held ones wait.

Called before the decision is written down: a snapshot of an ejected run's work that is then not needed does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.retrying import judged
from gitfleet.coordinator.sealing import failed_run
from gitfleet.integrate.verify import describe_red
from gitfleet.model.run import Failure, FailureSource, RunState, record
from gitfleet.planner.retries import CHECK_FAILED, Final, Retry, suffices
from gitfleet.recovery.runs import queued_again

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitfleet.git.objects import Objects
    from gitfleet.integrate.train import Ejection, Entry
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


def ejected_runs(
    parts: Parts, objects: Objects, plan: Plan, runs: Mapping[str, Run], ejections: Sequence[Ejection], at: str
) -> dict[str, Run]:
    """Each ejected run as it will be: queued again while its retry policy lets it, else failed, its branch kept."""
    return {one.entry.task: _ejected(parts, objects, plan, runs, one, at) for one in ejections}


def _ejected(parts: Parts, objects: Objects, plan: Plan, runs: Mapping[str, Run], ejection: Ejection, at: str) -> Run:
    message = f"The candidate fails with it and not without it: {describe_red(ejection.verification.blamed)}"
    failure = Failure(source=FailureSource.VERIFIER, code=CHECK_FAILED, message=message)
    run, decision = judged(runs[ejection.entry.task], failure, plan, runs, parts.config.retry, random=0.0, at=at)
    match decision:
        case Final():
            return failed_run(record(run, verification=ejection.verification), RunState.FAILED, failure, at)
        case Retry():
            return queued_again(parts, run, decision.why, objects)[0]
        case _:
            assert_never(decision)


def stranded(plan: Plan, runs: Mapping[str, Run], held: Sequence[Entry], at: str) -> dict[str, Run]:
    """Held runs that can never land, because what they need ended without landing; the others stay as they are."""
    after = dict(runs)
    for entry in held:
        gone = [task for task in sorted(entry.needs) if after[task].sealed and not _landed(plan, after[task])]
        if gone:
            message = f"It builds on {gone[0]}, which {after[gone[0]].state} and does not land."
            failure = Failure(source=FailureSource.TASK, code="dependency", message=message)
            after[entry.task] = failed_run(after[entry.task], RunState.FAILED, failure, at)
    return {entry.task: after[entry.task] for entry in held if after[entry.task] is not runs[entry.task]}


def _landed(plan: Plan, run: Run) -> bool:
    return suffices(plan.task(run.task), run.state)

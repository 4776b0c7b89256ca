"""Make a session's books agree with what is really there, before anything new is started.

The books were written before every step, so what may differ is known: an attempt that was being prepared, one that
runs or ended without the coordinator, a landing that was decided and may have happened. Nothing is landed twice: a
pending landing is asked of git, never repeated on a guess. Work of a run that is queued again is kept under its wip
ref.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.base import decode
from gitfleet.model.run import FailureSource, Run, RunState, advance, requeue
from gitfleet.model.session import PendingLanding, Session, SessionState, Verdicts
from gitfleet.planner.retries import NOT_BEGUN, RESUMABLE
from gitfleet.recovery.boundary import release_orphans
from gitfleet.recovery.damage import check_frozen, mend_claims
from gitfleet.recovery.landings import roll_forward, settle_landing
from gitfleet.recovery.runs import adoptable, lost, published, queued_again
from gitfleet.store.damage import UNREADABLE, unreadable
from gitfleet.store.files import read_regular, remove_durable, sweep
from gitfleet.store.layout import check_label, setup_label, verify_label
from gitfleet.store.locks import claims_lock
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle


@dataclass(frozen=True, slots=True)
class Findings:
    """What recovery found and mended.

    ``adopted`` are attempts to wait for, by task; ``pending`` is a landing that did not happen and may still. ``notes``
    are sentences for people.
    """

    session: Session
    runs: dict[str, Run]
    adopted: dict[str, Handle]
    pending: PendingLanding | None
    notes: tuple[str, ...]


def reconcile(parts: Parts, session_id: str, *, once: Collection[str] = ()) -> Findings:
    """Bring one session's books up to date; its lock is held by the caller.

    ``once`` are tasks that are not ``retry_safe``: what may have begun of them is not started again here.
    Raises ``GitfleetError`` (needs-person) when a half-done landing is blocked by files that somebody changed.
    """
    session = parts.state.read_session(session_id)
    runs = dict(parts.state.read_runs(session_id))
    notes: list[str] = []
    parts.state.sweep(parts.proof)
    UsageStore(parts.layout).sweep(session_id)
    check_frozen(parts, session_id)
    mend_claims(parts, session_id, runs.values(), notes)
    finish_verdicts(parts, session_id, runs)
    _end_checks(parts, session_id, runs.values())
    roll_forward(parts, session)
    session, pending = settle_landing(parts, session, runs, notes)
    adopted: dict[str, Handle] = {}
    for task, run in list(runs.items()):
        match run.state:
            case RunState.PREPARING:
                runs[task] = _requeue(parts, run, "its worktree was being made", notes)
            case RunState.RUNNING | RunState.FINISHED:
                handle = adoptable(parts, run, once=task in once)
                if handle is None:
                    runs[task] = _requeue(parts, lost(parts, run), "its end was not recorded", notes)
                else:
                    adopted[task] = handle
            case RunState.VERIFIED if pending is None:
                runs[task] = _write(parts, advance(run, RunState.GATED))
            case _:
                pass
    if session.state is SessionState.NEEDS_CONTINUE:
        _retry_transport(parts, session, runs, notes, once)
    with claims_lock(parts.layout) as claims_proof:
        parts.claims.sweep(claims_proof)
    notes += release_orphans(parts.layout, parts.state, parts.claims, parts.claims.clone, session=session_id, runs=runs)
    return Findings(session, runs, adopted, pending, tuple(notes))


def finish_verdicts(parts: Parts, session: str, runs: dict[str, Run]) -> None:
    """Write what was decided of several runs into each of them, where a crash came in between."""
    path = parts.layout.verdicts(session)
    try:
        verdicts = decode(read_regular(path), Verdicts)
    except FileNotFoundError:
        return
    except UNREADABLE as error:
        raise unreadable(path, str(error), "the runs that it decided are integrated once more") from error
    for run in verdicts.runs:
        runs[run.task] = _write(parts, run)
    remove_durable(path)


def _end_checks(parts: Parts, session: str, runs: Iterable[Run]) -> None:
    """End checks that outlived their coordinator: their verdict would reach nobody, and they write where ours run."""
    labels = [verify_label(session)]
    labels += [label(run.instance) for run in runs if run.instance for label in (check_label, setup_label)]
    for label in labels:
        parent = parts.layout.attempt(label, 1).parent
        numbers = [int(entry.name) for entry in parent.iterdir() if entry.name.isdigit()] if parent.is_dir() else []
        handles = [parts.host.adopt(label, number, parts.layout.attempt(label, number)) for number in numbers]
        open_ones = [handle for handle in handles if parts.host.status(handle).exit is None]
        for handle in open_ones:
            parts.host.stop(handle)
        for handle in open_ones:
            parts.host.wait(handle)
        # Those that had ended, too: the crash may have come before their coordinator could.
        for handle in handles:
            parts.host.clean_up(handle)


def _requeue(parts: Parts, run: Run, why: str, notes: list[str], **facts: object) -> Run:
    sweep(parts.layout.attempt(run.instance, len(run.attempts)))
    queued, sentence = queued_again(parts, run, why, **facts)
    notes.append(sentence)
    return _write(parts, queued)


def _retry_transport(
    parts: Parts, session: Session, runs: dict[str, Run], notes: list[str], once: Collection[str]
) -> None:
    """A session that stopped because nothing could run at all starts those runs again, and what hung on them.

    Not those whose record is on the target: it is written once, and says how they ended.
    """
    if session.ended:
        return
    again = {
        task
        for task, run in runs.items()
        if run.state in {RunState.FAILED, RunState.LOST}
        and run.failure is not None
        and run.failure.source is FailureSource.TRANSPORT
        and (task not in once or run.failure.code in NOT_BEGUN)
        and not published(parts, session, task)
    }
    for task in again:
        failure = runs[task].failure
        goes_on = failure is not None and failure.code in RESUMABLE
        runs[task] = _requeue(parts, runs[task], "nothing could run at all", notes, going_on=goes_on)
    if again:
        for task, run in runs.items():
            if run.state is RunState.SKIPPED and not published(parts, session, task):
                runs[task] = _write(parts, requeue(run))


def _write(parts: Parts, run: Run) -> Run:
    parts.state.write_run(parts.proof, run)
    return run

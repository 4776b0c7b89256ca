"""Make a session's books agree with what is really there, before anything new is started.

The books were written before every step, so what may differ is known: an attempt that was being prepared, one that
runs or ended without the coordinator, a landing that was decided and may have happened. Nothing is landed twice: a
pending landing is asked of git, never repeated on a guess. Work of a run that is queued again is kept under its wip
ref.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.refs import HEADS, short, zero
from gitfleet.integrate import landing
from gitfleet.model.base import decode
from gitfleet.model.run import LIVE, FailureSource, Run, RunState, advance, requeue
from gitfleet.model.session import PendingLanding, Session, SessionState, Verdicts
from gitfleet.store.files import remove_durable
from gitfleet.store.locks import claims_lock

if TYPE_CHECKING:
    from pathlib import Path

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


def reconcile(parts: Parts, session_id: str) -> Findings:
    """Bring one session's books up to date; its lock is held by the caller.

    Raises ``GitfleetError`` (needs-person) when a half-done landing is blocked by files that somebody changed.
    """
    session = parts.state.read_session(session_id)
    runs = dict(parts.state.read_runs(session_id))
    notes: list[str] = []
    _finish_verdicts(parts, session_id, runs)
    _end_checks(parts, session_id, runs)
    _roll_forward(parts, session)
    session, pending = _settle_landing(parts, session, runs, notes)
    adopted: dict[str, Handle] = {}
    for task, run in list(runs.items()):
        match run.state:
            case RunState.PREPARING:
                runs[task] = _requeue(parts, run, "its worktree was being made", notes)
            case RunState.RUNNING | RunState.FINISHED:
                handle = _attempt(parts, run)
                if handle is None:
                    runs[task] = _requeue(parts, run, "its end was not recorded", notes)
                else:
                    adopted[task] = handle
            case RunState.VERIFIED if pending is None:
                runs[task] = _write(parts, advance(run, RunState.GATED))
            case _:
                pass
    if session.state is SessionState.NEEDS_CONTINUE:
        _retry_transport(parts, session, runs, notes)
    _release_orphans(parts, session_id, runs, notes)
    return Findings(session, runs, adopted, pending, tuple(notes))


def verdicts_file(parts: Parts, session: str) -> Path:
    """Where a decision about several runs is written down until each of them says so."""
    return parts.layout.session(session) / "verdicts.json"


def _finish_verdicts(parts: Parts, session: str, runs: dict[str, Run]) -> None:
    path = verdicts_file(parts, session)
    try:
        verdicts = decode(path.read_bytes(), Verdicts)
    except FileNotFoundError:
        return
    for run in verdicts.runs:
        runs[run.task] = _write(parts, run)
    remove_durable(path)


def _end_checks(parts: Parts, session: str, runs: dict[str, Run]) -> None:
    """End checks that outlived their coordinator: their verdict would reach nobody, and they write where ours run."""
    labels = [verify_label(session), *(check_label(run.instance) for run in runs.values() if run.instance)]
    for label in labels:
        parent = parts.layout.attempt(label, 1).parent
        numbers = [int(entry.name) for entry in parent.iterdir() if entry.name.isdigit()] if parent.is_dir() else []
        handles = [parts.host.adopt(label, number, parts.layout.attempt(label, number)) for number in numbers]
        open_ones = [handle for handle in handles if parts.host.status(handle).exit is None]
        for handle in open_ones:
            parts.host.stop(handle)
        for handle in open_ones:
            parts.host.wait(handle)
            parts.host.clean_up(handle)


def verify_label(session: str) -> str:
    """What the attempts of a session's own checks are filed under."""
    return f"fleet-{session}-verify"


def check_label(instance: str) -> str:
    """What the attempts of a task's own checks are filed under."""
    return f"{instance}-check"


def pending_landing_file(parts: Parts, session: str) -> Path:
    """Where a decided landing is written down until the books say that it happened."""
    return parts.layout.session(session) / "landing.json"


def _settle_landing(
    parts: Parts, session: Session, runs: dict[str, Run], notes: list[str]
) -> tuple[Session, PendingLanding | None]:
    path = pending_landing_file(parts, session.id)
    try:
        pending = decode(path.read_bytes(), PendingLanding)
    except FileNotFoundError:
        return session, None
    except msgspec.MsgspecError as error:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "damaged-file",
            f"{path.name} of session {session.id} cannot be read: {error}",
            hint=f"Look at {path}; `git log` of the target says whether the landing happened.",
        ) from error
    if _happened(parts, pending):
        for run in pending.runs:
            runs[run.task] = _write(parts, run)
        if pending.wave_text:
            parts.state.write_wave(parts.proof, pending.number, pending.wave_text)
        # Still to be closed: what it held is released first, and a completed session is not looked at again.
        session = msgspec.structs.replace(session, landings=pending.session.landings, ended=pending.session.ended)
        parts.state.write_session(parts.proof, session, parts.state.read_report(session.id))
        forget_landing(parts, session.id)
        notes.append(f"landing {pending.number} had happened; the books say so now")
        return session, None
    if parts.refs.read(pending.target) == pending.previous:
        return session, pending
    forget_landing(parts, session.id)
    notes.append(f"landing {pending.number} had not happened and {pending.target} moved; it is built again")
    return session, None


def forget_landing(parts: Parts, session: str) -> None:
    """The books say what the pending landing said, or it will never happen: its note and its candidate's ref go."""
    candidate = f"refs/gitfleet/candidates/{session}"
    held = parts.refs.read(candidate)
    if held is not None:
        parts.refs.delete(candidate, held)
    remove_durable(pending_landing_file(parts, session))


def _roll_forward(parts: Parts, session: Session) -> None:
    """Finish or undo what landings of this session left behind: cut off, or kept from following by files."""
    # By name, not by what is in it: one that died before its intent was written leaves an empty directory.
    for directory in sorted((parts.layout.root / "landings").glob(f"{session.id}-w*")):
        repository = parts.repository
        outcome = landing.recover(
            directory, repository.git, repository.common_dir, clock=parts.monotonic, sleep=parts.sleep
        )
        if isinstance(outcome, landing.InTheWay | landing.Busy):
            raise GitfleetError(
                Kind.NEEDS_PERSON,
                "in-the-way",
                f"{short(session.target)} has moved, and a checkout of it cannot follow yet: {outcome.why}",
                hint="Move these files aside (or let the other process end), then run `gitfleet continue`.",
            )


def _happened(parts: Parts, pending: PendingLanding) -> bool:
    """Whether the target ever pointed at the pending commit: its landed ref says so, or its history does."""
    if parts.refs.read(f"refs/gitfleet/landed/{pending.session.id}/w{pending.number}") == pending.commit:
        return True
    tip = parts.refs.read(pending.target)
    return tip is not None and parts.objects.is_ancestor(pending.commit, tip)


def _attempt(parts: Parts, run: Run) -> Handle | None:
    """The run's last attempt when its end can still be learned: it runs, or its exit is written."""
    directory = parts.layout.attempt(run.instance, len(run.attempts))
    if not directory.is_dir():
        return None
    handle = parts.host.adopt(run.instance, len(run.attempts), directory)
    status = parts.host.status(handle)
    if not status.alive and status.exit is None:
        ended = parts.host.declare_lost(handle)
        if ended is not None and ended.reason == "lost":
            return None
    return handle


def _requeue(parts: Parts, run: Run, why: str, notes: list[str]) -> Run:
    kept = keep_work(parts, run)
    where = f"; its work so far is kept as {kept}" if kept else ""
    notes.append(f"{run.task} is queued again: {why}{where}")
    return _write(parts, requeue(run))


def keep_work(parts: Parts, run: Run) -> str:
    """Keep what a run's branch holds beyond its base under ``refs/gitfleet/wip/<instance>/<attempt>``.

    Gives the ref; empty where there was nothing to keep.
    """
    tip = parts.refs.read(HEADS + run.branch) if run.branch else None
    if tip is None or tip == run.base:
        return ""
    wip = f"refs/gitfleet/wip/{run.instance}/{len(run.attempts)}"
    parts.refs.update(wip, tip, parts.refs.read(wip) or zero(tip), why="gitfleet: keep an earlier attempt")
    return wip


def _retry_transport(parts: Parts, session: Session, runs: dict[str, Run], notes: list[str]) -> None:
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
        and not _published(parts, session, task)
    }
    for task in again:
        runs[task] = _requeue(parts, runs[task], "nothing could run at all", notes)
    if again:
        for task, run in runs.items():
            if run.state is RunState.SKIPPED and not _published(parts, session, task):
                runs[task] = _write(parts, requeue(run))


def _published(parts: Parts, session: Session, task: str) -> bool:
    tip = parts.refs.read(session.target)
    path = f".planning/sessions/{session.id}/runs/{task}.json".encode()
    return tip is not None and parts.objects.entry(parts.objects.commit(tip).tree, path) is not None


def _release_orphans(parts: Parts, session: str, runs: dict[str, Run], notes: list[str]) -> None:
    """Claims of this session's instances that no run holds any more."""
    holders = {run.instance for run in runs.values() if run.state in LIVE}
    dead = [claim for claim in parts.claims.live() if claim.session == session and claim.instance not in holders]
    if not dead:
        return
    with claims_lock(parts.layout) as proof:
        parts.claims.release(proof, [claim.instance for claim in dead])
    notes.extend(f"dead instance {claim.instance} left a claim on {', '.join(claim.scope)}" for claim in dead)


def _write(parts: Parts, run: Run) -> Run:
    parts.state.write_run(parts.proof, run)
    return run

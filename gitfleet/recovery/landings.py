"""Landings that a crash cut off: finished, undone, or found to have happened.

A landing is never repeated on a guess: a pending one is asked of git, and what the answer leaves to do is done by the
coordinator. A checkout that cannot follow its target is a person's to clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.refs import short
from gitfleet.integrate import landing
from gitfleet.model.base import decode
from gitfleet.model.session import PendingLanding
from gitfleet.store.damage import UNREADABLE, unreadable
from gitfleet.store.files import read_regular, remove_durable

if TYPE_CHECKING:
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts


def roll_forward(parts: Parts, session: Session) -> None:
    """Finish or undo what landings of this session left behind: cut off, or kept from following by files."""
    # By name, not by what is in it: one that died before its intent was written leaves an empty directory.
    for directory in sorted((parts.layout.root / "landings").glob(f"{session.id}-w*")):
        repository = parts.repository
        try:
            outcome = landing.recover(
                directory, repository.git, repository.common_dir, clock=parts.monotonic, sleep=parts.sleep
            )
        except UNREADABLE as error:
            without = f"then check by hand that the files of {short(session.target)}'s checkouts are those of its tip"
            raise unreadable(directory, str(error), without) from error
        if isinstance(outcome, landing.InTheWay | landing.Busy):
            raise GitfleetError(
                Kind.NEEDS_PERSON,
                "in-the-way",
                f"{short(session.target)} has moved, and a checkout of it cannot follow yet: {outcome.why}",
                hint="Move these files aside (or let the other process end), then run `gitfleet continue`.",
            )


def settle_landing(
    parts: Parts, session: Session, runs: dict[str, Run], notes: list[str]
) -> tuple[Session, PendingLanding | None]:
    """Write a pending landing that happened into the books; gives the session then, and one that still may happen."""
    path = parts.layout.pending_landing(session.id)
    try:
        pending = decode(read_regular(path), PendingLanding)
    except FileNotFoundError:
        return session, None
    except UNREADABLE as error:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "damaged-file",
            f"{path.name} of session {session.id} cannot be read: {error}",
            hint=f"Look at {path}; `git log` of the target says whether the landing happened.",
        ) from error
    if _happened(parts, pending):
        for run in pending.runs:
            parts.state.write_run(parts.proof, run)
            runs[run.task] = run
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


def _happened(parts: Parts, pending: PendingLanding) -> bool:
    """Whether the target ever pointed at the pending commit: its landed ref says so, or its history does."""
    if parts.refs.read(f"refs/gitfleet/landed/{pending.session.id}/w{pending.number}") == pending.commit:
        return True
    tip = parts.refs.read(pending.target)
    return tip is not None and parts.objects.is_ancestor(pending.commit, tip)


def forget_landing(parts: Parts, session: str) -> None:
    """The books say what the pending landing said, or it will never happen: its note and its candidate's ref go."""
    candidate = f"refs/gitfleet/candidates/{session}"
    held = parts.refs.read(candidate)
    if held is not None:
        parts.refs.delete(candidate, held)
    remove_durable(parts.layout.pending_landing(session))

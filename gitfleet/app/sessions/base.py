"""Whether a session may start on its target as it is: not where the checks are known to fail before anything is done.

What is known is a note that a train or ``wave --recheck`` left. It refuses a start, and judges nothing else.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.refs import short
from gitfleet.integrate.fingerprint import checks_key
from gitfleet.integrate.verify import Interrupted, checked_tree, describe_red
from gitfleet.model.event import EventKind
from gitfleet.model.evidence import Verdict
from gitfleet.model.verify_config import Baseline
from gitfleet.planner.scopes import Scope, overlap
from gitfleet.store.layout import verify_label
from gitfleet.store.verify_cache import VerifyCache

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitfleet.app.sessions.target import Target
    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.git.objects import Objects
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Check
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts
    from gitfleet.store.verify_cache import RedTarget

HINT = "Mend it and commit, then start again; or let `gitfleet wave PLAN --recheck` run the checks on it first."


def applying(config: Config, scopes: Iterable[Scope], *, fold: bool) -> tuple[Check, ...]:
    """The checks that work in these scopes may call for; the others would be left out of every train."""
    may_write = tuple(scopes)
    return tuple(
        check
        for check in config.verify.commands
        if not check.when or any(overlap(Scope.parse(check.when), scope, fold=fold) is not None for scope in may_write)
    )


def known_red(
    workspace: Workspace, objects: Objects, config: Config, target: Target, checks: Iterable[Check]
) -> RedTarget | None:
    """The note on a target whose own tree fails one of these checks, unless the config allows that."""
    cache = VerifyCache(workspace.layout, workspace.now)
    if config.verify.baseline is Baseline.ALLOW or not cache.any_red():
        return None
    note = cache.red(checked_tree(objects, target.base), checks_key(config.verify.commands, config))
    return note if note is not None and note.command in {check.run for check in checks} else None


def sentence(target: Target, note: RedTarget) -> str:
    """What is known of it, for people."""
    return f"{short(target.ref)} itself fails: {note.command} (seen at {note.at})"


def refuse_red(target: Target, note: RedTarget | None) -> None:
    """Raise ``GitfleetError`` (``base-red``) where the target is known to fail."""
    if note is not None:
        raise GitfleetError(Kind.NEEDS_PERSON, "base-red", f"{sentence(target, note)}; nothing was started.", hint=HINT)


def recheck_base(
    parts: Parts,
    session: Session,
    target: Target,
    checks: Sequence[Check],
    observer: Observer,
    interrupts: Interrupts,
) -> None:
    """Run the checks on the base of a session that was made and did not begin.

    Raises ``GitfleetError`` (``base-red``, or interrupted), and then nothing of the session is left.
    """
    from gitfleet.coordinator.trains.rechecking import recheck  # noqa: PLC0415 - only with --recheck

    def say(what: str) -> None:
        observer.event(parts.journal.event(EventKind.VERIFY, f"{what}, on {short(target.ref)} as it is"))

    found = recheck(parts, session, checks, interrupts, say)
    if isinstance(found, Interrupted):
        _unmake(parts, session, target)
        raise GitfleetError(
            Kind.INTERRUPTED, "interrupted", "It was interrupted while the checks ran; nothing was started."
        )
    if found.verdict is Verdict.RED and parts.config.verify.baseline is not Baseline.ALLOW:
        _unmake(parts, session, target)
        words = describe_red(found.blamed)
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "base-red",
            f"{short(target.ref)} itself fails: {words}",
            hint="Mend it and commit, then start again; nothing was started.",
        )


def _unmake(parts: Parts, session: Session, target: Target) -> None:
    """Take a session that did not begin out of the state; a crash in between leaves one that `continue` takes up."""
    shutil.rmtree(parts.layout.attempt(verify_label(session.id), 1).parent, ignore_errors=True)
    if target.new:
        parts.refs.delete(target.ref, target.base)
    parts.state.remove_session(parts.proof)
    parts.layout.journal(session.id).unlink(missing_ok=True)

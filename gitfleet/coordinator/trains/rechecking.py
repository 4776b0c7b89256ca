"""The checks on the target as it is, before a session starts anything: run for real, whatever is remembered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.setting_up import ReadyFirst
from gitfleet.coordinator.checks import CheckRunner
from gitfleet.coordinator.trains.integration_worktree import drop_worktree, integration_path, open_integration
from gitfleet.coordinator.trains.remembering import Remembering
from gitfleet.integrate.verify import Interrupted, verify
from gitfleet.model.evidence import Verdict
from gitfleet.model.verify_config import Baseline
from gitfleet.store.layout import verify_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitfleet.coordinator.observer import Interrupts
    from gitfleet.model.evidence import Verification
    from gitfleet.model.plan import Check
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts

TICK_SECONDS = 0.2


def recheck(
    parts: Parts, session: Session, wanted: Sequence[Check], interrupts: Interrupts, say: Callable[[str], None]
) -> Verification | Interrupted:
    """Run the wanted checks on the session's base in its integration worktree; what they say of it is remembered.

    A red base takes the worktree away again: nothing else of the session will need it.
    """
    checks = CheckRunner(parts, session.id)
    git = open_integration(parts, session)
    memory = Remembering(parts, session, checks, git, fresh=True)

    def verified() -> Verification | Interrupted:
        with parts.open_objects() as objects:
            return verify(
                objects,
                git,
                ReadyFirst(parts, checks).one,
                wanted,
                session.base,
                memory=memory,
                label=verify_label(session.id),
                say=say,
                keep=parts.config.verify.keep,
                every=parts.config.verify.baseline is Baseline.ALLOW,
            )

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(verified)
        while not wait([running], TICK_SECONDS).done:
            if interrupts.requested:
                checks.stop()
    found = running.result()
    if isinstance(found, Interrupted) or found.verdict is Verdict.RED:
        drop_worktree(parts, integration_path(parts, session))
    if not isinstance(found, Interrupted) and found.verdict is Verdict.RED:
        memory.note_red(found)
    return found

"""Take a session away from the coordinator that holds it.

There is no lease: whoever holds a session is proven to be the process that its lock names, killed, and waited for with
its git calls. What cannot be proven dead is unknown, and only a person may say that it is gone; gitfleet checks that
claim as far as it can see, and cannot check it any further.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, assert_never

from gitfleet.errors import GitfleetError, Kind
from gitfleet.runtime import ownership
from gitfleet.runtime.ownership import Clock, Freed, StillHeld
from gitfleet.runtime.tables import open_table
from gitfleet.store import holders, locks
from gitfleet.store.files import make_directory, rename_durable
from gitfleet.store.holders import Life

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.app.workspace import Workspace
    from gitfleet.runtime.processes import Table
    from gitfleet.store.holders import Holder

CLOCK = Clock(time.monotonic, time.sleep)


def take_over(
    workspace: Workspace,
    session: str,
    agree: Callable[[str], None],
    *,
    owner_is_gone: bool = False,
    table: Table | None = None,
    clock: Clock = CLOCK,
) -> str:
    """Free a session's lock; gives a sentence that says what was done, empty when nobody held it.

    ``agree`` is called with what will happen and raises where the person does not want it. Raises ``GitfleetError``
    (``BUSY``): ``owner-unknown`` for an owner that is not proven to be on this machine, ``owner-lives`` when
    ``owner_is_gone`` was said of one that can be seen here, ``locked`` when it cannot be freed.
    """
    path = workspace.layout.session_lock(session)
    owner = locks.holder(path)
    if owner is None:
        return ""
    table = table or open_table()
    judgement = holders.judge(owner)
    if owner_is_gone:
        return _set_aside(workspace, path, session, owner, judgement.life, agree, table)
    match judgement.life:
        case Life.UNKNOWN:
            raise GitfleetError(
                Kind.BUSY,
                "owner-unknown",
                f"Session {session} is held by {owner}, and whether that process lives cannot be told from here: "
                f"{judgement.why}.",
                hint="End it where it runs. If you know that it is gone, say so: "
                f"`gitfleet continue {session} --take-over --owner-is-gone`.",
            )
        case Life.DEAD:
            agree(f"Session {session} was held by {owner}, which has ended. What it started will be waited for.")
            family: dict[int, int] = {}
        case Life.LIVING:
            agree(
                f"Session {session} is held by {owner}. That process will be killed; its agents go on, and are taken "
                "over with what they have done."
            )
            family = _kill(path, session, owner, table)
        case _:
            assert_never(judgement.life)
    outcome = ownership.wait_until_free(path, lambda: locks.holder(path) is not None, table, clock, family=family)
    match outcome:
        case Freed(ended):
            others = f", and ended {', '.join(ended)}" if ended else ""
            return f"took the session over from {owner}{others}"
        case StillHeld(by):
            if (now := locks.holder(path)) is not None and now != owner:
                raise locks.busy(path, f"session {session}")
            names = ", ".join(by) or "a process of another user"
            raise GitfleetError(
                Kind.BUSY,
                "locked",
                f"{owner} is gone, but session {session} is still held by {names}, which gitfleet did not start.",
                hint="End it, then run `gitfleet continue` again.",
            )
        case _:
            assert_never(outcome)


def _kill(path: Path, session: str, owner: Holder, table: Table) -> dict[int, int]:
    """Kill the owner that was agreed on; its descendants, which may hold the lock on."""
    if locks.holder(path) != owner:
        raise locks.busy(path, f"session {session}")
    family = ownership.descendants(table, owner.pid)
    if not ownership.kill(table, owner) and holders.judge(owner).life is Life.LIVING:
        raise GitfleetError(
            Kind.BUSY, "locked", f"{owner} cannot be ended by you.", hint="Ask whoever started it, or an administrator."
        )
    return family


def _set_aside(
    workspace: Workspace,
    path: Path,
    session: str,
    owner: Holder,
    life: Life,
    agree: Callable[[str], None],
    table: Table,
) -> str:
    """Put another lock file in the place of one whose holder is gone, as a person says."""
    seen = [process.label() for process in ownership.openers(table, path)]
    if life is not Life.UNKNOWN or seen:
        here = ", ".join(seen) or str(owner)
        raise GitfleetError(
            Kind.BUSY,
            "owner-lives",
            f"Session {session} is held by a process that can be seen here: {here}.",
            hint="Without --owner-is-gone, --take-over ends what it can prove to be the owner; end any other yourself.",
        )
    agree(
        f"Session {session} is held by {owner}. You say that it is gone; gitfleet cannot see that. If it lives, both "
        "will work on the same session until it notices, and work may be done twice."
    )
    if locks.holder(path) != owner:
        raise locks.busy(path, f"session {session}")
    make_directory(workspace.layout.trash)
    number = 1
    while (place := workspace.layout.trash / f"{path.name}.{number}").exists():
        number += 1
    rename_durable(path, place)
    return f"took the session over from {owner}, which a person says is gone"

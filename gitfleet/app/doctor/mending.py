"""``doctor --fix``: put right what can be put right without losing anything, and say of the rest why not.

Each step proves for itself what it needs (a lock that is held, a session that is closed) and fails by itself: one that
cannot be done is told, and the next is tried. No agent is started; that is for ``gitfleet continue``.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from gitfleet.app.doctor import restoring
from gitfleet.app.doctor.accounts import mend_accounts
from gitfleet.app.orphans import Known, attempts
from gitfleet.app.planning.planners import sweep
from gitfleet.app.which import sessions
from gitfleet.errors import GitfleetError
from gitfleet.git import worktrees
from gitfleet.git.command import GitFailed
from gitfleet.git.pool_root import pool_root
from gitfleet.integrate import landing
from gitfleet.model.reports import Mend
from gitfleet.model.session import SessionState
from gitfleet.recovery.boundary import release_orphans
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.store.claims import Claims
from gitfleet.store.files import make_directory, read_regular, rename_durable
from gitfleet.store.live import link_live
from gitfleet.store.locks import holder, session_lock, worktrees_lock
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.app.workspace import Workspace

STOP_SECONDS = 30.0
"""How long a left agent may take for the ladder."""

Step = tuple[str, "Callable[[Workspace], Iterator[Mend]]"]


def mend(workspace: Workspace) -> tuple[Mend, ...]:
    """Do every step; a line for each thing that was done, and for each that was not."""
    done: list[Mend] = []
    for name, step in STEPS:
        try:
            done += step(workspace)
        except GitfleetError as error:
            done.append(Mend(name=name, done=False, message=error.message, hint=error.hint))
        except (OSError, GitFailed) as error:
            done.append(Mend(name=name, done=False, message=str(error)))
    return tuple(done)


def _permissions(workspace: Workspace) -> Iterator[Mend]:
    root = workspace.layout.root
    if root.is_dir() and root.stat().st_mode & 0o077:
        root.chmod(0o700)
        yield Mend(name="state", done=True, message=f"{root} can be read by you alone")


def _exclude(workspace: Workspace) -> Iterator[Mend]:
    common = workspace.layout.common_dir
    path = common / "info" / "exclude"
    before = path.read_bytes() if path.exists() else b""
    with worktrees_lock(workspace.layout, command="gitfleet doctor --fix"):
        for line in (".planning/live", worktrees.INSTANCE_FILE):
            worktrees.exclude(common, line)
    if path.read_bytes() != before:
        yield Mend(name="exclude", done=True, message=f"{path} lists what is gitfleet's own")


def _link(workspace: Workspace) -> Iterator[Mend]:
    worktree, layout = workspace.repository.worktree, workspace.layout
    if worktree is None or not layout.state.is_dir():
        return
    link = worktree / ".planning" / "live"
    before = os.path.lexists(link) and link.resolve()
    why = link_live(layout.state, worktree, layout.common_dir / "info" / "exclude")
    if why:
        yield Mend(name="live link", done=False, message=why, hint="Remove it yourself; nothing needs the link.")
    elif before != link.resolve():
        yield Mend(name="live link", done=True, message=f"{link} shows the state")


def _files(workspace: Workspace) -> Iterator[Mend]:
    for session in State(workspace.layout).session_ids():
        for path, why in restoring.damaged_files(workspace, session):
            not_done = restoring.restore(workspace, session, path)
            if not_done:
                saved = f"refs/gitfleet/state/{session}:{path.relative_to(workspace.layout.state).as_posix()}"
                yield Mend(
                    name="state",
                    done=False,
                    message=f"{path} cannot be read ({why}), and was not brought back: {not_done}",
                    hint=f"See what was saved of it with: git show {saved}",
                )
            else:
                words = f"{path} was brought back as it was at the last boundary; the damaged one is in the trash"
                yield Mend(name="state", done=True, message=words)


def _landings(workspace: Workspace) -> Iterator[Mend]:
    """Finish landings of sessions that nobody will continue, and take away the locks that they left."""
    state, layout = State(workspace.layout), workspace.layout
    waiting = {session.id for session in sessions(state) if session.state is not SessionState.COMPLETED}
    root = layout.root / "landings"
    for directory in sorted(root.iterdir()) if root.is_dir() else ():
        session = directory.name.rpartition("-w")[0]
        if session in waiting or session in _unreadable(state):
            continue
        with session_lock(layout, session, command="gitfleet doctor --fix"):
            repository = workspace.repository
            outcome = landing.recover(
                directory, repository.git, repository.common_dir, clock=time.monotonic, sleep=time.sleep
            )
        if isinstance(outcome, landing.InTheWay | landing.Busy):
            words = f"the landing {directory.name} of a closed session cannot be finished: {outcome.why}"
            yield Mend(name="landings", done=False, message=words, hint="Move these files aside, and run it again.")
        else:
            yield Mend(
                name="landings", done=True, message=f"the landing {directory.name} of a closed session is settled"
            )


def _unreadable(state: State) -> set[str]:
    damaged: dict[str, GitfleetError] = {}
    sessions(state, damaged)
    return set(damaged)


def _claims(workspace: Workspace) -> Iterator[Mend]:
    layout = workspace.layout
    clone = read_regular(layout.clone_id).decode().strip() if layout.clone_id.exists() else ""
    for words in release_orphans(layout, State(layout), Claims(layout, clone), clone):
        yield Mend(name="claims", done=True, message=f"{words}; it is released")


def _worktrees(workspace: Workspace) -> Iterator[Mend]:
    """Make git forget trees of the pool whose files are gone; those of others may be on a disk that is not mounted."""
    repository = workspace.repository
    pool = pool_root(repository, workspace.config.worktrees.root)
    for entry in worktrees.entries(repository):
        if not entry.prunable or os.path.realpath(entry.path.parent) != os.path.realpath(pool):
            continue
        held = entry.head and repository.git.run(
            "for-each-ref", "--count=1", f"--contains={entry.head}", "--format=%(refname)", ok=(0, 1, 128, 129)
        )
        if not pool.is_dir() or entry.locked:
            why = "it is locked" if entry.locked else f"{pool} is not there at all, and may come back"
        elif entry.head and not (held and held.text):
            why = f"its commit {entry.head[:12]} is on no branch; `git branch NAME {entry.head[:12]}` keeps it"
        else:
            found = worktrees.locate(repository, entry.path)
            if found is not None:
                lock = worktrees_lock(workspace.layout, command="gitfleet doctor --fix")
                worktrees.retire(repository, found, pool, lock)
            yield Mend(name="worktrees", done=True, message=f"git has forgotten {entry.path}, which was gone")
            continue
        yield Mend(name="worktrees", done=False, message=f"git lists {entry.path}, which is gone: {why}")


def _attempts(workspace: Workspace) -> Iterator[Mend]:
    """Stop agents of no session, whose end nobody would ever learn, and move what they left to the trash."""
    layout, host = workspace.layout, LocalHost(now=workspace.now)
    for orphan in attempts(layout, Known.of(layout)):
        parent = layout.root / "attempts" / orphan.name
        alive = False
        for place in sorted(parent.iterdir()):
            if not place.name.isdecimal() or holder(place / "lock") is None:
                continue
            handle = host.adopt(orphan.name, int(place.name), place)
            host.stop(handle)
            alive = host.wait_for(handle, STOP_SECONDS) is None
            host.clean_up(handle)
        if alive:
            yield Mend(name="attempts", done=False, message=f"the agent of {orphan.name} did not end when asked to")
            continue
        make_directory(layout.trash)
        number = 1
        while (free := layout.trash / f"{orphan.name}.{number}").exists():
            number += 1
        rename_durable(parent, free)
        yield Mend(
            name="attempts", done=True, message=f"{orphan.name}, of no session, is over; its log is in the trash"
        )


def _planners(workspace: Workspace) -> Iterator[Mend]:
    for words in sweep(workspace):
        yield Mend(name="planner", done=True, message=words)


def _waiting(workspace: Workspace) -> Iterator[Mend]:
    """Say of sessions that wait how they go on; that runs agents, which nothing here does."""
    for session in sessions(State(workspace.layout)):
        idle = holder(workspace.layout.session_lock(session.id)) is None
        if session.state is not SessionState.COMPLETED and idle:
            yield Mend(
                name="sessions",
                done=False,
                message=f"{session.id} waits to be continued",
                hint=f"gitfleet continue {session.id}",
            )


STEPS: tuple[Step, ...] = (
    ("state", _permissions),
    ("state", _files),
    ("exclude", _exclude),
    ("live link", _link),
    ("landings", _landings),
    ("claims", _claims),
    ("attempts", _attempts),
    ("planner", _planners),
    ("worktrees", _worktrees),
    ("sessions", _waiting),
    ("account", mend_accounts),
)
"""In this order: what a later step reads, an earlier one has put right."""

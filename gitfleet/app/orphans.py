"""What gitfleet made and no session knows any more: found and named, never touched here.

A session that cannot be read is known: what is its own is no orphan. Which process belongs to an attempt is told by
its environment; one that cleared it is not found.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.app.planning.planners import abandoned, agent_runs, begun
from gitfleet.errors import GitfleetError
from gitfleet.model.evidence import WIP
from gitfleet.store.files import names, read_regular
from gitfleet.store.layout import check_label, setup_label, verify_label
from gitfleet.store.leases import Leases
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.workspace import Workspace
    from gitfleet.store.layout import Layout

_INSTANCE = re.compile(r"fleet-(?P<session>.+?)-(?:w\d+-a\d+(?:-check|-setup)?|verify|integration)(?:\.\d+)?")
_SLOT = re.compile(r"tree-\d+")


@dataclass(frozen=True, slots=True)
class Orphan:
    """One thing that nobody knows: its kind, its name, and what can be done.

    ``kept`` is work that is kept on purpose, until a person says otherwise.
    """

    kind: str
    name: str
    message: str
    hint: str
    kept: bool = False


@dataclass(slots=True)
class Known:
    """Instances and sessions that the state knows."""

    sessions: frozenset[str]
    labels: frozenset[str]
    unread: frozenset[str]

    @classmethod
    def of(cls, layout: Layout) -> Known:
        """Read the state."""
        state = State(layout)
        labels: set[str] = set()
        unread: set[str] = set()
        names = state.session_ids()
        for session in names:
            labels |= {verify_label(session), f"fleet-{session}-integration"}
            try:
                instances = [run.instance for run in state.read_runs(session).values() if run.instance]
            except GitfleetError:
                unread.add(session)
                continue
            labels |= {
                label for instance in instances for label in (instance, check_label(instance), setup_label(instance))
            }
        # A planner has no session; what is of one that works, or that is about to be ended, is known.
        labels |= begun(layout)
        return cls(frozenset(names), frozenset(labels), frozenset(unread))

    def knows(self, label: str) -> bool:
        """Whether a name of an instance is one that a session knows, or may know."""
        if label in self.labels or label.rpartition(".")[0] in self.labels:
            return True
        match = _INSTANCE.fullmatch(label)
        return match is not None and match["session"] in self.unread


def session_of(label: str) -> str:
    """The session in the name of an instance; empty for any other name."""
    match = _INSTANCE.fullmatch(label)
    return match["session"] if match else ""


def orphans(workspace: Workspace) -> Iterator[Orphan]:
    """Name everything that nobody knows."""
    known = Known.of(workspace.layout)
    yield from trees_set_aside(workspace.layout)
    yield from _worktrees(workspace, known)
    yield from _branches(workspace, known)
    yield from _snapshots(workspace, known)
    yield from attempts(workspace.layout, known)
    yield from _planners(workspace.layout)
    yield from _processes(workspace, known)


def attempts(layout: Layout, known: Known) -> Iterator[Orphan]:
    """Directories of attempts without a run; costs no git call."""
    root = layout.root / "attempts"
    for name in names(root):
        if known.knows(name) or not _INSTANCE.fullmatch(name):
            continue
        lives = any(holder(place / "lock") is not None for place in (root / name).glob("*"))
        yield Orphan(
            "attempts",
            name,
            f"{name} is an attempt of no session" + (", and its agent runs" if lives else ""),
            "`gitfleet doctor --fix` stops it and moves its log to the trash",
        )


def _planners(layout: Layout) -> Iterator[Orphan]:
    """Calls of the planner whose gitfleet was killed."""
    for name in abandoned(layout):
        words = f"the planner {name} was left behind by a gitfleet that was killed"
        words += ", and its agent runs on" if agent_runs(layout, name) else ""
        yield Orphan("planner", name, words, "`gitfleet doctor --fix` ends it, and so does the next call of a planner")


def _worktrees(workspace: Workspace, known: Known) -> Iterator[Orphan]:
    from gitfleet.git import worktrees  # noqa: PLC0415 - status pays for none of this
    from gitfleet.git.pool_root import pool_root  # noqa: PLC0415

    pool = pool_root(workspace.repository, workspace.config.worktrees.root)
    leases = Leases(workspace.layout).live()
    entries = {os.path.realpath(entry.path): entry for entry in worktrees.entries(workspace.repository)}
    for path, entry in entries.items():
        ours = os.path.dirname(path) == os.path.realpath(pool)  # noqa: PTH120 - a name may hold any byte
        if not ours or entry.prunable:
            continue
        if _SLOT.fullmatch(entry.path.name):
            lease = leases.get(entry.path.name)
            if lease is not None and lease.session not in known.sessions:
                words = f"the tree {path} is still leased to {lease.instance}, of a session that is gone"
                yield Orphan("lease", path, words, "the next wave takes it back, and keeps what it holds in a snapshot")
            continue
        label = _label(Path(path))
        if not known.knows(label) and not known.knows(entry.path.name):
            hint = f"look at what it holds, then: git worktree remove {path}"
            yield Orphan("worktree", path, f"the worktree {path} belongs to no session", hint)
    for place in sorted(pool.iterdir()) if pool.is_dir() else ():
        if place.is_dir() and not place.name.startswith(".") and os.path.realpath(place) not in entries:
            yield Orphan(
                "directory", str(place), f"{place} is no worktree that git knows", "look at it, then remove it yourself"
            )


def trees_set_aside(layout: Layout) -> Iterator[Orphan]:
    """Trees that were taken out of the pool for a person to look at; costs no git call."""
    for tree in Leases(layout).set_aside().values():
        words = f"the worktree {tree.path}{f' of {tree.instance}' if tree.instance else ''} was set aside: {tree.why}"
        yield Orphan("quarantine", tree.path, words, f"look at what it holds, then: {tree.let_go}")


def _label(path: Path) -> str:
    from gitfleet.git.worktrees import INSTANCE_FILE  # noqa: PLC0415

    try:
        return read_regular(path / INSTANCE_FILE, 256).decode("utf-8", "replace").strip()
    except OSError:
        return path.name


def _branches(workspace: Workspace, known: Known) -> Iterator[Orphan]:
    git = workspace.repository.git
    prefix = f"refs/heads/{workspace.config.branch_prefix}/"
    merged = git.run("for-each-ref", "--merged=HEAD", "--format=%(refname)", prefix, ok=(0, 1, 128, 129)).text.split()
    for ref in git.run("for-each-ref", "--format=%(refname)", prefix).text.split():
        parts = ref.removeprefix(prefix).split("/")
        if len(parts) == 2 and parts[0] not in known.sessions:
            name = ref.removeprefix("refs/heads/")
            done = ref in merged
            words = "and holds nothing that HEAD does not" if done else "and holds work of its own"
            yield Orphan(
                "branch",
                name,
                f"{name} is of no session, {words}",
                f"git branch -{'d' if done else 'D'} {name}",
                not done,
            )


def _snapshots(workspace: Workspace, known: Known) -> Iterator[Orphan]:
    refs = workspace.repository.git.run("for-each-ref", "--format=%(refname)", WIP).text.split()
    for ref in refs:
        if not known.knows(ref.removeprefix(WIP).rpartition("/")[0]):
            yield Orphan("snapshot", ref, f"{ref} keeps work of a session that is gone", f"git show {ref}", kept=True)


def _processes(workspace: Workspace, known: Known) -> Iterator[Orphan]:
    """Processes that an agent of this repository started, and whose attempt is over or known to nobody."""
    from gitfleet.runtime.processes import ZOMBIE  # noqa: PLC0415
    from gitfleet.runtime.tables import open_table  # noqa: PLC0415
    from gitfleet.runtime.tree import NONCE  # noqa: PLC0415

    table = open_table()
    root = os.path.realpath(workspace.layout.root / "attempts")
    for process in table.snapshot().values():
        if process.state == ZOMBIE or process.pid == os.getpid():
            continue
        variables = dict(word.partition(b"=")[::2] for word in (table.environment(process) or b"").split(b"\0"))
        handoff = os.fsdecode(variables.get(b"GITFLEET_HANDOFF", b""))
        if NONCE.encode() not in variables or not os.path.realpath(handoff).startswith(f"{root}/"):
            continue
        attempt = Path(handoff).parent
        over = (attempt / "exit.json").exists() or not known.knows(attempt.parent.name)
        if over and holder(attempt / "lock") is None:
            yield Orphan(
                "process",
                process.label(),
                f"{process.label()} was started by {attempt.parent.name}, which is over",
                f"kill {process.pid}",
            )

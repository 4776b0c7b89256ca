"""The closeout of a session or a run: the state says it, or the records that its landings left on a branch.

Read only. A fresh clone has the records alone: claims and worktrees are local, so none are held there.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.app.checklist import BRANCHES, Facts, approval, checklist, going_on
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.engine import MissingObject
from gitfleet.git.engines import open_objects
from gitfleet.git.refs import Refs
from gitfleet.integrate.verify import checked_tree
from gitfleet.model.base import decode
from gitfleet.model.reports import CloseoutReport
from gitfleet.model.run import Run
from gitfleet.model.session import Session, SessionState
from gitfleet.model.usage import summary
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.documents import front_matter
from gitfleet.store.leases import Leases
from gitfleet.store.state import State
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.workspace import Workspace
    from gitfleet.git.objects import Objects
    from gitfleet.model.usage import UsageSummary

INSTANCE = re.compile(r"fleet-(?P<session>[a-z0-9][a-z0-9._-]*)-w\d+-a\d+")


@dataclass(frozen=True, slots=True)
class Known:
    """A session as somebody tells of it: ``session`` is none where only some of its runs are on record."""

    id: str
    session: Session | None
    runs: dict[str, Run]
    source: str

    @property
    def state(self) -> SessionState | None:
        """Where the session stands."""
        return self.session.state if self.session else None

    @property
    def target(self) -> str:
        """The ref that it lands on."""
        merged = (run.merge.target for run in self.runs.values() if run.merge)
        return self.session.target if self.session else next(merged, "")


def closeout(workspace: Workspace, word: str) -> CloseoutReport:
    """The checklist of the session, or of the run, that ``word`` names.

    Raises ``GitfleetError`` (``unknown-name``) where neither the state nor a branch knows it, ``damaged-record``.
    """
    named = INSTANCE.fullmatch(word)
    with open_objects(workspace.repository, now=workspace.now) as objects:
        known = _in_state(workspace, word, named["session"] if named else "") or _on_a_branch(
            workspace, objects, [named["session"], word] if named else [word]
        )
        runs = list(known.runs.values()) if known is not None else []
        if known is not None and known.id != word:
            runs = [run for run in runs if run.instance == word]
        if known is None or not runs:
            raise _unknown(workspace, word)
        asked = _Asked(workspace, objects, known)
        items = tuple(checklist(run, asked.facts(run)) for run in sorted(runs, key=lambda run: (run.wave, run.task)))
    over = known.state is SessionState.COMPLETED
    asks = next((command for run in runs if (command := approval(run))), "")
    mend = (
        ""
        if over
        else asks or going_on(known.id, known.state) or "its records end before its session does: git fetch --all"
    )
    return CloseoutReport(
        session=known.id,
        session_state=known.state,
        target=known.target,
        source=known.source,
        ok=all(run.ok for run in items) and (over or known.id != word),
        runs=items,
        mend=mend,
    )


def _in_state(workspace: Workspace, word: str, session: str) -> Known | None:
    state = State(workspace.layout)
    for name in state.session_ids():
        if name in {word, session}:
            return Known(name, state.read_session(name), state.read_runs(name), "state")
    return None


def _on_a_branch(workspace: Workspace, objects: Objects, names: list[str]) -> Known | None:
    """The records with the most runs; those of the branch that is checked out, among equals."""
    best: Known | None = None
    seen: set[str] = set()
    for ref, commit in _tips(workspace):
        if commit in seen:
            continue
        seen.add(commit)
        for name in names:
            found = _records(objects, ref, commit, name)
            if found is not None and (best is None or len(found.runs) > len(best.runs)):
                best = found
    return best


def _tips(workspace: Workspace) -> Iterator[tuple[str, str]]:
    head = Refs(workspace.repository.git).head()
    if head.oid is not None:
        yield head.branch or "HEAD", head.oid
    listed = workspace.repository.git.run(
        "for-each-ref", "--format=%(objecttype) %(objectname) %(refname)", BRANCHES, "refs/remotes/"
    )
    for line in listed.text.splitlines():
        kind, commit, ref = line.split(" ", 2)
        if kind == "commit":
            yield ref, commit


def _records(objects: Objects, ref: str, commit: str, name: str) -> Known | None:
    try:
        tree = objects.commit(commit).tree
        home = f".planning/sessions/{name}".encode()
        runs: dict[str, Run] = {}
        for _, entry in objects.entries(tree, home + b"/runs"):
            run = decode(objects.blob(entry.oid), Run)
            runs[run.task] = run
        if not runs:
            return None
        report = objects.entry(tree, home + b"/session.md")
        session = front_matter.parse(objects.blob(report.oid), Session)[0] if report is not None else None
    except MissingObject:
        return None  # a shallow or partial clone does not have this branch
    except UNREADABLE as error:
        raise GitfleetError(
            Kind.ENVIRONMENT,
            "damaged-record",
            f"The records of {name} on {ref} cannot be read: {error}",
            hint="`gitfleet check` names the file.",
        ) from error
    return Known(name, session, runs, ref)


def _unknown(workspace: Workspace, word: str) -> GitfleetError:
    state = State(workspace.layout)
    every = [*state.session_ids()]
    near = difflib.get_close_matches(word, every, n=1)
    return GitfleetError(
        Kind.USAGE,
        "unknown-name",
        f"There is no session and no instance {word}, here or in the records of a branch.",
        hint=f"Did you mean {near[0]}?" if near else "`gitfleet status --all` lists what there is.",
    )


class _Asked:
    """What the repository says of the runs of one session."""

    def __init__(self, workspace: Workspace, objects: Objects, known: Known) -> None:
        self.layout, self.objects, self.known = workspace.layout, objects, known
        self.usage = UsageStore(workspace.layout)
        refs = Refs(workspace.repository.git)
        branch = known.target.removeprefix(BRANCHES)
        followed = [
            ref for ref, _ in _tips(workspace) if ref.startswith("refs/remotes/") and ref.endswith("/" + branch)
        ]
        places = [known.target, *followed, known.source] if known.target else [known.source]
        found = ((place, refs.read(place) if place != "HEAD" else refs.head().oid) for place in places)
        nowhere: tuple[str, str | None] = (known.target, None)
        self.place, self.tip = next(((place, tip) for place, tip in found if tip), nowhere)
        leases = Leases(self.layout)
        self.slots = {lease.instance: lease.slot for lease in leases.live().values() if lease is not None}
        self.aside = {tree.instance: tree.place for tree in leases.set_aside().values() if tree.instance}

    def facts(self, run: Run) -> Facts:
        """Everything that its checklist needs."""
        commit = run.merge.commit if run.merge else ""
        present = bool(commit) and self.objects.resolve(commit) is not None
        return Facts(
            session=self.known.state,
            target=self.place,
            present=present,
            reachable=present and self.tip is not None and self.objects.is_ancestor(commit, self.tip),
            landed_tree=self._landed_tree(run),
            claimed=bool(run.instance) and os.path.lexists(self.layout.claim(run.instance)),
            slot=self.slots.get(run.instance, ""),
            set_aside=self.aside.get(run.instance, ""),
            rows=self._rows(run) if self.known.source == "state" else None,
        )

    def _rows(self, run: Run) -> dict[int, UsageSummary]:
        found = {
            one.number: self.usage.read(run.session, run.instance, one.number) for one in run.attempts if run.instance
        }
        return {number: summary(rows.rows, rows.truth) for number, rows in found.items() if rows is not None}

    def _landed_tree(self, run: Run) -> str:
        """The tree of the candidate that the run landed with, as checks saw it."""
        number = run.merge.landing if run.merge else 0
        landings = self.known.session.landings if self.known.session else ()
        candidates = [landing.candidate for landing in landings if landing.number == number]
        if not candidates:
            candidates = [self._candidate(number)]
        try:
            return checked_tree(self.objects, candidates[0]) if candidates[0] else ""
        except MissingObject:
            return ""

    def _candidate(self, number: int) -> str:
        """Where no session says: the last merge of the landing, which is the one that the others are reachable from."""
        merges = [run.merge.commit for run in self.known.runs.values() if run.merge and run.merge.landing == number]
        for merge in merges:
            if self.objects.resolve(merge) and all(self.objects.is_ancestor(other, merge) for other in merges):
                return merge
        return ""

"""The books of one session: what is true in memory is on disk first.

Every change of a run goes through the transition table and is written durably before the coordinator acts on it. At
each boundary the whole session is also committed to ``refs/gitfleet/state/<session>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.git.state_ref import StateRefBusy, commit_blobs
from gitfleet.model.base import encode, instant
from gitfleet.model.event import EventKind
from gitfleet.model.run import IllegalTransitionError, Run, RunState, advance, record
from gitfleet.model.session import SessionState, Verdicts, move
from gitfleet.relay.report import render_session
from gitfleet.store.files import remove_durable, write_durable
from gitfleet.store.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.coordinator.observer import Observer
    from gitfleet.model.plan import Plan
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts
    from gitfleet.store.stamps import Stamp


class Books:
    """One session's files, and the only writer of them while its lock is held.

    ``secrecy`` replaces the secrets of accounts in whatever is written.
    """

    def __init__(self, parts: Parts, session: Session, plan: Plan, runs: dict[str, Run], observer: Observer) -> None:
        """Open the books; ``runs`` are as the state holds them."""
        self._parts = parts
        self._observer = observer
        self.session = session
        self.plan = plan
        self.runs = runs
        self.secrecy = Redaction({})
        self._stamps: dict[str, Stamp] = {}
        self._blobs: dict[str, str] = {}
        self._mirrored: str | None = None

    def advance(self, task: str, state: RunState, **facts: object) -> Run:
        """Move a run and record facts with it, on disk first."""
        return self._put(advance(self.runs[task], state, **facts))

    def record(self, task: str, **facts: object) -> Run:
        """Record facts about a run without moving it."""
        return self._put(record(self.runs[task], **facts))

    def replace(self, run: Run) -> Run:
        """Take a run as another step computed it, such as a sealed run of a landing."""
        return self._put(run)

    def replace_all(self, runs: Sequence[Run]) -> None:
        """Take runs that one decision changes, all or none: half a red batch would be tried again without the rest."""
        runs = [self.secrecy.document(run) for run in runs]
        path = self._parts.layout.verdicts(self.session.id)
        write_durable(path, encode(Verdicts(runs=tuple(runs))))
        self._parts.state.write_runs(self._parts.proof, runs)
        self.runs.update((run.task, run) for run in runs)
        remove_durable(path)

    def _put(self, run: Run) -> Run:
        run = self.secrecy.document(run)
        self._parts.state.write_run(self._parts.proof, run)
        self.runs[run.task] = run
        return run

    def update(self, **facts: object) -> None:
        """Change facts of the session itself and write ``session.md``; its state only ``move`` changes."""
        if "state" in facts:
            msg = "state changes go through move"
            raise IllegalTransitionError(msg)
        self.session = msgspec.structs.replace(self.session, **facts)
        self.write_session()

    def move(self, state: SessionState, **facts: object) -> None:
        """Move the session to another state, record facts with it, and write ``session.md``."""
        self.session = move(self.session, state, **facts)
        self.write_session()

    def write_session(self) -> None:
        """Write ``session.md`` as it stands: front matter and report."""
        report = render_session(self.session, self.plan, self.runs)
        self._parts.state.write_session(self._parts.proof, self.session, report)

    def event(
        self, kind: EventKind, message: str, *, run: Run | None = None, status: str = "", wave: int | None = None
    ) -> None:
        """Write an event to the journal and tell the observer."""
        event = self._parts.journal.event(
            kind,
            self.secrecy.text(message),
            wave=run.wave if run else wave,
            task=run.task if run else "",
            instance=run.instance if run else "",
            status=status,
        )
        self._observer.event(event)

    def checkpoint(self, what: str) -> None:
        """Commit the session's state to its own ref, so that a clone can push and fetch it.

        Only what changed since the last one is read and stored: a boundary costs what happened before it.
        """
        objects, ref = self._parts.objects, f"refs/gitfleet/state/{self.session.id}"
        # What was stored is kept by the ref alone: where that is not as we left it, everything is stored again.
        seen = self._stamps if self._mirrored is not None and objects.resolve(ref) == self._mirrored else {}
        stamps, changed = self._parts.state.files_since(self.session.id, seen)
        blobs = self._blobs | dict(zip(changed, objects.write_blobs(changed.values()), strict=True))
        self._stamps, self._blobs = stamps, {path: blobs[path] for path in stamps}
        files = {path.encode("utf-8"): oid for path, oid in self._blobs.items()}
        try:
            self._mirrored = commit_blobs(objects, ref, files, f"gitfleet: {self.session.id} {what}\n")
        except StateRefBusy as error:
            # A mirror for other clones, and never the authority: whoever blocks it must not stop the session.
            self._mirrored = None
            self.event(EventKind.ERROR, f"the state was not committed for other clones: {error}", status="not-mirrored")
        # Every landing leaves a pack, and each one that was looked into stays open and mapped otherwise.
        objects.close()

    def now(self) -> str:
        """The present as an instant."""
        return instant(self._parts.now())

    def counts(self) -> dict[RunState, int]:
        """How many runs are in each state."""
        counts = dict.fromkeys(RunState, 0)
        for run in self.runs.values():
            counts[run.state] += 1
        return counts

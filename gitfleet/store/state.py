"""The state: everything of open sessions, below the Git common directory, where no checkout can take it away.

A session appears by one rename of a complete directory. Every later write needs the proof of that session's lock and
replaces one file durably.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import encode
from gitfleet.store.documents import front_matter
from gitfleet.store.files import (
    make_directory,
    names,
    rename_durable,
    sweep,
    write_all_durable,
    write_durable,
)
from gitfleet.store.locks import hold
from gitfleet.store.reading import StateReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitfleet.model.handoff import Discoveries
    from gitfleet.model.momentum import SessionMomentum
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.store.locks import SessionLock


class State(StateReader):
    """Sessions of one repository on disk, with their beginning, their writes and their end."""

    # -- a session's life -----------------------------------------------------------------------------------------

    def create_session(self, session: Session, *, plan: bytes, config: bytes, runs: Iterable[Run], report: str) -> None:
        """Make a session appear, complete, by one rename.

        Raises ``GitfleetError`` (``session-exists``) when the id is taken. What an earlier, killed call left in
        ``state/tmp`` is removed on the way.
        """
        final = self.layout.session(session.id)
        make_directory(self.layout.sessions)
        make_directory(self.layout.tmp)
        with hold(self.layout.lock("create-session"), timeout=10.0, what="the creation of sessions"):
            for name in names(self.layout.tmp):
                shutil.rmtree(self.layout.tmp / name)
            if final.exists():
                raise GitfleetError(
                    Kind.USAGE, "session-exists", f"a session {session.id} exists", hint="start it under another id"
                )
            building = self.layout.tmp / session.id
            for directory in (building, building / "runs", building / "waves"):
                directory.mkdir(mode=0o700)
            write_durable(building / "plan.yaml", plan)
            write_durable(building / "config.yaml", config)
            records = {}
            for run in runs:
                _same_session(run.session, session.id)
                records[building / "runs" / self.layout.run(session.id, run.task).name] = encode(run)
            write_all_durable(records)
            write_durable(building / "session.md", front_matter.render(session, report))
            rename_durable(building, final)

    def remove_session(self, proof: SessionLock) -> Path | None:
        """Take a session out of the state, by renames into ``trash``; ``None`` when there was nothing left to take.

        The session's own directory goes last, so that a crash leaves a session that can be removed again. Whether
        its records are published is the caller's question.
        """
        session = self._session_of(proof)
        layout = self.layout
        parts = [
            path
            for path in (
                layout.momentum(session),
                layout.discoveries(session),
                layout.briefs(session),
                layout.session(session),
            )
            if path.exists()
        ]
        if not parts:
            return None
        number = 1
        while (layout.trash / f"{session}.{number}").exists():
            number += 1
        trash = layout.trash / f"{session}.{number}"
        make_directory(trash)
        for path in parts:
            rename_durable(path, trash / f"{path.parent.name}-{path.name}")
        return trash

    # -- writing, with the session's proof ------------------------------------------------------------------------

    def write_session(self, proof: SessionLock, session: Session, report: str) -> None:
        """Replace ``session.md``."""
        _same_session(session.id, self._session_of(proof))
        write_durable(self.layout.report(session.id), front_matter.render(session, report))

    def write_run(self, proof: SessionLock, run: Run) -> None:
        """Replace or add a run record."""
        _same_session(run.session, self._session_of(proof))
        write_durable(self.layout.run(run.session, run.task), encode(run))

    def write_runs(self, proof: SessionLock, runs: Iterable[Run]) -> None:
        """Replace or add several run records, one after the other; durable, all of them, when this returns."""
        session = self._session_of(proof)
        records = {}
        for run in runs:
            _same_session(run.session, session)
            records[self.layout.run(run.session, run.task)] = encode(run)
        write_all_durable(records)

    def add_amendment(self, proof: SessionLock, plan: bytes) -> int:
        """Keep an amendment of the plan; returns its number, 2 or higher."""
        session = self._session_of(proof)
        number = len(self.amendments(session)) + 2
        write_durable(self.layout.plan(session, number), plan)
        return number

    def write_wave(self, proof: SessionLock, number: int, text: str) -> None:
        """Write what landing ``number`` did, for people."""
        self._write_below(self.layout.wave(self._session_of(proof), number), text.encode())

    def write_brief(self, proof: SessionLock, task: str, text: str) -> None:
        """Write the brief of a task."""
        session = self._session_of(proof)
        name = self.layout.run(session, task).with_suffix(".md").name
        self._write_below(self.layout.briefs(session) / name, text.encode())

    def write_discoveries(self, proof: SessionLock, discoveries: Discoveries) -> None:
        """Write the discoveries of a task."""
        session = self._session_of(proof)
        _same_session(discoveries.session, session)
        name = self.layout.run(session, discoveries.task).name
        self._write_below(self.layout.discoveries(session) / name, encode(discoveries))

    def write_momentum(self, proof: SessionLock, momentum: SessionMomentum) -> None:
        """Write what the closed session adds to momentum."""
        session = self._session_of(proof)
        _same_session(momentum.session, session)
        path = self.layout.momentum(session)
        make_directory(path.parent)
        # The directory is every session's; an unfinished file is swept with its own.
        write_durable(path, encode(momentum), by_way_of=self.layout.session(session))

    def sweep(self, proof: SessionLock) -> int:
        """Remove unfinished writes that a killed coordinator of this session left; returns how many."""
        session = self._session_of(proof)
        layout = self.layout
        directory = layout.session(session)
        places = (
            directory,
            directory / "runs",
            directory / "waves",
            layout.briefs(session),
            layout.discoveries(session),
        )
        return sum(sweep(place) for place in places)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _session_of(self, proof: SessionLock) -> str:
        """The session whose lock this is; raises ``AssertionError`` for a proof that is stale or not of this state."""
        proof.check()
        session = proof.path.name.removeprefix("session-").removesuffix(".lock")
        if proof.path != self.layout.session_lock(session):
            msg = f"{proof.path} is not a session lock of {self.layout.root}"
            raise AssertionError(msg)
        return session

    def _write_below(self, path: Path, data: bytes) -> None:
        make_directory(path.parent)
        write_durable(path, data)


def _same_session(given: str, expected: str) -> None:
    if given != expected:
        msg = f"a document of session {given} was written with the proof of {expected}"
        raise AssertionError(msg)

"""The state: everything of open sessions, below the Git common directory, where no checkout can take it away.

A session appears by one rename of a complete directory. Every later write needs the proof of that session's lock and
replaces one file durably; nothing spans two files, so a reader without a lock sees each file whole but may see two
files of different moments. What a coordinator derives from them must hold for any prefix of its writes.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import decode, encode
from gitfleet.model.claim import Claim
from gitfleet.model.handoff import Discoveries
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import Run
from gitfleet.model.session import Session, SessionState
from gitfleet.store.damage import UNREADABLE, damaged, read_bytes, read_document
from gitfleet.store.documents import front_matter
from gitfleet.store.files import is_temporary, make_directory, names, rename_durable, sweep, write_durable
from gitfleet.store.locks import hold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from gitfleet.store.layout import Layout
    from gitfleet.store.locks import SessionLock

Stamp: TypeAlias = tuple[int, int, int]
"""What tells one content of a file from the next: inode, time of the last write, size."""


class State:
    """Sessions of one repository on disk."""

    def __init__(self, layout: Layout) -> None:
        """Work on this layout; nothing is read or made yet."""
        self.layout = layout

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
            for run in runs:
                _same_session(run.session, session.id)
                write_durable(building / "runs" / self.layout.run(session.id, run.task).name, encode(run))
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

    # -- reading, without a lock ----------------------------------------------------------------------------------

    def session_ids(self) -> tuple[str, ...]:
        """Ids of all sessions in the state, sorted."""
        return tuple(names(self.layout.sessions))

    def read_session(self, session: str) -> Session:
        """Front matter of ``session.md``; raises ``GitfleetError`` when unknown or damaged."""
        return self._parse_report(session)[0]

    def read_report(self, session: str) -> str:
        """Body of ``session.md``."""
        return self._parse_report(session)[1]

    def read_plan_bytes(self, session: str, number: int = 1) -> bytes:
        """The accepted plan as it was given; ``number`` 2 and up are amendments (``amendments`` lists them)."""
        self._known(session)
        return read_bytes(self.layout, self.layout.plan(session, number), session)

    def read_config_bytes(self, session: str) -> bytes:
        """The configuration that was frozen into the session."""
        self._known(session)
        return read_bytes(self.layout, self.layout.config(session), session)

    def amendments(self, session: str) -> tuple[int, ...]:
        """Numbers of the plan's amendments, from 2, without a gap."""
        number = 2
        while self.layout.plan(session, number).is_file():
            number += 1
        return tuple(range(2, number))

    def read_runs(self, session: str) -> dict[str, Run]:
        """All run records by task id, sorted by task id."""
        return {task: self.read_run(session, task) for task in self.run_ids(session)}

    def run_ids(self, session: str) -> tuple[str, ...]:
        """Task ids of all run records, sorted."""
        self._known(session)
        found = names(self.layout.runs(session))
        return tuple(name.removesuffix(".json") for name in found if name.endswith(".json"))

    def read_run(self, session: str, task: str) -> Run:
        """One run record; raises ``GitfleetError`` (``damaged-state``) when it is missing, damaged or another's."""
        path = self.layout.run(session, task)
        run = read_document(self.layout, path, Run, session)
        if (run.session, run.task) != (session, task):
            raise damaged(self.layout, path, session, f"it is the record of {run.session}/{run.task}")
        return run

    def read_briefs(self, session: str, tasks: Collection[str] | None = None) -> dict[str, str]:
        """Briefs by task id: all of them, or those of some tasks."""
        directory = self.layout.briefs(session)
        found = (name.removesuffix(".md") for name in names(directory) if name.endswith(".md"))
        return {
            task: (directory / f"{task}.md").read_bytes().decode("utf-8", "replace")
            for task in found
            if tasks is None or task in tasks
        }

    def read_discoveries(self, session: str) -> tuple[Discoveries, ...]:
        """Discoveries of a session, by task id."""
        directory = self.layout.discoveries(session)
        found = [name for name in names(directory) if name.endswith(".json")]
        return tuple(read_document(self.layout, directory / name, Discoveries, session) for name in found)

    def read_waves(self, session: str) -> dict[int, str]:
        """What the session's landings did, by number."""
        return {
            int(name[1:-3]): data.decode("utf-8", "replace")
            for name, data in self._files_in(self.layout.session(session) / "waves")
            if name.startswith("w") and name.endswith(".md") and name[1:-3].isdecimal()
        }

    def read_momentum(self, session: str) -> SessionMomentum | None:
        """A closed session's share of momentum, or ``None`` when it has not been written."""
        path = self.layout.momentum(session)
        return read_document(self.layout, path, SessionMomentum, session) if path.exists() else None

    def read_momenta(self) -> tuple[SessionMomentum, ...]:
        """Shares of momentum of all closed sessions in the state."""
        directory = self.layout.state / "momentum"
        found = [name for name in names(directory) if name.endswith(".json")]
        return tuple(
            read_document(self.layout, directory / name, SessionMomentum, name.removesuffix(".json")) for name in found
        )

    def files(self, session: str) -> dict[str, bytes]:
        """What ``refs/gitfleet/state/<session>`` holds: paths below the state, live claims of the session included.

        What is removed while this runs (a released claim, an answered request) is left out.
        """
        return self.files_since(session, {})[1]

    def files_since(self, session: str, seen: Mapping[str, Stamp]) -> tuple[dict[str, Stamp], dict[str, bytes]]:
        """The same, for somebody who has read it before: stamps of all files, and those whose stamp is not in ``seen``.

        A file of the state is only ever replaced whole by another, so its inode and times tell.
        """
        self._known(session)
        layout = self.layout
        stamps: dict[str, Stamp] = {}
        found: dict[str, bytes] = {}
        homes = (layout.session(session), layout.briefs(session), layout.discoveries(session), layout.claims)
        for path, stamp in (*(file for home in homes for file in _walk(home)), *_stamped([layout.momentum(session)])):
            relative = path.removeprefix(f"{layout.state}/")
            with suppress(FileNotFoundError):
                if seen.get(relative) != stamp:
                    data = Path(path).read_bytes()
                    if relative.startswith("claims/") and not _claims_for(data, session):
                        continue
                    found[relative] = data
                stamps[relative] = stamp
        return stamps, dict(sorted(found.items()))

    # -- writing, with the session's proof ------------------------------------------------------------------------

    def write_session(self, proof: SessionLock, session: Session, report: str) -> None:
        """Replace ``session.md``."""
        _same_session(session.id, self._session_of(proof))
        write_durable(self.layout.report(session.id), front_matter.render(session, report))

    def write_run(self, proof: SessionLock, run: Run) -> None:
        """Replace or add a run record."""
        _same_session(run.session, self._session_of(proof))
        write_durable(self.layout.run(run.session, run.task), encode(run))

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
        self._write_below(self.layout.momentum(session), encode(momentum))

    def write_text(self, proof: SessionLock, session: str, relative: str, data: bytes) -> None:
        """Write any file of the session, by its path below the state, such as ``briefs/<session>/api.md``.

        Raises ``AssertionError`` for a path that is not the session's.
        """
        _same_session(session, self._session_of(proof))
        path = self.layout.state / relative
        layout = self.layout
        homes = (layout.session(session), layout.briefs(session), layout.discoveries(session))
        inside = any(path.is_relative_to(home) and path != home for home in homes) or path == layout.momentum(session)
        if not inside or ".." in path.parts:
            msg = f"{relative} is no file of session {session}"
            raise AssertionError(msg)
        self._write_below(path, data)

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

    def _known(self, session: str) -> None:
        if not self.layout.session(session).is_dir():
            known = ", ".join(self.session_ids()) or "there is none"
            raise GitfleetError(
                Kind.USAGE,
                "unknown-session",
                f"no session {session} in this repository",
                hint=f"sessions here: {known}",
            )

    def _parse_report(self, session: str) -> tuple[Session, str]:
        self._known(session)
        path = self.layout.report(session)
        data = read_bytes(self.layout, path, session)
        try:
            parsed, body = front_matter.parse(data, Session)
        except UNREADABLE as error:
            raise damaged(self.layout, path, session, str(error)) from error
        if parsed.id != session:
            raise damaged(self.layout, path, session, f"it is the report of session {parsed.id}")
        return parsed, body

    def _files_in(self, directory: Path) -> Iterator[tuple[str, bytes]]:
        for name in names(directory):
            yield name, (directory / name).read_bytes()

    def _write_below(self, path: Path, data: bytes) -> None:
        make_directory(path.parent)
        write_durable(path, data)


def is_closed(session: Session) -> bool:
    """Whether nothing of the session can run again."""
    return session.state is SessionState.COMPLETED


def open_sessions(state: State) -> Mapping[str, Session]:
    """Sessions that are not closed, by id."""
    sessions = {name: state.read_session(name) for name in state.session_ids()}
    return {name: session for name, session in sessions.items() if not is_closed(session)}


def _same_session(given: str, expected: str) -> None:
    if given != expected:
        msg = f"a document of session {given} was written with the proof of {expected}"
        raise AssertionError(msg)


def _claims_for(data: bytes, session: str) -> bool:
    try:
        return decode(data, Claim).session == session
    except UNREADABLE:
        return False


def _walk(directory: Path) -> Iterator[tuple[str, Stamp]]:
    """Files below a directory with their stamps, without unfinished writes and what goes away meanwhile."""
    try:
        with os.scandir(directory) as found:
            entries = [entry for entry in found if not is_temporary(entry.name)]
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from _walk(Path(entry.path))
    yield from _stamped(entry for entry in entries if not entry.is_dir())


def _stamped(files: Iterable[os.PathLike[str]]) -> Iterator[tuple[str, Stamp]]:
    for file in files:
        with suppress(FileNotFoundError):
            facts = os.stat(file)  # noqa: PTH116 - of a directory's entry as well as of a path
            yield os.fspath(file), (facts.st_ino, facts.st_mtime_ns, facts.st_size)

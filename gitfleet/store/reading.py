"""Reading the state, without a lock.

A reader sees each file whole but may see two files of different moments: nothing spans two files, and what is derived
from them must hold for any prefix of a coordinator's writes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import decode
from gitfleet.model.claim import Claim
from gitfleet.model.handoff import Discoveries
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import Run
from gitfleet.model.session import Session
from gitfleet.store.damage import UNREADABLE, damaged, read_bytes, read_document
from gitfleet.store.documents import front_matter
from gitfleet.store.files import names, read_regular
from gitfleet.store.stamps import stamped, walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from gitfleet.store.layout import Layout
    from gitfleet.store.stamps import Stamp


class StateReader:
    """What the sessions of one repository say, by whoever asks."""

    def __init__(self, layout: Layout) -> None:
        """Work on this layout; nothing is read or made yet."""
        self.layout = layout

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
        # Whatever it is: one that cannot be read is told so by name, and not taken for the end of the list.
        while os.path.lexists(self.layout.plan(session, number)):
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
            task: read_regular(directory / f"{task}.md").decode("utf-8", "replace")
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
        state = f"{layout.state}/"
        homes = (layout.session(session), layout.briefs(session), layout.discoveries(session), layout.claims)
        for path, stamp in (*(file for home in homes for file in walk(home)), *stamped([layout.momentum(session)])):
            relative = path.removeprefix(state)
            with suppress(FileNotFoundError):
                if seen.get(relative) != stamp:
                    data = read_regular(Path(path))
                    if relative.startswith("claims/") and not _claims_for(data, session):
                        continue
                    found[relative] = data
                stamps[relative] = stamp
        return stamps, dict(sorted(found.items()))

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
            yield name, read_regular(directory / name)


def _claims_for(data: bytes, session: str) -> bool:
    try:
        return decode(data, Claim).session == session
    except UNREADABLE:
        return False

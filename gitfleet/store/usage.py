"""Usage rows on disk: one file an attempt, below the state, replaced whole and durably.

They are derived from the attempt's log, so a file that is written again holds the same. They outlive their session in
the state, since a day's budget counts what closed sessions used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.base import decode, encode
from gitfleet.model.usage import UsageRows
from gitfleet.store.damage import UNREADABLE, unreadable
from gitfleet.store.files import make_directory, names, read_regular, sweep, write_durable
from gitfleet.store.stamps import since

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.store.layout import Layout
    from gitfleet.store.stamps import Stamp


class UsageStore:
    """The rows of all sessions of one repository."""

    def __init__(self, layout: Layout) -> None:
        """Work on this layout; nothing is read or made yet."""
        self._layout = layout

    def write(self, session: str, instance: str, attempt: int, rows: UsageRows) -> None:
        """Replace or add the rows of one attempt; durable when this returns. Only its coordinator calls it."""
        path = self._layout.usage_of(session, instance, attempt)
        make_directory(path.parent)
        write_durable(path, encode(rows))

    def read(self, session: str, instance: str, attempt: int) -> UsageRows | None:
        """The rows of one attempt; none where none were written. Raises ``GitfleetError`` (``damaged-state``)."""
        path = self._layout.usage_of(session, instance, attempt)
        return self.read_at(path) if path.exists() else None

    def read_at(self, path: Path) -> UsageRows:
        """The rows in one of the files. Raises ``GitfleetError`` (``damaged-state``)."""
        try:
            return decode(read_regular(path), UsageRows)
        except (*UNREADABLE, OSError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or str(error)
            raise unreadable(path, why, "what its attempt used is not measured then") from error

    def sessions(self) -> tuple[str, ...]:
        """Sessions that have rows, sorted."""
        return tuple(name for name in names(self._layout.usage) if (self._layout.usage / name).is_dir())

    def of_session(self, session: str) -> Iterator[tuple[str, UsageRows | GitfleetError]]:
        """The rows of every attempt of a session, by the name of its file; where that is damaged, what to say of it."""
        for path in self._files(session):
            try:
                yield path.stem, self.read_at(path)
            except GitfleetError as error:
                if path.exists():  # or else thrown away meanwhile
                    yield path.stem, error

    def written(self, session: str, when: float) -> list[tuple[str, Stamp]]:
        """Files of a session that were written since then, in POSIX seconds, with their stamps, for ``read_at``."""
        try:
            return since(self._layout.usage / session, when, ".json")
        except (FileNotFoundError, NotADirectoryError):  # thrown away meanwhile, or none of ours
            return []

    def sweep(self, session: str) -> int:
        """Remove unfinished writes that a killed coordinator of this session left; returns how many."""
        return sweep(self._layout.usage / session)

    def _files(self, session: str) -> list[Path]:
        home = self._layout.usage / session
        return [home / name for name in names(home) if name.endswith(".json")] if home.is_dir() else []

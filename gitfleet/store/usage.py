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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.store.layout import Layout


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
        return _read(path) if path.exists() else None

    def sessions(self) -> tuple[str, ...]:
        """Sessions that have rows, sorted."""
        return tuple(name for name in names(self._layout.usage) if (self._layout.usage / name).is_dir())

    def of_session(self, session: str, since: float = 0.0) -> Iterator[tuple[str, UsageRows | GitfleetError]]:
        """The rows of every attempt of a session, by the name of its file; where that is damaged, what to say of it.

        Files that nobody wrote ``since`` then, in POSIX seconds, are left out.
        """
        for path in self._files(session):
            try:
                if path.stat().st_mtime >= since:
                    yield path.stem, _read(path)
            except FileNotFoundError:  # thrown away meanwhile
                continue
            except GitfleetError as error:
                yield path.stem, error

    def sweep(self, session: str) -> int:
        """Remove unfinished writes that a killed coordinator of this session left; returns how many."""
        return sweep(self._layout.usage / session)

    def _files(self, session: str) -> list[Path]:
        home = self._layout.usage / session
        return [home / name for name in names(home) if name.endswith(".json")] if home.is_dir() else []


def _read(path: Path) -> UsageRows:
    try:
        return decode(read_regular(path), UsageRows)
    except (*UNREADABLE, OSError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise unreadable(path, why, "what its attempt used is not measured then") from error

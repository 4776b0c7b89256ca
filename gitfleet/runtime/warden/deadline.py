"""The deadline of an attempt: the one that it was started with, unless the coordinator has moved it since."""

from __future__ import annotations

import os

from gitfleet.runtime import attempt


class Deadline:
    """Seconds that an attempt may take, counted awake from its start; read again only where its file changed."""

    def __init__(self, directory: str, planned: float | None) -> None:
        """Begin with what was ``planned``; none is without end."""
        self._file = os.path.join(directory, attempt.DEADLINE)
        self._seconds = planned
        self._seen: tuple[int, int] | None = None

    def look(self) -> float | None:
        """What it is now; a file that cannot be read or understood moves nothing."""
        try:
            facts = os.stat(self._file)
            seen = (facts.st_mtime_ns, facts.st_ino)
            if seen != self._seen:
                with open(self._file, "rb", opener=attempt.open_regular) as file:
                    self._seconds = float(file.read(64))
                self._seen = seen
        except (OSError, ValueError):
            pass
        return self._seconds

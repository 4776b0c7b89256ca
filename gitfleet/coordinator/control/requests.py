"""Requests to an open session: files that commands leave, and the answers that the coordinator leaves beside them.

The coordinator takes a request between two steps and decides alone. A request goes only after its answer lies on disk,
so a crash loses neither; one that cannot be decided yet (a task to add while a train is under way) stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.model.base import decode, encode
from gitfleet.model.request import Reply, Request
from gitfleet.store.files import read_regular, remove_durable, write_durable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REQUEST, REPLY = ".request", ".reply"


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests to the session whose directory this is."""

    session_directory: Path

    @property
    def directory(self) -> Path:
        """Where requests and answers lie."""
        return self.session_directory / "requests"

    def request(self, name: str) -> Path:
        """The file of a request."""
        return self.directory / f"{name}{REQUEST}"

    def reply(self, name: str) -> Path:
        """The file of the answer to it."""
        return self.directory / f"{name}{REPLY}"

    def take(self, decide: Callable[[Request], Reply | None]) -> None:
        """Answer what was asked since the last look; what ``decide`` has no answer for yet waits."""
        try:
            names = sorted(path for path in self.directory.iterdir() if path.name.endswith(REQUEST))
        except FileNotFoundError:
            return
        for path in names:
            reply = _answer(path, decide)
            if reply is not None:
                # Others write in this directory, too: an unfinished answer is swept with the session's own files.
                write_durable(path.with_suffix(REPLY), encode(reply), by_way_of=self.session_directory)
                remove_durable(path)


def _answer(path: Path, decide: Callable[[Request], Reply | None]) -> Reply | None:
    try:
        request = decode(read_regular(path), Request)
    except FileNotFoundError:
        # Whoever asked took it back.
        return None
    except (msgspec.MsgspecError, OSError) as error:
        return Reply(id=path.stem, error="invalid", message=f"The request cannot be read: {error}")
    return decide(request)

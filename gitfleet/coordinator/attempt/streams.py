"""What an agent's program said in its own stream, read from the log of the attempt."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.agents.transcript import Follower, read_whole

if TYPE_CHECKING:
    from gitfleet.agents.base import Agent
    from gitfleet.agents.transcript import Transcript
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle


def transcript(parts: Parts, handle: Handle, agent: Agent, *, resumed: bool) -> Transcript | None:
    """Read the whole stream of an attempt that is over; none for an agent whose output is text.

    A log that cannot be read says nothing: that its stream is not whole is said then.
    """
    reader = agent.reader(resumed=resumed)
    if reader is None:
        return None

    def log(offset: int, size: int) -> tuple[int, bytes]:
        found = parts.host.log(handle, offset, size)
        return found.offset, found.data

    with suppress(OSError):
        return read_whole(reader, log)
    lost = Follower(reader).finish()
    lost.whole = False
    return lost

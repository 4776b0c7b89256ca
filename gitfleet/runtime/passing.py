"""Secrets on their way from the host to a warden: through a pipe, and into no file; standard library only.

They are in the pipe before the warden starts, so a coordinator that is killed then takes nothing back. What they cannot
be kept from is the memory and the environment of the agent's processes, which the user's own processes can read.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 12 * 1024
"""What a pipe takes at once on every system, so that nobody has to wait for a reader."""


def tell(secrets: Mapping[str, str]) -> int:
    """Put variables into a new pipe; gives the descriptor to read them from.

    Raises ``ValueError`` when they are too long.
    """
    data = json.dumps(dict(secrets)).encode()
    if len(data) > MOST_BYTES:
        msg = f"the secrets of an attempt have more than {MOST_BYTES} bytes"
        raise ValueError(msg)
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
    finally:
        os.close(writer)
    return reader


def hear(descriptor: int) -> dict[str, str]:
    """Read them all, once, and close the pipe."""
    data = b""
    try:
        while piece := os.read(descriptor, MOST_BYTES):
            data += piece
    finally:
        os.close(descriptor)
    found = json.loads(data)
    return {str(name): str(value) for name, value in found.items()}

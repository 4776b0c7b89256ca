"""Start the agent as if a person had: default signals, own session, known descriptors, the given environment.

``subprocess`` would cost the warden a third of its start and cannot reset every signal; the warden has one thread, so a
plain fork is safe here.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SpawnFailed(Exception):  # noqa: N818 - reads as the sentence it is
    """The agent could not be started; the message says why, as a clause."""


def spawn(argv: Sequence[str], *, directory: str, environment: Mapping[str, str], stdin: str, output: int) -> int:
    """Start a process and return its pid.

    ``stdin`` is a file to read from; ``output`` a descriptor for standard output and error. Raises ``SpawnFailed``.
    """
    reader, writer = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _become(argv, directory, environment, stdin, output, writer)
        os.close(writer)
        writer = -1
        message = b""
        while piece := os.read(reader, 4096):
            message += piece
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    if message:
        os.waitpid(pid, 0)
        raise SpawnFailed(message.decode("utf-8", "replace"))
    return pid


def _become(
    argv: Sequence[str], directory: str, environment: Mapping[str, str], stdin: str, output: int, complain: int
) -> None:
    """Become the agent; never returns. ``complain`` closes by itself when that worked."""
    clause = "the system refused"
    try:
        os.setsid()
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            # A coordinator in the background has INT ignored, and so would the agent and all its tools.
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        clause = f"its input {stdin} cannot be read"
        os.dup2(os.open(stdin, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        clause = f"its directory {directory} cannot be entered"
        os.chdir(directory)
        clause = f"{argv[0]} cannot be run"
        os.execvpe(argv[0], list(argv), dict(environment))  # noqa: S606 - no shell is the point
    except FileNotFoundError as error:
        clause = (
            f"there is no program {argv[0]} (or its interpreter)"
            if clause.startswith(argv[0])
            else f"{clause}: {error.strerror}"
        )
    except OSError as error:
        clause = f"{clause}: {error.strerror}"
    except BaseException as error:  # noqa: BLE001 - in a forked child nothing may escape into the warden's code
        clause = f"{clause}: {error}"
    os.write(complain, clause.encode("utf-8", "replace")[:4000])
    os._exit(127)

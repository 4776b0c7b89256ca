"""A person's own shell, or a login, in the foreground: no warden, no deadline, no log. gitfleet only waits for it."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run(argv: Sequence[str], directory: Path, environment: Mapping[str, str], *, output: int | None = None) -> int:
    """Run a program in a directory with the caller's terminal and give its exit code, as a shell would report it.

    ``output`` is a descriptor for its standard output, if not the caller's. Ctrl-C belongs to the program while it
    runs. Raises ``OSError`` when it cannot be started.
    """
    # A handler and not SIG_IGN: an ignored signal stays ignored across exec, a handled one becomes the default again.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        with subprocess.Popen(
            list(argv), cwd=directory, env=dict(environment), stdout=output, restore_signals=True
        ) as process:
            code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code

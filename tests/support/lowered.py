"""Commands with less than the suite may: without root's rights over files, as another user, or with low limits.

Who runs the suite as root would read through every ``chmod 0``. On Linux root without capabilities is an ordinary owner
of its files; elsewhere such a test is skipped for root, and runs for everybody else.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import suppress


def without_rights() -> tuple[str, ...] | None:
    """The beginning of a command line that obeys the modes of files; none where there is no way to it."""
    if os.geteuid():
        return ()
    return _that_runs("setpriv", "--inh-caps=-all", "--bounding-set=-all")


def another_user(uid: int) -> tuple[str, ...] | None:
    """The beginning of a command line of another user, who reads what root reads; none where there is no way to it."""
    rights = "-all,+dac_override"
    capabilities = (f"--inh-caps={rights}", f"--ambient-caps={rights}")
    return _that_runs("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *capabilities)


def _that_runs(*line: str) -> tuple[str, ...] | None:
    with suppress(FileNotFoundError):
        if subprocess.run([*line, sys.executable, "-c", ""], capture_output=True, check=False).returncode == 0:
            return line
    return None


def limited(**limits: int) -> tuple[str, ...]:
    """The beginning of a command line with these limits, such as ``NOFILE=40``."""
    return (sys.executable, __file__, json.dumps(limits))


def main() -> None:
    """Lower ourselves and become the command."""
    limits, *command = sys.argv[1:]
    for name, number in json.loads(limits).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (number, number))
    os.execvp(command[0], command)  # noqa: S606 - the command of a test


if __name__ == "__main__":
    main()

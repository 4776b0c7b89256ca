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

_WITHOUT_RIGHTS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


def without_rights() -> tuple[str, ...] | None:
    """The beginning of a command line that obeys the modes of files; none where there is no way to it."""
    if os.geteuid():
        return ()
    with suppress(FileNotFoundError):
        if subprocess.run([*_WITHOUT_RIGHTS, "true"], capture_output=True, check=False).returncode == 0:
            return _WITHOUT_RIGHTS
    return None


def limited(uid: int | None = None, **limits: int) -> tuple[str, ...]:
    """The beginning of a command line with these limits (``NOFILE=40``), as another user where one is given."""
    return (sys.executable, __file__, json.dumps({"uid": uid, "limits": limits}))


def main() -> None:
    """Lower ourselves and become the command."""
    orders, *command = sys.argv[1:]
    asked = json.loads(orders)
    if asked["uid"] is not None:
        os.setgroups([])
        os.setgid(asked["uid"])
        os.setuid(asked["uid"])
    for name, number in asked["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (number, number))
    os.execvp(command[0], command)  # noqa: S606 - the command of a test


if __name__ == "__main__":
    main()

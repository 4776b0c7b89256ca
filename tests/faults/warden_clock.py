"""Starts a warden whose clock jumps: ``python -I -S warden_clock.py SECONDS WHEN MAIN DIRECTORY [LOCK]``."""

import os
import sys
import time


def main() -> None:
    """Become the warden."""
    seconds, when = float(sys.argv[1]), sys.argv[2]
    del sys.argv[:3]
    true = time.time

    def shifted() -> float:
        return true() + (seconds if os.path.exists(when) else 0.0)  # noqa: PTH110 - isolated, and asked often

    time.time = shifted
    with open(sys.argv[0], "rb") as file:  # noqa: PTH123 - as little as possible is imported
        code = compile(file.read(), sys.argv[0], "exec")
    exec(code, {"__name__": "__main__", "__file__": sys.argv[0]})  # noqa: S102 - it is the warden itself


main()

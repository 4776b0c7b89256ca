"""Kills a landing (or its recovery) at every step it takes, in copies of one prepared repository.

Run as a program of its own, so that it may fork: `python -m tests.crash.landing_driver land|recover TEMPLATE OUT NEW`;
`swap TEMPLATE - NEW` kills one landing in TEMPLATE itself, right after the target moved.
For k = 0, 1, 2, ... the child kills itself right before (even k) or right after (odd k) its (k // 2)-th call that
could leave something behind, until one child gets to its end. The crashed copies stay in OUT/<k>; the count is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitfleet.git.command import Git
from tests.support.landings import Place, transplant

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.git.command import Completed

STEPS = ("link", "rename", "fsync", "unlink", "mkdir", "rmdir", "utime")


class Bomb:
    """Counts the steps and kills the process at the chosen one."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.passed = 0

    def step(self) -> None:
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - stands for any function of os
            self.step()
            result = function(*args, **kwargs)
            self.step()
            return result

        return wrapped


def child(what: str, repository: Path, new: str, at: int) -> None:
    """Do the work with a bomb under it."""
    place = Place(repository, repository / ".git")
    request = place.request(new)
    bomb = Bomb(at)
    for name in STEPS:
        setattr(os, name, bomb.around(getattr(os, name)))
    Git.run = bomb.around(Git.run)  # type: ignore[method-assign]
    if what == "land":
        from gitfleet.integrate.landing import land  # noqa: PLC0415

        land(request)
    else:
        place.recover()


def die_after_the_swap(repository: Path, new: str) -> None:
    """Land, and die when the target has moved and nothing else has."""
    run = Git.run

    def dying(git: Git, *args: Any, **kwargs: Any) -> Completed:  # noqa: ANN401 - whatever Git.run takes
        done = run(git, *args, **kwargs)
        if args[0] == "update-ref":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Git.run = dying  # type: ignore[method-assign,assignment]
    Place(repository, repository / ".git").land(new)
    sys.exit("the landing outlived its death")


def main() -> None:
    """Go through all steps."""
    what, template, out, new = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    if what == "swap":
        die_after_the_swap(template, new)
    at = 0
    while True:
        copy = out / str(at)
        transplant(template, copy)
        pid = os.fork()
        if pid == 0:
            try:
                child(what, copy, new, at)
            except BaseException:  # noqa: BLE001 - the parent prints that it went wrong
                import traceback  # noqa: PLC0415

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status) != 0:
                sys.exit(f"step {at} ended with {status}")
            break
        at += 1
    sys.stdout.write(f"{at}\n")


if __name__ == "__main__":
    main()

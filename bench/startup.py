"""What the shortest commands cost, against the bare interpreter and against git."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.measure import Row, Section, alternating, gitfleet, repository, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def bench(place: Path, times: int) -> Section:
    """``--version`` and ``status`` against ``python -c ''`` and ``git status``."""
    repo = repository(place, "startup", 1000)

    def call(*argv: str) -> Callable[[], object]:
        return lambda: run(argv, place, repo)

    bare, version, git_status, status = alternating(
        [
            call(sys.executable, "-c", ""),
            call(*gitfleet("--version")),
            call("git", "status"),
            call(*gitfleet("status")),
        ],
        times,
    )
    return Section(
        "start-up, median",
        [
            Row("python -c ''", bare, bare),
            Row("gitfleet --version", version, bare, "against the bare interpreter"),
            Row("git status", git_status, git_status),
            Row("gitfleet status", status, git_status, "against git status"),
        ],
    )

"""How much work something is, counted and not timed: the lines of gitfleet that are run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import gitfleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

HOME = gitfleet.__path__[0]


def steps(work: Callable[[], object]) -> int:
    """Run something and count the lines of gitfleet that it runs; a turn of a comprehension counts as one."""
    count = 0

    def line(_frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "line"

    def call(frame: FrameType, _event: str, _: object) -> Callable[[FrameType, str, object], None] | None:
        return line if frame.f_code.co_filename.startswith(HOME) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(before)
    return count

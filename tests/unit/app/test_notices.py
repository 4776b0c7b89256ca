"""The words of a notice are one plain line, whatever they quote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gitfleet.app.sessions.notices import MESSAGE_CHARACTERS, Notices, plain
from gitfleet.errors import ExitCode
from gitfleet.model.config import Config
from gitfleet.model.event import Event, EventKind
from gitfleet.model.parking import Parked
from gitfleet.model.session import SessionState
from gitfleet.runtime.notify import Commands
from tests.unit.store.samples import make_run, make_session

if TYPE_CHECKING:
    from gitfleet.model.run import RunState


def test_nothing_in_a_message_acts_on_a_terminal() -> None:
    assert plain("a\x1b]9;b\x07c\x9bd\u202ee\u2028f\ng\th") == "a]9;bcdef g h"
    assert plain("é" * 500) == "é" * (MESSAGE_CHARACTERS - 3) + "..."


class Told:
    """Who watches, and what the session's end is told from."""

    wants_progress = False

    def __init__(self, reason: str, *waiting: str) -> None:
        self.notices: list[str] = []
        self.session = make_session(reason=reason, state=SessionState.NEEDS_CONTINUE)
        self.runs = {name: make_run(name, parked=Parked(since="s") if name in waiting else None) for name in "ab"}

    def event(self, event: Event) -> None: ...

    def counts(self) -> Counter[RunState]:
        return Counter()

    def notice(self, message: str, *, bell: bool, desktop: bool) -> None:  # noqa: ARG002
        self.notices.append(message)


@pytest.mark.parametrize(
    ("reason", "waiting", "told"),
    [
        ("a asks; b asks", ("a", "b"), ["a asks", "b asks"]),
        # It stopped for something else, or for somebody of whom nothing was said.
        ("the machine is full", ("a", "b"), ["a asks", "b asks", "the machine is full"]),
        ("a asks; b asks; c conflicts", ("a", "b", "c"), ["a asks", "b asks", "a asks; b asks; c conflicts"]),
    ],
)
def test_a_person_is_told_once_that_a_run_waits_for_them(
    reason: str, waiting: tuple[str, ...], told: list[str]
) -> None:
    watch: Any = Told(reason, *waiting)
    if "c" in waiting:
        watch.runs["c"] = make_run("c", parked=Parked(since="s"))
    parts: Any = SimpleNamespace(config=Config())
    notices = Notices(parts, "s", watch, Commands((), Path(), {}))
    for task in ("a", "b"):
        asks = Event(
            at="t", kind=EventKind.WAITING, session="s", task=task, message=f"{task} asks", status="needs-person"
        )
        notices.event(asks)
        notices.event(msgspec.structs.replace(asks, message="a budget", status="budget"))
    notices.ended(watch, ExitCode.NEEDS_PERSON)
    assert watch.notices == [f"gitfleet: s: {words}" for words in told]

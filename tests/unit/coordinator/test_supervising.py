"""What the coordinator makes of a judgement: events, once, and what people who watch see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from gitfleet.cli.live import drawing
from gitfleet.cli.output import console
from gitfleet.coordinator.spending.following import Following
from gitfleet.coordinator.supervising import GRACE_SECONDS, Supervising
from gitfleet.coordinator.tracking import Tracker
from gitfleet.model.config import StallPolicy
from gitfleet.model.evidence import Attempt
from gitfleet.model.run import RunState
from gitfleet.runtime import attempt
from gitfleet.runtime.hosts.base import HostStatus
from gitfleet.runtime.pulse import Pulse
from gitfleet.runtime.tables import open_table
from tests.support.stage import session_on, task_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.runtime.hosts.base import Handle
    from tests.support.repo import Repo

STALL = 300.0
AT = "2026-01-01T00:00:00.000Z"


class Host:
    """A host whose one attempt always runs; it notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.revives = False

    def adopt(self, instance: str, number: int, directory: Path) -> Handle:
        from gitfleet.runtime.hosts.base import Handle  # noqa: PLC0415

        return Handle(instance, number, directory)

    def status(self, _: Handle) -> HostStatus:
        return HostStatus(alive=True, exit=None, pulse=None)

    def interrupt(self, _: Handle) -> bool:
        self.asked.append("interrupt")
        return True

    def revive(self, _: Handle) -> bool:
        return self.revives

    def abandon(self, _: Handle) -> bool:
        self.asked.append("abandon")
        return True


class Scene:
    """A session with one running attempt, a clock, and a pulse that a test writes."""

    def __init__(self, stage: Any, policy: StallPolicy) -> None:  # noqa: ANN401 - the stage of a session
        self.now = 5000.0
        self.host = Host()
        config = msgspec.structs.replace(stage.parts.config, stall=policy)
        self.parts = replace(
            stage.parts,
            host=cast("Any", self.host),
            config=config,
            monotonic=lambda: self.now,
            now=lambda: self.now + 1e9,
        )
        self.stage = stage
        one = Attempt(number=1, base="0" * 40, started=AT)
        stage.books.advance("a", RunState.PREPARING, instance="i-a", base="0" * 40, attempts=(one,))
        stage.books.advance("a", RunState.RUNNING)
        self.directory = stage.parts.layout.attempt("i-a", 1)
        self.directory.mkdir(parents=True)
        facts = {"pid": 1, "start": 1, "boot": open_table().boot(), "since": 1, "awake": self.now, "stall": STALL}
        attempt.write_json(str(self.directory), attempt.WARDEN, facts)
        attempt.write_json(str(self.directory), attempt.SPEC, {"worktree": "", "deadline_seconds": 600})
        path = str(self.directory / attempt.PULSE)
        self.pulse = Pulse(path, wall=lambda: self.now + 1e9, awake=lambda: self.now)
        self.supervising = Supervising(self.parts, stage.books)

    def go(self, seconds: float, *, beats: bool = True) -> None:
        """Let time pass, looking twice a second; files are looked at in between."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.5
            if beats:
                self.pulse.beat()
            self.supervising.look()
            for watched in self.supervising._rounds.kept.values():
                if watched.looking is not None:
                    watched.looking.join()

    @property
    def told(self) -> list[str]:
        return [event.status for event in self.stage.watcher.events if event.kind == "stall"]


@pytest.fixture
def scene(repo: Repo, request: pytest.FixtureRequest) -> Iterator[Scene]:
    with session_on(repo, task_of("a")) as stage:
        yield Scene(stage, getattr(request, "param", StallPolicy.WARN))


def test_a_stall_is_told_once_within_five_seconds_and_again_after_life(scene: Scene) -> None:
    scene.go(STALL - 1)
    assert scene.told == []
    scene.go(6)
    assert scene.told == ["silent"]
    scene.go(3 * STALL)
    assert scene.told == ["silent"]
    assert scene.host.asked == []
    scene.pulse.came(7)
    scene.go(1)
    assert scene.told == ["silent", "awake"]
    scene.go(STALL + 5)
    assert scene.told == ["silent", "awake", "silent"]


@pytest.mark.parametrize("scene", [StallPolicy.INTERRUPT], indirect=True)
def test_an_interrupt_is_sent_once_a_stall_and_not_again_by_the_next_coordinator(scene: Scene) -> None:
    scene.go(STALL + 5)
    assert (scene.told, scene.host.asked) == (["silent", "interrupted"], ["interrupt"])
    scene.supervising = Supervising(scene.parts, scene.stage.books)
    scene.go(STALL + 5)
    assert scene.told == ["silent", "interrupted", "needs-person"]
    assert scene.host.asked == ["interrupt"]
    scene.pulse.came(7)
    scene.go(STALL + 5)
    assert scene.host.asked == ["interrupt", "interrupt"]


def test_a_warden_that_does_not_move_is_told_and_ended_only_past_its_deadline(scene: Scene) -> None:
    scene.go(10)
    scene.go(40, beats=False)
    assert scene.told == ["stuck"]
    scene.go(550 + GRACE_SECONDS - 5, beats=False)
    assert scene.host.asked == []
    scene.go(10, beats=False)
    assert scene.host.asked == ["abandon"]
    assert scene.told == ["stuck", "abandoned"]


def test_a_warden_that_was_stopped_goes_on(scene: Scene) -> None:
    scene.host.revives = True
    scene.go(40, beats=False)
    assert scene.told == ["revived"]
    assert scene.host.asked == []


def test_the_live_view_says_what_an_agent_does(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Tracker(scene.parts, scene.stage.watcher, scene.supervising, Following(scene.parts, scene.stage.books))
    tracker.started(scene.stage.books.runs["a"], scene.directory)
    for seconds, activity, note, shown in (
        (5, "working", "", "working"),
        (60, "working", "quiet: no output for 1 min", "working (quiet)"),
        (STALL, "silent", "no sign of life for 6 min", "silent"),
    ):
        scene.go(seconds)
        tracker.show(scene.stage.books, 1, "")
        (agent,) = scene.stage.watcher.shown[-1].agents
        assert (agent.activity, agent.note) == (activity, note)
        console().print(drawing(scene.stage.watcher.shown[-1]))
        assert shown in capsys.readouterr().out

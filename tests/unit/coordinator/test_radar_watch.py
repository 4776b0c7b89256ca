"""What the coordinator makes of predictions: told once, written down, acted on, and never in its way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from gitfleet.coordinator.radar.watch import SHARE, RadarWatch
from gitfleet.coordinator.radar.worker import Order, Outcome
from gitfleet.git.merging_pairs import Clash
from gitfleet.integrate.radar.predicting import Conflict
from gitfleet.model.base import decode
from gitfleet.model.evidence import Attempt
from gitfleet.model.radar import RadarConfig, RadarPolicy
from gitfleet.model.reports import Predictions
from gitfleet.model.run import RunState
from gitfleet.runtime.hosts.base import Handle
from tests.support.stage import session_on, task_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.repo import Repo

EVERY = 5


def conflict(*paths: bytes) -> Conflict:
    return Conflict(paths, ("contents",), (Clash("contents", paths, "words"),))


class Worker:
    """Somebody to give orders to."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.outcome: Outcome | None = None
        self.closed = False

    def order(self, order: Order) -> None:
        self.orders.append(order)

    def take(self) -> Outcome | None:
        found, self.outcome = self.outcome, None
        return found

    def close(self) -> None:
        self.closed = True


class Host:
    """A host that notes who is to stand."""

    def __init__(self) -> None:
        self.standing: dict[str, str] = {}
        self.asked = 0

    def adopt(self, instance: str, number: int, directory: Path) -> Handle:
        return Handle(instance, number, directory)

    def pause(self, handle: Handle, _: float, why: str, *, again: bool = False) -> bool:
        self.asked += 1
        if again and handle.instance not in self.standing:
            return False
        self.standing[handle.instance] = why
        return True

    def proceed(self, handle: Handle) -> bool:
        return self.standing.pop(handle.instance, None) is not None


class Scene:
    """A session with agents at work, a clock, and a worker that says what the test wants."""

    def __init__(self, stage: Any, policy: RadarPolicy) -> None:  # noqa: ANN401 - the stage of a session
        self.now = 0.0
        self.stage, self.host = stage, Host()
        config = msgspec.structs.replace(stage.parts.config, radar=RadarConfig(policy=policy, every_seconds=EVERY))
        self.parts = replace(stage.parts, host=cast("Any", self.host), config=config, monotonic=lambda: self.now)
        self.base = stage.parts.objects.resolve("refs/heads/main")
        self.begin()

    def begin(self) -> None:
        """A coordinator comes."""
        self.watch = RadarWatch(self.parts, self.stage.books)
        self.worker = Worker()
        self.watch._worker = cast("Any", self.worker)

    def start(self, task: str, second: int = 1) -> None:
        """Start an agent."""
        one = Attempt(number=1, base=self.base, started=f"2026-01-01T00:00:{second:02}.000Z")
        self.stage.books.advance(task, RunState.PREPARING, instance=f"i-{task}", base=self.base, attempts=(one,))
        self.stage.books.advance(task, RunState.RUNNING)
        self.watch.look(ending=False)

    def round(self, *found: tuple[str, str, bytes], **facts: Any) -> None:  # noqa: ANN401 - facts of an outcome
        """Let a round come to an end."""
        self.now += EVERY
        self.watch.look(ending=False)
        self.worker.outcome = Outcome({(a, b): conflict(path) for a, b, path in found}, **facts)
        self.watch.look(ending=False)

    @property
    def told(self) -> list[tuple[str, str]]:
        events = [event for event in self.stage.watcher.events if event.kind == "conflict-predicted"]
        return [(event.status, event.message) for event in events]

    @property
    def pauses(self) -> list[str]:
        return [event.message for event in self.stage.watcher.events if event.kind == "pause"]


@pytest.fixture
def scene(repo: Repo, request: pytest.FixtureRequest) -> Iterator[Scene]:
    with session_on(repo, task_of("a"), task_of("b"), task_of("c")) as stage:
        yield Scene(stage, getattr(request, "param", RadarPolicy.WARN))


def test_a_conflict_is_told_once_for_its_paths_and_when_it_is_gone(scene: Scene) -> None:
    scene.start("a", 1)
    scene.start("b", 2)
    scene.round(("a", "b", b"x"))
    scene.round(("a", "b", b"x"))
    told = [("predicted", "b and a would conflict in x (contents)")]
    assert scene.told == told
    (row,) = scene.watch.predictions
    assert (row.task, row.other, row.instance, row.other_instance) == ("b", "a", "i-b", "i-a")
    assert (row.paths, row.kinds) == (("x",), ("contents",))
    # The next coordinator knows what was told.
    scene.begin()
    assert scene.watch.predictions == (row,)
    scene.round(("a", "b", b"x"))
    assert scene.told == told
    scene.round(("a", "b", b"y\n"))
    assert scene.told[1:] == [("predicted", 'b and a would conflict in "y\\n" (contents)')]
    scene.round()
    assert scene.told[2:] == [("cleared", "b and a would no longer conflict")]
    written = scene.parts.layout.predictions(scene.stage.books.session.id)
    assert decode(written.read_bytes(), Predictions).predictions == ()
    assert json.loads(written.read_bytes())["schema"] == "gitfleet/predictions/v1"
    scene.watch.close()
    assert scene.worker.closed
    assert not written.exists()


def test_while_one_is_collected_what_is_known_stays_and_when_it_is_over_it_goes(scene: Scene) -> None:
    scene.start("a", 1)
    scene.start("b", 2)
    scene.round(("a", "b", b"x"))
    scene.stage.books.advance("a", RunState.FINISHED)
    scene.round()
    assert len(scene.told) == 1
    scene.stage.books.advance("a", RunState.CANCELLED)
    scene.watch.look(ending=False)
    assert scene.told[1:] == [("cleared", "b and a are not compared any more: a is cancelled")]


def test_one_agent_alone_costs_nothing_until_the_target_moves(scene: Scene, repo: Repo) -> None:
    scene.now += EVERY
    scene.watch.look(ending=False)
    scene.start("a")
    scene.now += EVERY
    scene.watch.look(ending=False)
    assert scene.worker.orders == []
    repo.commit({"README": "moved\n"})
    scene.round(("", "a", b"README"))
    assert [[side.task for side in order.sides] for order in scene.worker.orders] == [["a"]]
    assert scene.told == [("predicted", "a and main would conflict in README (contents)")]
    assert scene.watch.predictions[0].other_instance == ""


def test_a_slow_round_makes_the_next_one_come_later_and_only_one_is_under_way(scene: Scene) -> None:
    scene.start("a", 1)
    scene.start("b", 2)
    scene.now += EVERY
    for _ in range(3):
        scene.watch.look(ending=False)
        scene.now += EVERY
    assert len(scene.worker.orders) == 1
    scene.worker.outcome = Outcome(seconds=2.0)
    scene.watch.look(ending=False)
    scene.now += SHARE * 2.0 - 0.1
    scene.watch.look(ending=False)
    assert len(scene.worker.orders) == 1
    scene.now += 0.1
    scene.watch.look(ending=False)
    assert len(scene.worker.orders) == 2


def test_a_failure_is_told_once_and_what_was_known_stays(scene: Scene) -> None:
    scene.start("a", 1)
    scene.start("b", 2)
    scene.round(("a", "b", b"x"))
    for _ in range(2):
        scene.round(broken="the disk is full")
        scene.round(("a", "b", b"x"), unread={"a": "its index is broken"})
    errors = [event.message for event in scene.stage.watcher.events if event.kind == "error"]
    assert errors == [
        "the conflict radar does not work now: the disk is full",
        "the conflict radar does not see what a does: its index is broken",
    ]
    assert len(scene.told) == 1


def test_an_agent_is_looked_at_once_it_worked_for_a_while(scene: Scene) -> None:
    scene.now += EVERY
    scene.start("a", 1)
    scene.start("b", 2)
    scene.now += EVERY - 0.1
    scene.watch.look(ending=False)
    assert scene.worker.orders == []
    scene.start("c", 3)
    scene.now += EVERY
    scene.watch.look(ending=False)
    assert [side.task for side in scene.worker.orders[0].sides] == ["a", "b", "c"]


@pytest.mark.parametrize("scene", [RadarPolicy.OFF], indirect=True)
def test_off_looks_at_nothing(scene: Scene) -> None:
    scene.start("a", 1)
    scene.start("b", 2)
    scene.now += 10 * EVERY
    scene.watch.look(ending=False)
    assert scene.worker.orders == []


def test_the_scratch_of_a_killed_coordinator_goes_though_nobody_is_compared_since(scene: Scene) -> None:
    left = scene.parts.layout.radar / "scratch-dead"
    (left / "objects").mkdir(parents=True)
    (left / "lock").touch()

    scene.watch.close()

    assert not left.exists()


@pytest.mark.parametrize("scene", [RadarPolicy.PAUSE_LATER], indirect=True)
def test_the_later_one_stands_until_the_earlier_one_ended(scene: Scene) -> None:
    scene.start("b", 1)
    scene.start("a", 2)
    scene.start("c", 3)
    scene.round(("b", "a", b"x"), ("a", "c", b"y"))
    # The order is that of the starts; the first one always goes on.
    assert scene.host.standing == {
        "i-a": "predicted conflict with b in x",
        "i-c": "predicted conflict with a in y",
    }
    assert scene.pauses == [
        "a is paused: predicted conflict with b in x",
        "c is paused: predicted conflict with a in y",
    ]
    asked = scene.host.asked
    scene.now += 1
    scene.watch.look(ending=False)
    assert scene.host.asked == asked
    scene.now += EVERY
    scene.watch.look(ending=False)
    assert scene.host.asked == asked + 2
    # Under the wave barrier b cannot land before a is done: its attempt is what is waited for.
    scene.stage.books.advance("b", RunState.FINISHED)
    scene.watch.look(ending=False)
    assert set(scene.host.standing) == {"i-a", "i-c"}
    scene.stage.books.advance("b", RunState.GATED)
    scene.watch.look(ending=False)
    assert set(scene.host.standing) == {"i-c"}
    assert scene.pauses[2:] == ["a goes on"]
    # The session ends: nobody is left to take a pause back.
    scene.watch.look(ending=True)
    assert scene.host.standing == {}


@pytest.mark.parametrize("scene", [RadarPolicy.PAUSE_LATER], indirect=True)
def test_when_rolling_it_stands_until_the_earlier_one_landed(scene: Scene) -> None:
    scene.stage.books.update(rolling=True)
    scene.start("a", 1)
    scene.start("b", 2)
    scene.round(("a", "b", b"x"))
    scene.stage.books.advance("a", RunState.FINISHED)
    scene.stage.books.advance("a", RunState.GATED)
    scene.watch.look(ending=False)
    assert set(scene.host.standing) == {"i-b"}
    scene.stage.books.advance("a", RunState.CANCELLED)
    scene.watch.look(ending=False)
    assert scene.host.standing == {}


@pytest.mark.parametrize("scene", [RadarPolicy.PAUSE_LATER], indirect=True)
def test_a_pause_that_a_person_took_back_is_not_asked_for_again(scene: Scene) -> None:
    scene.start("a", 1)
    scene.start("b", 2)
    scene.round(("a", "b", b"x"))
    scene.host.standing.clear()
    for _ in range(3):
        scene.round(("a", "b", b"x"))
    assert scene.host.standing == {}
    assert scene.pauses[1:] == ["b was let go on and is not paused again"]


@pytest.mark.parametrize("scene", [RadarPolicy.PAUSE_LATER], indirect=True)
def test_what_a_dead_coordinator_paused_goes_on_first(scene: Scene) -> None:
    scene.start("a", 1)
    scene.begin()
    scene.host.standing["i-a"] = "predicted conflict with somebody"
    scene.watch.look(ending=False)
    assert scene.host.standing == {}

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitfleet.coordinator.control.amendments import Amendments
from gitfleet.coordinator.control.requests import Requests
from gitfleet.model.base import decode, encode
from gitfleet.model.config import Config, WavesConfig
from gitfleet.model.request import Reply, Request
from gitfleet.model.run import ReceiptVerdict, RunState
from tests.support.stage import SESSION, SessionStage, session_on, task_of

if TYPE_CHECKING:
    from gitfleet.planner.waves import Schedule
    from tests.support.repo import Repo


def ask(stage: SessionStage, *requests: Request | bytes, wave: int = 1) -> tuple[list[Reply], Schedule | None]:
    amendments = Amendments(stage.parts, SESSION)
    waiting = Requests(stage.parts.layout.session(SESSION))
    waiting.directory.mkdir(exist_ok=True)
    for number, request in enumerate(requests):
        data = request if isinstance(request, bytes) else encode(request)
        waiting.request(f"r{number}").write_bytes(data)
    changed: list[Schedule] = []

    def decide(request: Request) -> Reply:
        reply, now = amendments.apply(request, stage.books, (changed or [stage.schedule])[-1], stage.scopes, wave)
        changed.extend([now] if now else [])
        return reply

    waiting.take(decide)
    replies = [waiting.reply(f"r{number}") for number in range(len(requests))]
    assert sorted(waiting.directory.iterdir()) == replies
    return [decode(path.read_bytes(), Reply) for path in replies], changed[-1] if changed else None


def test_nothing_asked_changes_nothing(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        Requests(stage.parts.layout.session(SESSION)).take(lambda _: pytest.fail("nothing was asked"))
        assert ask(stage) == ([], None)


def test_an_unfinished_answer_lies_where_the_next_coordinator_sweeps(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session_on(repo, task_of("a")) as stage:
        directory = stage.parts.layout.session(SESSION)
        waiting = Requests(directory)
        waiting.directory.mkdir()
        waiting.request("r0").write_bytes(encode(Request(id="r0", cancel="a")))
        # A death before the rename: what was written so far stays.
        with monkeypatch.context() as dying:
            dying.setattr(Path, "rename", lambda *_: pytest.exit("died"))
            dying.setattr(Path, "unlink", lambda *_, **__: None)
            with pytest.raises(pytest.exit.Exception):
                waiting.take(lambda _: Reply(id="r0"))
        assert list(directory.glob("**/.tmp-*"))
        stage.parts.state.sweep(stage.parts.proof)
        assert not list(directory.glob("**/.tmp-*"))


def test_an_added_task_is_in_the_plan_the_books_and_the_schedule(repo: Repo) -> None:
    with session_on(repo, task_of("a"), task_of("b", "a")) as stage:
        stage.books.advance("a", RunState.PREPARING)
        (reply,), changed = ask(stage, Request(id="r0", add=task_of("c", "b")))
        assert (reply.error, reply.message) == ("", "c is in wave 3.")
        assert changed is not None
        assert changed.waves == (("a",), ("b",), ("c",))
        assert stage.session.waves == changed.waves
        assert stage.books.runs["c"] == stage.parts.state.read_run(SESSION, "c")
        assert (stage.books.runs["c"].wave, stage.books.runs["c"].depends_on) == (3, ("b",))
        assert stage.scopes["c"].matches(b"c.txt")
        assert stage.parts.state.amendments(SESSION) == (2,)
        assert b"id: c" in stage.parts.state.read_plan_bytes(SESSION, 2)
        assert [event.message for event in stage.watcher.events] == ["c was added to wave 3"]


def test_the_scope_of_an_added_task_goes_through_tracked_links(repo: Repo) -> None:
    (repo.path / "real").mkdir()
    (repo.path / "real" / "file.txt").write_text("x\n")
    (repo.path / "alias").symlink_to("real")
    (repo.path / "out").symlink_to("../elsewhere")
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "links")
    with session_on(repo, task_of("a")) as stage:
        good, bad = task_of("b", scope=("alias/file.txt",)), task_of("c", scope=("out/file.txt",))
        replies, _ = ask(stage, Request(id="r0", add=good), Request(id="r1", add=bad))
        assert [reply.error for reply in replies] == ["", "invalid-scope"]
        assert stage.scopes["b"].matches(b"real/file.txt")
        assert "c" not in stage.scopes
        assert "c" not in stage.books.runs


def test_a_task_that_was_just_added_can_be_depended_on_and_cancelled(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        stage.books.advance("a", RunState.PREPARING)
        replies, changed = ask(
            stage,
            Request(id="r0", add=task_of("b")),
            Request(id="r1", add=task_of("c", "b")),
            Request(id="r2", cancel="c"),
        )
        assert [reply.error for reply in replies] == ["", "", ""]
        assert changed is not None
        assert changed.waves == (("a",), ("b",), ("c",))
        assert stage.books.runs["c"].state is RunState.CANCELLED


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Request(id="r0", add=msgspec.structs.replace(task_of("a"), priority=7)), "duplicate"),
        (Request(id="r0", add=task_of("z", "nowhere")), "unknown-dependency"),
        (Request(id="r0", cancel="nowhere"), "unknown-task"),
        (Request(id="r0", cancel="a"), "not-queued"),
        (b"{", "invalid"),
        (b'{"id": "r0", "more": 1}', "invalid"),
    ],
)
def test_what_cannot_be_done_is_answered_and_changes_nothing(repo: Repo, request_: Request | bytes, error: str) -> None:
    with session_on(repo, task_of("a"), task_of("b", "a")) as stage:
        stage.books.advance("a", RunState.PREPARING)
        plan, runs, session = stage.books.plan, dict(stage.books.runs), stage.session
        (reply,), changed = ask(stage, request_)
        assert (reply.id, reply.error, changed) == ("r0", error, None)
        assert reply.message.endswith(".") or error == "invalid"
        assert (stage.books.plan, stage.books.runs, stage.session) == (plan, runs, session)
        assert stage.parts.state.amendments(SESSION) == ()
        assert stage.watcher.events == []


def test_a_request_that_was_carried_out_before_a_crash_is_answered_alike(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        ask(stage, Request(id="r0", add=task_of("b")))
        (reply,), changed = ask(stage, Request(id="r0", add=task_of("b")))
        assert (reply.error, reply.message, changed) == ("", f"b is in wave {stage.books.runs['b'].wave}.", None)
        assert stage.parts.state.amendments(SESSION) == (2,)


def test_a_cancelled_task_has_a_receipt(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        (reply,), changed = ask(stage, Request(id="r0", cancel="a"))
        assert (reply.message, changed) == ("a is cancelled.", None)
        run = stage.parts.state.read_run(SESSION, "a")
        assert run.state is RunState.CANCELLED
        assert run.receipt is not None
        assert run.receipt.verdict is ReceiptVerdict.SKIP


def test_what_could_not_start_moves_behind_its_wave_and_takes_its_dependents_along(repo: Repo) -> None:
    config = Config(waves=WavesConfig(max_agents=3))
    with session_on(repo, task_of("a"), task_of("b"), task_of("c", "b"), config=config) as stage:
        assert stage.schedule.waves == (("b", "a"), ("c",))
        stage.books.advance("a", RunState.PREPARING)
        moved = Amendments(stage.parts, SESSION).postpone(stage.books, stage.schedule, stage.scopes, 1)
        assert moved.waves == (("a",), ("b",), ("c",))
        assert {task: run.wave for task, run in stage.parts.state.read_runs(SESSION).items()} == {
            "a": 1,
            "b": 2,
            "c": 3,
        }
        assert [moved.placements[task].wave for task in "abc"] == [1, 2, 3]

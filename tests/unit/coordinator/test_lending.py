"""Tasks that wait for an account, and the instances that they do not have yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents.accounts.store import Accounts
from gitfleet.app.accounts import Connection, connect
from gitfleet.coordinator.accounts import Chosen, Lending, NoneReady
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.plan import Task
from gitfleet.model.run import RunState
from tests.support.stage import session_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

TASKS = tuple(Task(id=name, instructions="Do it.", agent="codex", scope=(f"{name}.txt",)) for name in "abc")


@pytest.fixture
def accounts(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """One account with room for one."""
    program = tmp_path / "bin/codex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    caller = {"XDG_STATE_HOME": str(tmp_path / "state"), "PATH": f"{program.parent}:/usr/bin:/bin", "KEY": "of-nobody"}
    for name, value in caller.items():
        monkeypatch.setenv(name, value)
    assert repo.path.is_dir()
    made = Accounts.of(caller, time.time)
    connect(made, Connection(kind=AgentKind.CODEX, key_env="KEY", capacity=1))
    return made


def test_two_tasks_that_wait_as_the_same_instance_are_two_and_take_nothing_from_who_gets_it(
    accounts: Accounts, repo: Repo
) -> None:
    with session_on(repo, *TASKS) as stage:
        lending = Lending(stage.parts, stage.books)
        assert isinstance(lending.take("a", "i-1", 1), Chosen)
        stage.books.advance("a", RunState.PREPARING, instance="i-1")
        # Neither has an instance of its own yet, so both are told of the next one that is free.
        assert isinstance(lending.take("b", "i-2", 1), NoneReady)
        assert isinstance(lending.take("c", "i-2", 1), NoneReady)
        assert accounts.standing("codex").queued == 2
        stage.books.advance("a", RunState.FAILED)
        lending.look()
        assert isinstance(lending.take("b", "i-2", 1), Chosen)
        stage.books.advance("b", RunState.PREPARING, instance="i-2")
        stage.books.advance("c", RunState.SKIPPED)
        lending.look()
        standing = accounts.standing("codex")
        assert (standing.busy, standing.queued) == (1, 0)

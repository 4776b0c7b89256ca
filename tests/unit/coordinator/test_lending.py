"""Tasks that wait for an account, and the instances that they do not have yet."""

from __future__ import annotations

import fcntl
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitfleet.agents.accounts.store import Accounts
from gitfleet.app.accounts import Connection, connect
from gitfleet.coordinator.accounts import Chosen, Lending, NoneReady, none_ready
from gitfleet.model.account import AccountLease
from gitfleet.model.agent_config import AgentConfig, AgentKind
from gitfleet.model.config import Config
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


@pytest.mark.parametrize(
    ("fallback", "helps"),
    [((), "--ref codex --api-key-env KEY --capacity 2)"), (("any",), "in use (gitfleet accounts connect codex)")],
)
def test_who_is_pinned_to_an_account_is_told_what_helps_with_that_one(
    accounts: Accounts, fallback: tuple[str, ...], helps: str
) -> None:
    pinned = AgentConfig(kind=AgentKind.CODEX, account="codex", fallback=fallback)
    config = Config(agents={"one": pinned, "any": AgentConfig(kind=AgentKind.CODEX)})
    lease = AccountLease(instance="i", attempt=1, session="s", repository="/r", over="/o", locks=(), since="")
    with accounts.lock() as proof, (accounts.root / "held").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        locks = (str(accounts.root / "held"),)
        accounts.write_lease(proof, "codex", msgspec.structs.replace(lease, locks=locks))
        waits = none_ready(msgspec.structs.replace(TASKS[0], agent="one"), config, accounts.standings())
    assert waits.sentence.endswith(helps)

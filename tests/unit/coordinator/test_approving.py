"""What is granted for good lets all go on that waits for the same, also when it is said a second time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitfleet.app.steering.approve import permit
from gitfleet.app.workspace import open_workspace
from gitfleet.errors import GitfleetError
from gitfleet.model.parking import Parked, Permission, StandingGrant
from gitfleet.model.plan import Task
from gitfleet.model.request import Permit
from gitfleet.store.grants import Grants
from gitfleet.store.state import State
from tests.support.stage import SESSION, Watcher, session_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

TASKS = tuple(Task(id=name, instructions="Do it.", agent="codex", scope=(f"{name}.txt",)) for name in "abc")
DEPLOY, DROP = (Permission(tool="Bash", argument=f"make {name}") for name in ("deploy", "drop"))


def test_said_again_of_a_run_that_went_on_it_lets_the_rest_go_on(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with session_on(repo, *TASKS) as stage:
        # As somebody left it who was killed after the first of two had gone on.
        stage.books.record("b", parked=Parked(denied=(DEPLOY,), since="s"))
        stage.books.record("c", parked=Parked(denied=(DEPLOY, DROP), since="s"))
    workspace = open_workspace(repo.path)
    grant = StandingGrant(agent="codex", tool=DEPLOY.tool, argument=DEPLOY.argument, since="s")
    Grants.of(workspace.layout, os.environ).add([grant])
    with pytest.raises(GitfleetError, match="waits for no permission"):
        permit(workspace, "a", None, Permit.APPROVE, Watcher())
    said = permit(workspace, "a", None, Permit.APPROVE, Watcher(), always=True)
    runs = State(workspace.layout).read_runs(SESSION)
    assert said.also == (runs["b"].instance,)
    assert [run.task for run in runs.values() if run.parked and run.parked.approved] == ["b"]
    assert (said.task, said.permissions, said.always) == ("a", (), True)
    with pytest.raises(GitfleetError, match="waits for no permission"):
        permit(workspace, "a", None, Permit.APPROVE, Watcher(), always=True)

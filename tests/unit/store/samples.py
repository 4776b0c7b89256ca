"""Typed sample documents for the store's and the relay's tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gitfleet.model.claim import Claim
from gitfleet.model.run import Run, RunState
from gitfleet.model.session import Session, SessionState
from gitfleet.store.layout import Layout
from gitfleet.store.state import State

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "auth-k3f9qm"


def make_session(session: str = SESSION, state: SessionState = SessionState.ACTIVE, **facts: Any) -> Session:  # noqa: ANN401 - any field of the document
    given: dict[str, Any] = {
        "id": session,
        "name": "auth",
        "state": state,
        "target": "refs/heads/main",
        "base": "1" * 40,
        "started": "2026-01-02T03:04:05.000Z",
    }
    return Session(**(given | facts))


def make_run(task: str, state: RunState = RunState.QUEUED, session: str = SESSION, **facts: Any) -> Run:  # noqa: ANN401 - any field of the document
    given: dict[str, Any] = {"session": session, "task": task, "name": task, "wave": 1, "state": state}
    return Run(**(given | facts))


def make_claim(instance: str, *scope: str, session: str = SESSION, clone: str = "") -> Claim:
    return Claim(
        instance=instance,
        session=session,
        task=instance,
        scope=scope,
        acquired="2026-01-02T03:04:05.000Z",
        clone=clone,
    )


def make_state(common: Path, *runs: Run, session: Session | None = None) -> State:
    state = State(Layout(common))
    session = session or make_session()
    state.create_session(
        session, plan=b"name: auth\n", config=b"agent: x\n", runs=runs or [make_run("api")], report="# auth\n"
    )
    return state


def every_name(directory: Path) -> list[str]:
    """All names in a directory, unfinished writes included."""
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries)

"""Running the command line as a person would, and a repository with a session in its state to look at."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitfleet.__main__ import main
from gitfleet.model.evidence import Attempt
from gitfleet.model.lease import Lease
from gitfleet.model.run import Run, RunState
from gitfleet.model.session import Session, SessionState
from gitfleet.runtime import attempt
from gitfleet.runtime.pulse import Pulse
from gitfleet.runtime.tables import open_table
from gitfleet.store.layout import Layout
from gitfleet.store.leases import Leases
from gitfleet.store.locks import worktrees_lock
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[2]
STARTED = "2026-01-02T03:04:05.000Z"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command left: its exit code and both outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document; each test knows its shape
        """Standard output as one document."""
        return json.loads(self.out)


def run(*args: str | Path) -> Answer:
    """Run a command line in this process; standard input is empty and no terminal is near."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(arg) for arg in args])
    finally:
        sys.stdin = before
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return Answer(code, out.buffer.getvalue().decode("utf-8", "surrogateescape"), err.getvalue())


def spawn(
    *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, options: Iterable[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a command line as a process of its own, its outputs piped."""
    return subprocess.Popen(
        [sys.executable, *options, "-m", "gitfleet", *map(str, args)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def call(
    *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, options: Iterable[str] = ()
) -> Answer:
    """Run a command line as a process of its own."""
    with spawn(*args, cwd=cwd, env=env, options=options) as process:
        out, err = process.communicate(timeout=60)
    return Answer(process.returncode, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "replace"))


def a_run(task: str = "api", state: RunState = RunState.QUEUED, **facts: object) -> Run:
    """Make a run of the session ``auth-k3f9qm``; one that was dispatched has an instance, a branch and an attempt."""
    given: dict[str, Any] = {
        "session": "auth-k3f9qm",
        "task": task,
        "name": task,
        "wave": 1,
        "scope": (f"src/{task}/",),
    }
    session = str(facts.get("session", given["session"]))
    if state not in {RunState.QUEUED, RunState.SKIPPED}:
        given |= {
            "instance": f"fleet-{session}-w1-a1",
            "branch": f"fleet/{session}/{task}",
            "attempts": (Attempt(number=1, base="0" * 40, started=STARTED),),
        }
    return Run(state=state, **(given | facts))


def a_session(name: str = "auth-k3f9qm", state: SessionState = SessionState.ACTIVE, **facts: object) -> Session:
    """Make a session on main."""
    given: dict[str, Any] = {
        "id": name,
        "name": "auth",
        "target": "refs/heads/main",
        "base": "0" * 40,
        "started": STARTED,
        "waves": (("api",),),
    }
    return Session(state=state, **(given | facts))


def place(repo: Path, session: Session, *runs: Run, config: bytes = b"schema: gitfleet/config/v1\n") -> Layout:
    """Put a session into the state of a repository; all of its tasks are the command ``true``."""
    layout = Layout(repo / ".git")
    tasks = [{"id": one.task, "command": "true", "scope": one.scope} for one in runs]
    plan = json.dumps({"name": session.name, "tasks": tasks}).encode()
    State(layout).create_session(session, plan=plan, config=config, runs=runs, report="# auth\n")
    return layout


def lease(layout: Layout, run_: Run, path: Path) -> None:
    """Let a run have the tree at a path."""
    held = Lease(
        slot=path.name,
        path=str(path),
        instance=run_.instance,
        session=run_.session,
        task=run_.task,
        attempt=max(1, len(run_.attempts)),
        since=STARTED,
    )
    with worktrees_lock(layout) as proof:
        Leases(layout).write(proof, held)


def attempt_files(layout: Layout, run_: Run, log: bytes, *, ended: bool = True, number: int = 1) -> Path:
    """Make the directory of an attempt with this output."""
    directory = layout.attempt(run_.instance, number)
    directory.mkdir(parents=True)
    (directory / "out.log").write_bytes(log)
    Pulse(str(directory / attempt.PULSE))
    facts = {"pid": 1, "start": 1, "boot": open_table().boot(), "since": 1, "awake": 0, "stall": 300}
    attempt.write_json(str(directory), attempt.WARDEN, facts)
    (directory / "prompt.md").write_text("Do it.\n")
    if ended:
        (directory / "exit.json").write_text("{}")
    return directory

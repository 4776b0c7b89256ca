"""One session's real parts on a real repository, for tests that drive a piece of the coordinator by hand."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.app.sessions.composition import build
from gitfleet.app.workspace import open_workspace
from gitfleet.coordinator.books import Books
from gitfleet.coordinator.control.amendments import queued_run
from gitfleet.model.config import Config
from gitfleet.model.plan import Plan, Task
from gitfleet.model.session import Session, SessionState
from gitfleet.planner.scopes import Scope
from gitfleet.planner.waves import Schedule, schedule
from gitfleet.store.documents.configs import write_config
from gitfleet.store.documents.plans import write_plan
from gitfleet.store.locks import session_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.model.event import Event
    from gitfleet.model.reports import Progress
    from gitfleet.parts import Parts
    from tests.support.repo import Repo

SESSION = "auth-k3f9qm"
MAIN = "refs/heads/main"


@dataclass(slots=True)
class Watcher:
    """Keeps what the coordinator tells."""

    wants_progress: bool = True
    events: list[Event] = field(default_factory=list)
    shown: list[Progress] = field(default_factory=list)

    def event(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)

    def progress(self, progress: Progress) -> None:
        """Keep a progress report."""
        self.shown.append(progress)

    def notice(self, message: str, *, bell: bool, desktop: bool) -> None:
        """Keep nothing of it: the coordinator itself never calls for attention."""


@dataclass(slots=True)
class SessionStage:
    """A session that was just created; nothing of it has started."""

    repo: Repo
    parts: Parts
    books: Books
    schedule: Schedule
    scopes: dict[str, Scope]
    watcher: Watcher

    @property
    def session(self) -> Session:
        """The session as its books have it."""
        return self.books.session


def task_of(name: str, *after: str, scope: tuple[str, ...] | None = None, command: str = "true") -> Task:
    """A command task that writes ``<name>.txt`` unless told otherwise."""
    return Task(id=name, command=command, scope=(f"{name}.txt",) if scope is None else scope, depends_on=after)


@contextmanager
def session_on(repo: Repo, *tasks: Task, config: Config | None = None) -> Iterator[SessionStage]:
    """Create a session of these tasks and hold its lock."""
    workspace = open_workspace(repo.path)
    config = config or Config()
    plan = Plan(name="auth", tasks=tasks)
    with session_lock(workspace.layout, SESSION, command="a test") as proof:
        parts = build(workspace, config, SESSION, proof, fold=False)
        placed = schedule(plan, config)
        runs = {task.id: queued_run(SESSION, task, placed.placements[task.id].wave, config) for task in tasks}
        session = Session(
            id=SESSION,
            name="auth",
            state=SessionState.ACTIVE,
            target=MAIN,
            base=repo.oid(),
            started="2026-01-02T03:04:05.000Z",
            waves=placed.waves,
            clone=parts.claims.clone,
        )
        parts.state.create_session(
            session, plan=write_plan(plan), config=write_config(config), runs=runs.values(), report="# auth\n"
        )
        watcher = Watcher()
        books = Books(parts, session, plan, runs, watcher)
        scopes = {task.id: Scope.parse(task.scope) for task in tasks}
        try:
            yield SessionStage(repo, parts, books, placed, scopes, watcher)
        finally:
            close = getattr(parts.objects, "close", None)
            if close is not None:
                close()

"""Changes to the plan of an open session: tasks added, and queued tasks cancelled, while it runs.

They come as requests (``requests``), which the coordinator takes between two steps. So a cancelled task is never
dispatched in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.registry import agent_name
from gitfleet.coordinator.attempt.verdicts import receipt
from gitfleet.coordinator.sealing import released
from gitfleet.model.event import EventKind
from gitfleet.model.request import Reply, Request
from gitfleet.model.run import Failure, FailureSource, Run, RunState
from gitfleet.planner.rooms import never_fit
from gitfleet.planner.scopes import Scope, ScopeError, resolve_links
from gitfleet.planner.waves import OverlapRefused, Schedule, schedule
from gitfleet.store.documents.plans import write_plan
from gitfleet.store.locks import claims_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task
    from gitfleet.parts import Parts


@dataclass(slots=True)
class Amendments:
    """Changes to the plan of one session."""

    parts: Parts
    session: str

    def apply(
        self, request: Request, books: Books, current: Schedule, scopes: dict[str, Scope], wave: int
    ) -> tuple[Reply, Schedule | None]:
        """Add or cancel a task; gives the answer, and the new schedule when it changed."""
        if request.add is not None:
            return self._add(request, request.add, books, current, scopes, wave)
        return self._cancel(request, books), None

    def _add(
        self, request: Request, task: Task, books: Books, current: Schedule, scopes: dict[str, Scope], wave: int
    ) -> tuple[Reply, Schedule | None]:
        if task.id in books.runs and books.plan.task(task.id) == task:
            # Asked again, or a crash came between the plan and the reply.
            message = f"{task.id} is in wave {books.runs[task.id].wave}."
            return Reply(id=request.id, task=task.id, message=message), None
        unfit = _unfit(books, task, self.parts.config)
        if unfit is not None:
            return Reply(id=request.id, task=task.id, error=unfit[0], message=unfit[1]), None
        try:
            scope = self._scope(books, task)
        except ScopeError as error:
            message = f"The scope of {task.id} cannot be used: {error}."
            return Reply(id=request.id, task=task.id, error="invalid-scope", message=message), None
        before = books.plan
        books.plan = msgspec.structs.replace(before, tasks=(*before.tasks, task))
        scopes[task.id] = scope
        # A wave of which nothing has started yet has room for more.
        started = any(
            run.wave == wave and (run.state is not RunState.QUEUED or run.not_before or run.parked)
            for run in books.runs.values()
        )
        books.runs[task.id] = queued_run(self.session, task, wave + 1, self.parts.config)
        try:
            changed = self.reschedule(books, current, scopes, after=wave if started else wave - 1)
        except OverlapRefused as refused:
            books.plan = before
            del books.runs[task.id], scopes[task.id]
            message = f"{task.id} overlaps, and waves.overlap is error: {refused}"
            return Reply(id=request.id, task=task.id, error="overlap", message=message), None
        books.replace(books.runs[task.id])
        # Last, since the plan says which runs there are: until then a crash leaves the session as it was, and the
        # request to be taken up again.
        self.parts.state.add_amendment(self.parts.proof, write_plan(books.plan))
        run = books.runs[task.id]
        books.event(EventKind.ADD, f"{task.id} was added to wave {run.wave}", run=run)
        books.write_session()
        return Reply(id=request.id, task=task.id, message=f"{task.id} is in wave {run.wave}."), changed

    def _scope(self, books: Books, task: Task) -> Scope:
        """What the task may write, through the symlinks that the target tracks now."""
        tip = self.parts.refs.read(books.session.target) or books.session.base
        links = self.parts.objects.links(self.parts.objects.commit(tip).tree)
        return resolve_links(Scope.parse(task.scope), links, fold=self.parts.fold)[0]

    def _cancel(self, request: Request, books: Books) -> Reply:
        task = request.cancel
        run = books.runs.get(task)
        if run is None:
            return Reply(id=request.id, task=task, error="unknown-task", message=f"The session has no task {task}.")
        if run.state is not RunState.QUEUED and not run.held:
            message = f"{task} is {run.state}; only a queued task, or one held in conflict, can be cancelled."
            return Reply(id=request.id, task=task, error="not-queued", message=message)
        when = "while it waited for a permission" if run.parked else "before it started"
        when = "while it was held in conflict" if run.held else when
        failure = Failure(source=FailureSource.TASK, code="cancelled", message=f"It was cancelled {when}.")
        claim = released(run, books.now())
        run = books.advance(
            task, RunState.CANCELLED, failure=failure, claim=claim, receipt=receipt(RunState.CANCELLED, failure)
        )
        with claims_lock(self.parts.layout) as proof:
            self.parts.claims.release(proof, [run.instance] if run.instance else [])
        books.event(EventKind.CANCEL, f"{task} was cancelled", run=run, status="cancelled")
        return Reply(id=request.id, task=task, message=f"{task} is cancelled.")

    def postpone(self, books: Books, current: Schedule, scopes: dict[str, Scope], wave: int) -> Schedule:
        """Move what could not start in ``wave`` behind it, so that the rest of the wave can land."""
        return self.reschedule(books, current, scopes, after=wave, waiting=True)

    def reschedule(
        self, books: Books, current: Schedule, scopes: dict[str, Scope], *, after: int, waiting: bool = False
    ) -> Schedule:
        """Put every queued task into a wave behind ``after``; what has started stays where it is.

        So does one that waits for its next attempt, unless ``waiting`` says that it moves too.
        """
        runs = books.runs
        queued = [
            task
            for task in books.plan.tasks
            if runs[task.id].state is RunState.QUEUED
            and not runs[task.id].parked
            and (waiting or not runs[task.id].not_before)
        ]
        rest = schedule(self._remainder(books.plan, queued), self.parts.config, fold=self.parts.fold, scopes=scopes)
        placements = dict(current.placements)
        for number, wave in enumerate(rest.waves, start=after + 1):
            for task in wave:
                placements[task] = replace(rest.placements[task], wave=number)
                if books.runs[task].wave != number:
                    books.record(task, wave=number)
        order = [task for wave in (*rest.waves, *current.waves) for task in wave]
        waves = waves_of(books.runs, order)
        books.update(waves=waves)
        return Schedule(waves, placements)

    @staticmethod
    def _remainder(plan: Plan, queued: list[Task]) -> Plan:
        names = {task.id for task in queued}
        tasks = tuple(
            msgspec.structs.replace(task, depends_on=tuple(name for name in task.depends_on if name in names))
            for task in queued
        )
        return msgspec.structs.replace(plan, tasks=tasks)


def _unfit(books: Books, task: Task, config: Config) -> tuple[str, str] | None:
    """Why the session cannot take a task, as a code and a sentence."""
    if task.id in books.runs:
        return "duplicate", f"The session has a task {task.id} already."
    unknown = [name for name in task.depends_on if name not in books.runs]
    if unknown:
        return "unknown-dependency", f"{task.id} depends on {', '.join(unknown)}, which the session does not have."
    small = never_fit([task], config)
    if small:
        return "over-budget", f"{task.id} can never start: {small[0][1].sentence}."
    if books.session.ended:
        return "session-closed", "The session is over; its last landing told so."
    return None


def queued_run(session: str, task: Task, wave: int, config: Config) -> Run:
    """The run of a task that has not started."""
    return Run(
        session=session,
        task=task.id,
        name=task.title,
        wave=wave,
        state=RunState.QUEUED,
        agent=agent_name(task, config) or "command",
        kind=task.kind,
        objective=task.objective,
        scope=task.scope,
        depends_on=task.depends_on,
        tags=task.tags,
        metadata=task.metadata,
    )


def waves_of(runs: Mapping[str, Run], order: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The waves as the runs themselves say; within a wave as in ``order``, then as in ``runs``."""
    names = [task for task in dict.fromkeys((*order, *runs)) if task in runs]
    last = max((run.wave for run in runs.values()), default=0)
    return tuple(tuple(task for task in names if runs[task].wave == number) for number in range(1, last + 1))

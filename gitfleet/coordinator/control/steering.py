"""What a person asks of a running session from another terminal: pause, resume, drain, stop, interrupt, restart.

Asked between two steps of the coordinator and answered at once, also while a train is under way. What each does to
processes, claims and worktrees is in ``model.control``; the order of a stop is ``shutdown``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.coordinator.closing import Halt
from gitfleet.coordinator.control.ending import end
from gitfleet.model.event import EventKind
from gitfleet.model.request import Control, Reply
from gitfleet.model.run import RunState
from gitfleet.model.session import DISPATCHING, SESSION_TRANSITIONS, SessionState
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.observer import Interrupts
    from gitfleet.model.evidence import Exit
    from gitfleet.model.request import Request
    from gitfleet.parts import Parts

STOPPED = "it was stopped by `gitfleet stop`"
_STATES = {
    Control.PAUSE: SessionState.PAUSED,
    Control.RESUME: SessionState.ACTIVE,
    Control.DRAIN: SessionState.DRAINING,
}


@dataclass(slots=True)
class Steering:
    """How a person steers one session.

    ``found_paused``: the session was paused before this coordinator came, which then leaves once nothing is under way.
    """

    parts: Parts
    books: Books
    interrupts: Interrupts
    found_paused: bool = False
    _again: set[str] = field(default_factory=set)

    @property
    def dispatching(self) -> bool:
        """Whether tasks may start."""
        return self.books.session.state in DISPATCHING

    @property
    def activity(self) -> str:
        """What a person who watches is told of a session that starts nothing."""
        match self.books.session.state:
            case SessionState.PAUSED:
                return "paused: nothing new starts until `gitfleet resume`"
            case SessionState.DRAINING:
                return "draining: what runs is finished and landed, nothing new starts"
            case _:
                return ""

    def apply(self, request: Request, control: Control, *, ending: bool) -> Reply | None:
        """Do what is asked; none when it is a restart that has to wait for the train. ``ending``: it stops already."""
        run = self.books.runs.get(request.task)
        match control:
            case Control.STOP:
                return self._stop(request, ending=ending)
            case _ if ending:
                message = f"Session {self.books.session.id} is stopping; what was asked for is not done."
                return Reply(id=request.id, task=request.task, error="stopping", message=message)
            case Control.PAUSE | Control.RESUME | Control.DRAIN:
                return self._move(request, _STATES[control])
            case Control.INTERRUPT | Control.RESTART if run is None:
                message = f"The session has no task {request.task}."
                return Reply(id=request.id, task=request.task, error="unknown-task", message=message)
            case Control.INTERRUPT:
                return self._interrupt(request)
            case Control.RESTART:
                return self._restart(request)
            case _:
                assert_never(control)

    def ended_by_person(self, task: str, exit_: Exit) -> str:
        """How an attempt was ended that is not judged but starts afresh; empty where it is judged."""
        if task in self._again:
            self._again.discard(task)
            return "restarted"
        # Only a person stops an attempt, if not of this coordinator then of one that left before it could say so.
        return "interrupted" if exit_.reason == "stopped" else ""

    def nothing_left_to_do(self) -> Halt | None:
        """Why the session stops now that nothing is under way; none where it waits, or goes on."""
        left = sum(1 for run in self.books.runs.values() if not run.sealed)
        match self.books.session.state:
            case SessionState.DRAINING if left:
                return Halt(f"it was drained, and {plural(left, 'task')} did not run")
            case SessionState.PAUSED if left and self.found_paused:
                again = f"gitfleet resume {self.books.session.id}"
                return Halt(f"it is paused, and {plural(left, 'task')} did not run; `{again}` takes the pause back")
            case _:
                return None

    def _running(self) -> int:
        return sum(1 for run in self.books.runs.values() if run.state in {RunState.PREPARING, RunState.RUNNING})

    def _move(self, request: Request, state: SessionState) -> Reply:
        session = self.books.session
        already = " already" * (session.state is state)
        if session.state is not state:
            if state not in SESSION_TRANSITIONS[session.state]:
                message = f"Session {session.id} is {session.state} and cannot become {state}."
                return Reply(id=request.id, error="wrong-state", message=message)
            self.books.move(state, reason="")
            self.found_paused = False
            self.books.event(EventKind.CONTROL, self.activity or "resumed: tasks start again", status=str(state))
        running = plural(self._running(), "agent")
        message = {
            SessionState.PAUSED: f"Session {session.id} is paused{already}: {running} at work, and nothing new starts.",
            SessionState.DRAINING: f"Session {session.id} drains{already}: {running} at work, then it stops.",
        }.get(state, f"Session {session.id} is active{already}: tasks start as they can.")
        return Reply(id=request.id, message=message)

    def _stop(self, request: Request, *, ending: bool) -> Reply:
        if not (ending and self.interrupts.requested):
            self.interrupts.request(STOPPED, for_good=True)
        running = plural(self._running(), "agent")
        return Reply(id=request.id, message=f"Session {self.books.session.id} is stopping: {running} at work.")

    def _interrupt(self, request: Request) -> Reply:
        run = self.books.runs[request.task]
        asked = run.state is RunState.RUNNING and self.parts.host.interrupt(handle_of(self.parts, run))
        if not asked:
            message = f"{run.task} is {run.state}; only an agent that runs can be interrupted."
            return Reply(id=request.id, task=run.task, error="not-running", message=message)
        message = f"{run.task} was sent what Ctrl-C sends ({run.instance})"
        self.books.event(EventKind.CONTROL, message, run=run, status="interrupt")
        return Reply(id=request.id, task=run.task, message=f"{message}.")

    def _restart(self, request: Request) -> Reply | None:
        run = self.books.runs[request.task]
        match run.state:
            case RunState.RUNNING:
                end(self.parts, run, "before it was restarted")
            case RunState.FINISHED:
                pass
            case RunState.QUEUED | RunState.PREPARING if not (run.not_before or run.parked):
                message = f"{run.task} is {run.state}: there is nothing to start again."
                return Reply(id=request.id, task=run.task, error="not-started", message=message)
            case _:
                return None
        self._again.add(run.task)
        message = (
            f"{run.task} is being stopped; its work is kept, and it starts again as attempt {len(run.attempts) + 1}"
        )
        self.books.event(EventKind.CONTROL, message, run=run, status="restart")
        return Reply(id=request.id, task=run.task, message=f"{message}.")

"""The coordinator's own thread: it alone decides, and it alone writes the books.

Worker threads prepare worktrees, wait for wardens, collect evidence and run the train; each puts one message into the
inbox when it is done. The wave barrier and ``--rolling`` differ in when a task may start and when gated runs are
integrated. Nothing here promises progress of an agent: that is its warden's deadline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.accounts import Lending
from gitfleet.coordinator.boundary import Boundary
from gitfleet.coordinator.checks import CheckRunner
from gitfleet.coordinator.claiming import Claiming
from gitfleet.coordinator.closing import Halt, broken
from gitfleet.coordinator.conflicts import Conflicts
from gitfleet.coordinator.control.amendments import Amendments
from gitfleet.coordinator.control.requests import Requests
from gitfleet.coordinator.control.shutdown import Shutdown
from gitfleet.coordinator.control.steering import Steering
from gitfleet.coordinator.dispatching import Dispatching
from gitfleet.coordinator.messages import (
    BrokenMessage,
    CollectedMessage,
    EndedMessage,
    IntegratedMessage,
    LookedMessage,
    Message,
    PreparedMessage,
)
from gitfleet.coordinator.parking import Parking
from gitfleet.coordinator.radar.watch import RadarWatch
from gitfleet.coordinator.restarting import restart
from gitfleet.coordinator.retrying import Retrying
from gitfleet.coordinator.running import Running
from gitfleet.coordinator.settling import Settling
from gitfleet.coordinator.settling_trains import SettlingTrains
from gitfleet.coordinator.spending.budgets import Budgets
from gitfleet.coordinator.spending.rows import catch_up
from gitfleet.coordinator.spending.waiting import waits_for_wave
from gitfleet.coordinator.standing import Waits
from gitfleet.coordinator.supervising import Supervising
from gitfleet.coordinator.tracking import Tracker
from gitfleet.coordinator.training import Training
from gitfleet.coordinator.wave_events import WaveEvents
from gitfleet.coordinator.workers import Workers
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.planner.dispatch import doomed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.model.request import Reply, Request
    from gitfleet.model.run import Run
    from gitfleet.model.session import PendingLanding, Session
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule
    from gitfleet.runtime.hosts.base import Handle

TICK_SECONDS = 0.2


@dataclass(slots=True)
class Coordinator:
    """Runs one session from where its books stand to its end, or to the point where a person is needed."""

    parts: Parts
    books: Books
    schedule: Schedule
    scopes: dict[str, Scope]
    observer: Observer
    interrupts: Interrupts
    halt: Halt | None = None
    _workers: Workers = field(default_factory=Workers)
    _checks: CheckRunner = field(init=False)
    _amendments: Amendments = field(init=False)
    _waves: WaveEvents = field(init=False)
    _budgets: Budgets = field(init=False)
    _waits: Waits = field(init=False)
    _lending: Lending = field(init=False)
    _dispatching: Dispatching = field(init=False)
    _supervising: Supervising = field(init=False)
    _tracker: Tracker = field(init=False)
    _settling: Settling = field(init=False)
    _running: Running = field(init=False)
    _shutdown: Shutdown = field(init=False)
    _steering: Steering = field(init=False)
    _retrying: Retrying = field(init=False)
    _boundary: Boundary = field(init=False)
    _training: Training = field(init=False)
    _conflicts: Conflicts = field(init=False)
    _radar: RadarWatch = field(init=False)

    def __post_init__(self) -> None:
        """Build what lives as long as the coordinator."""
        self._checks = CheckRunner(self.parts, self.books.session.id)
        claiming = Claiming(self.parts, self.books.session)
        self._amendments = Amendments(self.parts, self.books.session.id)
        self._waves = WaveEvents(self.books)
        self._retrying = Retrying(self.parts, self.books)
        self._budgets = Budgets(self.parts, self.books)
        self._waits = Waits(self.parts, self.books, self._budgets.following)
        self._lending = Lending(self.parts, self.books)
        workers, waves, budgets = self._workers, self._waves, self._budgets
        self._dispatching = Dispatching(
            self.parts,
            self.books,
            self.scopes,
            claiming,
            workers,
            waves,
            self._retrying,
            self._checks,
            budgets,
            self._lending,
        )
        self._supervising = Supervising(self.parts, self.books)
        self._radar = RadarWatch(self.parts, self.books)
        self._tracker = Tracker(self.parts, self.observer, self._supervising, self._budgets.following)
        self._shutdown = Shutdown(self.parts, self.books, claiming, self._checks)
        self._settling = Settling(self.parts, self.books, claiming, self._retrying, self._shutdown)
        self._boundary = Boundary(self.parts, self.books)
        trains = SettlingTrains(self.parts, self.books, self._settling)
        self._training = Training(
            self.parts, self.books, self.scopes, trains, self._checks, self._workers, self.interrupts
        )
        self._conflicts = Conflicts(self.parts, self.books, self.scopes, self._settling, self._checks, self._workers)
        paused = self.books.session.state is SessionState.PAUSED
        self._steering = Steering(self.parts, self.books, self.interrupts, found_paused=paused)
        self._running = Running(
            self.parts,
            self.books,
            self.scopes,
            self._settling,
            self._steering,
            self._shutdown,
            self._checks,
            self._tracker,
            self._workers,
        )

    def run(self, adopted: Mapping[str, Handle]) -> Halt | None:
        """Run to the end; ``adopted`` are attempts that run or ended already, by task."""
        for task, handle in adopted.items():
            self._running.adopt(task, handle)
        catch_up(self.parts, self.books, adopted)
        self._lending.recover()
        self._conflicts.look()
        try:
            while self._step():
                pass
        finally:
            self._radar.close()
            self._budgets.following.close()
            self._lending.look(over=True)
        self._settling.finish()
        return self.halt

    def land_again(self, pending: PendingLanding) -> None:
        """Try a landing once more that was decided, verified, and kept from happening."""
        self._training.land_again(pending)

    def publish_records(self, closed: Session) -> None:
        """Land the records alone, for a session that closes without a landing that could carry them."""
        self._training.publish(closed)

    def _step(self) -> bool:
        """One round: react to the person, start what can start, take one message. False when all is over."""
        Requests(self.parts.layout.session(self.books.session.id)).take(self._decide)
        if self.interrupts.requested and not self._shutdown.begun:
            self.halt = Halt(self.interrupts.why, interrupted=True, for_good=self.interrupts.for_good)
            self._shutdown.begin(self.interrupts.why)
        if self.halt is None:
            self._conflicts.decide()
            self._skip_doomed()
            self._waves.tell_over()
            self._boundary.cross(self._current_wave(), over=all(run.sealed for run in self.books.runs.values()))
            self._integrate()
            self._dispatch()
            self._supervising.look()
        self._budgets.look(ending=self.halt is not None)
        self._waits.look()
        self._radar.look(ending=self.halt is not None)
        self._lending.look()
        self._shutdown.advance()
        if not self._workers.busy and self.halt is None:
            self.halt = self._steering.nothing_left_to_do() or self._conflicts.nothing_else_left()
        if not self._workers.busy and (self.halt or all(run.sealed for run in self.books.runs.values())):
            return False
        activity = self._training.activity or self._steering.activity
        waiting, predictions = self._retrying.waiting(), self._radar.predictions
        self._tracker.show(self.books, self._current_wave(), activity, waiting, predictions)
        message = self._workers.take(TICK_SECONDS)
        if message is not None:
            self._react(message)
        return True

    def _react(self, message: Message) -> None:
        match message:
            case PreparedMessage():
                self.halt = self._running.prepared(message, self.halt)
            case EndedMessage():
                self._running.ended(message)
            case CollectedMessage():
                self.halt = self._running.collected(message, self.halt)
            case IntegratedMessage():
                halt = self._training.ended(message)
                self.halt = self.halt or halt
            case LookedMessage():
                self._conflicts.looked(message.task, message.found)
            case BrokenMessage():
                self.halt = broken(self.parts, message.error, self.halt)
            case _:
                assert_never(message)

    # -- starting ------------------------------------------------------------------------------------------------

    def _current_wave(self) -> int:
        """The first wave that is not over; the last one when all are. What waits for a person keeps no wave back."""
        waiting = self._conflicts.waiting()
        waves = [run.wave for run in self.books.runs.values() if not run.sealed and run.task not in waiting]
        return min(waves, default=len(self.schedule.waves))

    def _skip_doomed(self) -> None:
        states = {task: run.state for task, run in self.books.runs.items()}
        for task, reason in doomed(self.books.plan, states).items():
            self._settling.skip(task, reason)

    @property
    def _may_start(self) -> bool:
        return self.halt is None and self._steering.dispatching

    def _dispatch(self) -> None:
        if self._may_start and (self.books.session.rolling or not self._training.under_way):
            self.halt = self._dispatching.start_ready(self.schedule, self._current_wave())

    # -- integration ---------------------------------------------------------------------------------------------

    def _integrate(self) -> None:
        """Give gated runs to the train: all that are ready when rolling, else a whole wave at its end."""
        if self._training.under_way:
            return
        runs = self.books.runs
        for run in [run for run in runs.values() if run.state is RunState.GATED and not run.files]:
            # A crash came between its gate and its end.
            self._settling.nothing_to_land(run)
        if self._training.go_on():
            return
        ready = self._training.ready()
        if not self.books.session.rolling:
            wave = self._current_wave()
            going = self._conflicts.waiting().union(ready)
            unsealed = [run for run in runs.values() if run.wave == wave and not run.sealed and run.task not in going]
            behind = self._retrying.behind() | set(self._dispatching.held)
            # What cannot start now must not keep the rest of its wave from landing.
            if any(run.task not in behind and not self._left_queued(run) for run in unsealed):
                return
            if unsealed and ready:
                self.schedule = self._amendments.postpone(self.books, self.schedule, self.scopes, wave)
                self._dispatching.held.clear()
        if ready:
            self._training.start(ready)
        elif self._may_start and not self._workers.busy and waits_for_wave(self._dispatching.held):
            self.schedule = self._amendments.postpone(self.books, self.schedule, self.scopes, self._current_wave())
            self._dispatching.held.clear()
        elif self._may_start:
            self.halt = self._dispatching.wait_for_claims()

    def _left_queued(self, run: Run) -> bool:
        return run.state is RunState.QUEUED and not self._may_start

    # -- what people ask for -------------------------------------------------------------------------------------

    def _decide(self, request: Request) -> Reply | None:
        """Answer a request; none while it has to wait for the train, whose landing was decided without it."""
        if request.permit is not None:
            return Parking(self.books, self._settling).answer(request, request.permit)
        if request.control is not None:
            reply = self._steering.apply(request, request.control, ending=self.halt is not None)
            if reply is not None:
                return reply
        if self._training.under_way or self.halt is not None:
            return None
        wave, changed = self._current_wave(), None
        if request.control is not None:
            reply, changed = restart(self._settling, self._amendments, self.schedule, self.scopes, wave, request)
        else:
            reply, changed = self._amendments.apply(request, self.books, self.schedule, self.scopes, wave)
        self.schedule = changed or self.schedule
        return reply

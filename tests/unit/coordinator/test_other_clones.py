"""A claim of another clone blocks nothing, and who starts beside it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from gitfleet.app.status import status
from gitfleet.app.workspace import open_workspace
from gitfleet.cli.output import Line
from gitfleet.cli.status_view import view
from gitfleet.coordinator.accounts import Lending
from gitfleet.coordinator.checks import CheckRunner
from gitfleet.coordinator.claiming import Claiming, clash
from gitfleet.coordinator.dispatching import Dispatching
from gitfleet.coordinator.retrying import Retrying
from gitfleet.coordinator.spending.budgets import Budgets
from gitfleet.coordinator.wave_events import WaveEvents
from gitfleet.model.event import EventKind
from gitfleet.store.claims import Claims
from gitfleet.store.locks import claims_lock
from tests.support.stage import SESSION, session_on, task_of
from tests.unit.store.samples import make_claim

if TYPE_CHECKING:
    from gitfleet.coordinator.workers import Workers
    from tests.support.repo import Repo

TOLD = (
    "src/x is claimed by fleet-theirs-w1-a1 of theirs, in another clone, as well as by a: neither waits for the "
    "other, and their changes may conflict"
)


class Idle:
    """Workers that do nothing."""

    def submit(self, _work: object) -> None:
        """Leave it."""


def test_what_another_clone_claims_as_well_is_an_event_and_in_status(repo: Repo) -> None:
    with session_on(repo, task_of("a", scope=("src/",)), task_of("b", scope=("docs/",))) as stage:
        parts, books = stage.parts, stage.books
        theirs = msgspec.structs.replace(
            make_claim("fleet-theirs-w1-a1", "src/x"), clone="other", session="theirs", task="far"
        )
        with claims_lock(parts.layout) as proof:
            Claims(parts.layout, "other").acquire(proof, [theirs], clash)
        retrying, checks = Retrying(parts, books), CheckRunner(parts, stage.session.id)
        dispatching = Dispatching(
            parts,
            books,
            stage.scopes,
            Claiming(parts, stage.session),
            cast("Workers", Idle()),
            WaveEvents(books),
            retrying,
            checks,
            Budgets(parts, books),
            Lending(parts, books),
        )

        assert dispatching.start_ready(stage.schedule, 1) is None

        told = [event for event in stage.watcher.events if event.kind is EventKind.CLAIM]
        assert [(event.task, event.status, event.message) for event in told] == [("a", "other-clone", TOLD)]
        report = status(open_workspace(repo.path), SESSION)
        assert report.sessions[0].other_clones == (TOLD,)
        lines = [piece.text for piece in view(report) if isinstance(piece, Line)]
        assert f"  {TOLD}" in lines

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from gitfleet.coordinator.claiming import clash
from gitfleet.store.claims import Claims, Granted, Held
from gitfleet.store.layout import Layout
from gitfleet.store.locks import claims_lock, session_lock
from gitfleet.store.turns import FRESH_SECONDS, Turns
from tests.unit.store.samples import every_name, make_claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.model.claim import Claim


class Table:
    """A table of claims with turns, and a clock that stands still."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.claims = Claims(self.layout)
        self.now = 1_000_000.0

    def take(self, *wanted: Claim) -> Granted | Held:
        with claims_lock(self.layout) as proof:
            return Turns(self.layout, lambda: self.now).take(self.claims, proof, wanted, clash)

    def release(self, *instances: str) -> None:
        with claims_lock(self.layout) as proof:
            self.claims.release(proof, instances)

    @contextmanager
    def coordinated(self, *sessions: str) -> Iterator[None]:
        with ExitStack() as stack:
            for session in sessions:
                stack.enter_context(session_lock(self.layout, session))
            yield


LITTLE = make_claim("little", "src/a/", session="narrow")
OTHER = make_claim("other", "src/b/", session="narrow-too")
ALL = make_claim("all", ".", session="wide")
DOCS = make_claim("docs", "docs/", session="narrow-too")


def test_a_wide_scope_gets_its_turn_though_narrow_ones_come_and_go(tmp_path: Path) -> None:
    table = Table(tmp_path)
    with table.coordinated("narrow", "narrow-too", "wide"):
        assert table.take(LITTLE) == Granted((LITTLE,))
        assert isinstance(table.take(ALL), Held)
        # It is free, but somebody waits for it who came first.
        behind = table.take(OTHER)
        assert isinstance(behind, Held)
        assert (behind.by, behind.waits) == (ALL, True)
        table.release("little")
        assert table.take(LITTLE) != Granted((LITTLE,))
        assert table.take(ALL) == Granted((ALL,))
        table.release("all")
        # And those that waited behind it, in their order: this one was before the other came back.
        assert table.take(OTHER) == Granted((OTHER,))
        assert table.take(LITTLE) == Granted((LITTLE,))
    assert every_name(table.layout.waiting) == []


def test_who_wants_something_else_is_not_held_up(tmp_path: Path) -> None:
    table = Table(tmp_path)
    waits = make_claim("waits", "src/", session="wide")
    with table.coordinated("narrow", "wide"):
        table.take(LITTLE)
        assert isinstance(table.take(waits), Held)
        assert table.take(DOCS) == Granted((DOCS,))


def test_who_does_not_come_back_loses_its_turn(tmp_path: Path) -> None:
    table = Table(tmp_path)
    with table.coordinated("narrow", "wide"):
        table.take(LITTLE)
        assert isinstance(table.take(ALL), Held)
        table.now += FRESH_SECONDS + 1
        assert table.take(OTHER) == Granted((OTHER,))
        assert every_name(table.layout.waiting) == []
        # A clock that was set back is no reason to wait, either.
        table.take(ALL)
        table.now -= 3600
        table.release("other")
        assert table.take(OTHER) == Granted((OTHER,))


def test_who_died_loses_its_turn_at_once(tmp_path: Path) -> None:
    table = Table(tmp_path)
    with table.coordinated("narrow"):
        table.take(LITTLE)
        with table.coordinated("wide"):
            assert isinstance(table.take(ALL), Held)
        assert table.take(OTHER) == Granted((OTHER,))


def test_tasks_of_one_session_do_not_wait_for_each_other(tmp_path: Path) -> None:
    table = Table(tmp_path)
    with table.coordinated("narrow", "wide"):
        table.take(LITTLE)
        assert isinstance(table.take(ALL), Held)
        part = make_claim("part", "docs/", session="wide")
        assert table.take(part) == Granted((part,))


def test_what_a_killed_writer_left_holds_nobody_up(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.layout.waiting.mkdir(parents=True)
    (table.layout.waiting / "000000000001-torn.json").write_bytes(b'{"claims": [')
    with table.coordinated("narrow"):
        assert table.take(LITTLE) == Granted((LITTLE,))
    assert every_name(table.layout.waiting) == []

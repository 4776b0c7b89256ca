from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.handoff import Discoveries, Discovery, Fact, Handoff, PinnedPath
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import Failure, FailureSource, MergeRecord, RunState
from gitfleet.relay.discoveries import current, is_current, pin
from gitfleet.relay.momentum import Momentum, Recurring, fold, share
from tests.unit.store.samples import SESSION, make_run, make_session

TREE = {b"src/a.py": "a1", "ü.md".encode(): "u1", b'we"ird': "w1"}
WORDS = st.lists(st.sampled_from(["Use jose", "use  JOSE", "b", "c"]), max_size=3).map(tuple)


@st.composite
def shares(draw: st.DrawFn) -> SessionMomentum:
    blob = draw(st.sampled_from(["a1", "a2"]))
    return SessionMomentum(
        session=draw(st.sampled_from(["s1", "s2", "s3", "s4"])),
        ended=draw(st.sampled_from(["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"])),
        scopes=draw(WORDS),
        decisions=draw(WORDS),
        failures=draw(WORDS),
        discoveries=(
            Discovery(fact=draw(st.sampled_from("xy")), source="i", pins=(PinnedPath(path="src/a.py", blob=blob),)),
        ),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(shares(), max_size=6), st.randoms(use_true_random=False))
def test_the_fold_does_not_care_for_order_or_repetition(given_shares: list[SessionMomentum], random: object) -> None:
    shuffled = [*given_shares, *given_shares[:2]]
    getattr(random, "shuffle")(shuffled)  # noqa: B009 - hypothesis types its random as an object
    extra = [Discoveries(session="s9", task=task, discoveries=(Discovery(fact=task, source="i"),)) for task in "ab"]
    expected = fold(given_shares, extra, TREE.get)
    assert fold(shuffled, [*reversed(extra), extra[0]], TREE.get) == expected
    assert {fact.fact for fact in expected.discoveries} >= {"a", "b"}


def momentum(session: str, day: int, **facts: tuple[str, ...]) -> SessionMomentum:
    return SessionMomentum(session=session, ended=f"2026-01-{day:02}T00:00:00.000Z", **facts)  # type: ignore[arg-type]


def test_recurring_decisions_go_first_and_old_failures_are_forgotten() -> None:
    given_shares = [momentum(f"s{day}", day, failures=(f"f{day}",), scopes=(f"d{day}",)) for day in range(1, 13)]
    given_shares += [
        momentum("x", 20, decisions=("Use Jose", "fresh")),
        momentum("y", 19, decisions=("use  jose", "old")),
    ]
    result = fold(given_shares, [], TREE.get)
    assert result.sessions == 14
    assert result.decisions == (Recurring("Use Jose", 2), Recurring("fresh", 1), Recurring("old", 1))
    assert result.failures == tuple(f"f{day}" for day in range(12, 4, -1))
    assert result.scopes[0].text == "d12"
    assert fold([], [], TREE.get) == Momentum()
    assert Momentum().is_empty
    assert not result.is_empty


def test_a_discovery_expires_with_its_files() -> None:
    handoff = Handoff(
        discoveries=(
            Fact(fact="named", paths=("src/a.py", "./src//a.py", "gone.py", '"we\\"ird"', "../up", "/abs", '"broken')),
            Fact(fact="mentions src/a.py, and no/such.py."),
            Fact(fact="about nothing"),
        )
    )
    found = pin(make_run("api", RunState.LANDED, instance="i", handoff=handoff), TREE.get).discoveries
    assert [(one.source, one.pins) for one in found] == [
        (
            "i",
            (
                PinnedPath(path="src/a.py", blob="a1"),
                PinnedPath(path="gone.py", blob=""),
                PinnedPath(path='"we\\"ird"', blob="w1"),
            ),
        ),
        ("i", (PinnedPath(path="src/a.py", blob="a1"),)),
        ("i", ()),
    ]
    assert current(found, TREE.get) == found
    changed = TREE | {b"src/a.py": "a2"}
    assert [one.fact for one in current(found, changed.get)] == ["about nothing"]
    appeared = TREE | {b"gone.py": "g1"}
    assert [one.fact for one in current(found, appeared.get)] == ["mentions src/a.py, and no/such.py.", "about nothing"]
    assert not is_current(Discovery(fact="f", source="i", pins=(PinnedPath(path='"broken'),)), TREE.get)
    assert pin(make_run("api"), TREE.get).discoveries == ()


def test_a_session_shares_where_it_worked_what_it_decided_and_what_failed() -> None:
    runs = [
        make_run(
            "b",
            RunState.FAILED,
            scope=("docs/",),
            failure=Failure(source=FailureSource.TASK, code="exit-code", message="exited\n2"),
            handoff=Handoff(decisions=("d2", "d1"), failures=("own",)),
        ),
        make_run(
            "a",
            RunState.LANDED,
            scope=("src/",),
            merge=MergeRecord(commit="c", landing=1, target="t"),
            handoff=Handoff(decisions=("d1",)),
        ),
    ]
    facts = Discoveries(session=SESSION, task="a", discoveries=(Discovery(fact="f", source="i"),))
    session = make_session(ended="2026-01-03T00:00:00.000Z")
    result = share(session, runs, [facts])
    assert result == SessionMomentum(
        session=SESSION,
        ended="2026-01-03T00:00:00.000Z",
        scopes=("src/",),
        decisions=("d1", "d2"),
        failures=("b: exit-code: exited 2", "own"),
        discoveries=facts.discoveries,
    )
    assert share(session, reversed(runs), [facts]) == result

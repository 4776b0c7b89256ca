"""What a parked run asks of a person: bounded, without secrets, and never less than what an approval permits."""

from __future__ import annotations

import msgspec

from gitfleet.agents.events import Denied
from gitfleet.agents.transcript import Transcript
from gitfleet.cli.text import inline
from gitfleet.coordinator.parked import MOST_KEPT, covered, denials, goes_on, parked, parks, sentence
from gitfleet.model.base import decode, encode
from gitfleet.model.evidence import Attempt
from gitfleet.model.parking import SHOWN, Parked, Permission, StandingGrant
from gitfleet.model.run import Failure, FailureSource, Run, RunState
from gitfleet.planner.retries import counted
from tests.unit.store.samples import make_run

DENIED = Failure(source=FailureSource.NEEDS_PERSON, code="permission-denied", message="It was not allowed.")


def asked(*denied: Denied) -> tuple[Permission, ...]:
    def clean(one: Permission) -> Permission:
        return msgspec.structs.replace(one, argument=one.argument.replace("hunter22", "<KEY>"))

    return denials(Transcript(denied=list(denied)), clean)


def waits(*denied: Permission) -> Run:
    attempts = (Attempt(number=1, base="b", started="s"),)
    return parked(make_run("a", RunState.FINISHED, instance="i", attempts=attempts), DENIED, denied, "now")


def test_whatever_was_asked_for_is_kept_bounded_and_shown_on_a_line() -> None:
    found = asked(
        Denied("Bash", "x" * 1_000_000),
        Denied("Bash", "a\n\x1b[2J\u202eb"),
        Denied("T" * 5000, "curl -H hunter22"),
        Denied("Bash", "half \ufffd"),
        *(Denied("Bash", f"make {number}") for number in range(20)),
        Denied("Bash", "make 1"),
    )
    run = waits(*found)
    assert run.parked is not None
    assert decode(encode(run), Run) == run
    assert (len(run.parked.denied), run.parked.more) == (MOST_KEPT, 24 - MOST_KEPT)
    assert [one.whole for one in run.parked.denied[:5]] == [False, True, False, False, True]
    assert "hunter22" not in sentence(run)
    assert "\n" not in sentence(run)
    assert len(found[0].full) > len("x" * 2000) > len(found[0].shown)
    line = inline(sentence(run))
    assert len(line) < 5 * SHOWN
    assert "a\\n\\x1b[2J\\u202eb" in line
    assert f"and {24 - 3} more" in line


def test_what_is_not_known_whole_is_permitted_by_nobody() -> None:
    cut, other = Permission(tool="Bash", argument="x", whole=False), Permission(tool="Bash", argument="make")
    assert Parked(denied=(cut, other)).permitted == (other,)
    assert goes_on("a", Parked(denied=(cut, other))).startswith("a may use Bash(make), and goes on")
    assert "without 1 of what it asked for" in goes_on("a", Parked(denied=(cut, other)))
    assert "may use" not in goes_on("a", Parked(denied=(cut,)))


def test_what_an_approval_allows_beyond_what_was_asked_is_said() -> None:
    run = waits(*asked(Denied("WebFetch", "http://x/y", "every address on x")))
    assert "WebFetch(http://x/y) (which permits every address on x)" in sentence(run)
    always = StandingGrant(agent="claude", tool="WebFetch", argument="http://x/y", allows="every address on x")
    assert always.permission.full == "WebFetch(http://x/y) (which permits every address on x)"


def test_only_what_is_always_granted_as_a_whole_needs_nobody() -> None:
    make, rm = Permission(tool="Bash", argument="make"), Permission(tool="Bash", argument="rm")
    grant = StandingGrant(agent="claude", tool="Bash", argument="make", since="2026-01-02T00:00:00.000Z")
    assert covered((make,), (grant,), kind="claude")
    assert covered((make,), (grant,), kind="claude", since="2026-01-01T00:00:00.000Z")
    # What was granted before it started did not help it.
    assert not covered((make,), (grant,), kind="claude", since="2026-01-03T00:00:00.000Z")
    assert not covered((make, rm), (grant,), kind="claude")
    assert not covered((make,), (grant,), kind="codex")
    assert not covered((msgspec.structs.replace(make, whole=False),), (grant,), kind="claude")
    assert not covered((), (grant,), kind="claude")


def test_one_that_was_interrupted_asks_for_nothing_and_waits_all_the_same() -> None:
    stopped = Failure(source=FailureSource.NEEDS_PERSON, code="interrupted", message="It was interrupted.")
    assert parks(stopped)
    assert parks(DENIED)
    assert not parks(msgspec.structs.replace(stopped, source=FailureSource.TRANSPORT))
    attempts = (Attempt(number=1, base="b", started="s"),)
    run = make_run("a", RunState.FINISHED, instance="i", attempts=attempts)
    run = parked(run, stopped, (Permission(tool="Bash", argument="make"),), "now")
    assert run.parked is not None
    assert (run.waiting, run.holding, run.going_on, run.parked.denied) == (True, True, True, ())
    assert counted(run.attempts) == 0
    assert sentence(run) == "a was interrupted: `gitfleet approve i` lets it go on"
    assert goes_on("a", run.parked) == "a goes on where it stopped"

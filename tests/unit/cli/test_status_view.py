"""What `status` says of runs that wait for a person: each thing once, and short enough for a terminal."""

from __future__ import annotations

import io
from collections import Counter

import msgspec
from rich.console import Console

from gitfleet.cli.output import draw
from gitfleet.cli.status_view import view
from gitfleet.coordinator.parked import sentence
from gitfleet.model.parking import Parked, Permission
from gitfleet.model.reports import HeldTask, Need, SessionStatus, StatusReport
from gitfleet.model.session import SessionState
from tests.unit.store.samples import make_run

SESSION = "auth-refactor-k3f9qm"


def report(count: int) -> StatusReport:
    """A session at rest since so many runs are parked, as its coordinator left it, and one that waits behind them."""
    runs = [
        make_run(
            f"api-{number}",
            instance=f"fleet-{SESSION}-w1-a{number}",
            parked=Parked(denied=(Permission(tool="Bash", argument=f"make deploy-{number}"),), since="s"),
        )
        for number in range(count)
    ]
    reason = "; ".join([*map(sentence, runs[:3]), *["and 2 more"] * (count > 3)])
    asked = [
        Need(session=SESSION, task=run.task, reason=run.parked.why, next=f"gitfleet approve {run.instance}")
        for run in runs
        if run.parked
    ]
    held = [HeldTask(task=run.task, reason=sentence(run)) for run in runs]
    return StatusReport(
        needs=(*asked, Need(session=SESSION, reason=reason, next=f"gitfleet continue {SESSION}")),
        sessions=(
            SessionStatus(
                id=SESSION,
                name="auth",
                state=SessionState.NEEDS_CONTINUE,
                target="refs/heads/main",
                started="s",
                counts={"queued": count + 1},
                activities={},
                failures={},
                held=(*held, HeldTask(task="docs", reason="docs waits: its scope is taken")),
            ),
        ),
    )


def lines(what: StatusReport) -> list[str]:
    """What a terminal of 80 columns shows."""
    out = io.StringIO()
    draw(view(what), Console(file=out, width=80, color_system=None))
    return out.getvalue().splitlines()


def test_what_parked_runs_wait_for_is_said_once_each_and_fits() -> None:
    shown = lines(report(5))
    assert all(len(line) <= 80 for line in shown)
    assert shown[:1] == [
        "5 things need you.",
    ]
    assert shown[1:11] == [
        text
        for number in range(5)
        for text in (
            f"  {SESSION} api-{number}: was not allowed to use Bash(make deploy-{number})",
            f"    gitfleet approve fleet-{SESSION}-w1-a{number}",
        )
    ]
    assert shown[11:] == [
        f"  gitfleet continue {SESSION}  # then, as 5 runs wait for you",
        "",
        f"{SESSION}  needs-continue on main",
        "  runs: 6 queued",
        "  docs waits: its scope is taken",
    ]
    assert max(Counter(shown).values()) == 1


def test_another_reason_of_a_session_is_told_as_it_is() -> None:
    what = report(1)
    assert f"  gitfleet continue {SESSION}  # then, as 1 run waits for you" in lines(what)
    stopped = msgspec.structs.replace(what.needs[-1], reason="it was interrupted")
    other = msgspec.structs.replace(what, needs=(stopped, *what.needs[:-1]))
    assert lines(other)[0] == "1 session waits to be continued. 1 thing needs you."
    assert f"  gitfleet continue {SESSION}  # it was interrupted" in lines(other)

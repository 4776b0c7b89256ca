from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.model.brief import BriefHeader
from gitfleet.model.conflict import Conflict, ConflictKind
from gitfleet.model.evidence import CheckResult, FileChange, GateReport, Verdict, Verification, Violation
from gitfleet.model.handoff import Fact, Handoff
from gitfleet.model.plan import Task
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.relay.briefs import Brief, brief, select
from gitfleet.store.documents import front_matter
from tests.unit.store.samples import make_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.model.run import Run


def full_run(count: int = 1) -> Run:
    return make_run(
        "api",
        RunState.REJECTED,
        instance="fleet-s-w1-a1",
        failure=Failure(source=FailureSource.TASK, code="out-of-scope", message="wrote a | b"),
        gate=GateReport(passed=False, violations=(Violation(path="a`b", reason="out-of-scope"),)),
        checks=(
            CheckResult(name="t", run="t", exit_code=1, tail="assert <x>"),
            CheckResult(name="ok", run="t", exit_code=0),
        ),
        verification=Verification(
            verdict=Verdict.RED,
            checks=(
                CheckResult(name="slow", run="t", timed_out=True),
                CheckResult(name="sig", run="t", signal=9),
                CheckResult(name="w", run="t", exit_code=0, wrote=("x",)),
            ),
        ),
        conflicts=tuple(Conflict(path=f"c{number}", kind=ConflictKind.CONTENT) for number in range(12)),
        files=(FileChange(path="f.py", change="added"),),
        handoff=Handoff(
            built=tuple(f"built {number}" for number in range(count)),
            decisions=tuple(f"decision {number}" for number in range(count)),
            discoveries=tuple(Fact(fact=f"discovery {number}", paths=("p.py",)) for number in range(count)),
            remaining=("rest",),
            failures=("own failure",),
            no_change="because",
        ),
    )


def test_everything_is_kept_in_order_with_its_source() -> None:
    text = brief(full_run())
    header, body = front_matter.parse(text.encode(), BriefHeader)
    assert header == BriefHeader(
        session="auth-k3f9qm", task="api", instance="fleet-s-w1-a1", outcome="rejected (out-of-scope)"
    )
    titles = [line for line in body.splitlines() if line.startswith("## ")]
    assert titles == ["## Failures", "## Decisions", "## Discoveries", "## Built", "## Remaining", "## Files"]
    items = [line for line in body.splitlines() if line.startswith("- ")]
    assert all(item.endswith("(fleet-s-w1-a1)") for item in items)
    assert [item.removeprefix("- ").removesuffix(" (fleet-s-w1-a1)") for item in items] == [
        r"out-of-scope: wrote a \| b",
        "``a`b`` was not accepted: out-of-scope",
        "check `t` exited 1: assert &lt;x&gt;",
        "check `slow` timed out",
        "check `sig` was ended by signal 9",
        "check `w` changed `x`",
        "conflicts with the target in " + ", ".join(f"`c{number}`" for number in range(10)) + " and 2 more",
        "own failure",
        "decision 0",
        "discovery 0 — `p.py`",
        "built 0",
        "no change: because",
        "rest",
        "`f.py`",
    ]
    assert "cut:" not in text


@pytest.mark.parametrize("cap", [600, 1000, 2000, 4096])
def test_the_cap_is_hard_and_the_least_important_goes_first(cap: int) -> None:
    run = full_run(60)
    text = brief(run, cap_bytes=cap)
    assert len(text.encode()) <= cap
    lines = text.splitlines()
    cut = {
        name: int(count) for count, name in (part.split(" ") for part in lines[-1].removeprefix("cut: ").split(", "))
    }
    kept: dict[str, int] = {}
    for line in lines:
        if line.startswith("## "):
            kept[line.removeprefix("## ").lower()] = 0
        elif line.startswith("- "):
            kept[list(kept)[-1]] += 1
    totals = {"failures": 8, "decisions": 60, "discoveries": 60, "built": 61, "remaining": 1, "files": 1}
    assert {name: kept.get(name, 0) + cut.get(name, 0) for name in totals} == totals
    # Nothing less important is kept behind a cut.
    order = list(totals)
    assert list(kept) == order[: len(kept)]
    assert list(cut) == order[len(order) - len(cut) :]


def test_a_brief_is_never_smaller_than_its_front_matter() -> None:
    text = brief(full_run(), cap_bytes=1)
    assert front_matter.parse(text.encode(), BriefHeader)[0].task == "api"
    assert "cut: 8 failures" in text


def test_nothing_reported_is_said() -> None:
    assert "Nothing was reported." in brief(make_run("api", RunState.LANDED))


def test_the_same_item_twice_is_told_once() -> None:
    text = brief(make_run("api", RunState.LANDED, handoff=Handoff(built=("a", "a"))))
    assert text.count("- a") == 1


def prefix(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    return any(a.startswith(b) or b.startswith(a) for a in ours for b in theirs)


def make_brief(task: str, size: int, wave: int = 1, scope: tuple[str, ...] = (), reads: tuple[str, ...] = ()) -> Brief:
    return Brief(make_run(task, RunState.LANDED, wave=wave, scope=scope), "x" * size, reads)


def test_dependencies_go_first_then_what_touches_then_newer_waves() -> None:
    briefs = [
        make_brief("far", 10, wave=1, scope=("other/",)),
        make_brief("newer", 10, wave=2, scope=("other/",)),
        make_brief("reads", 10, wave=1, reads=("src/a",)),
        make_brief("near", 10, wave=1, scope=("src/",)),
        make_brief("dep", 10, wave=1, scope=("elsewhere/",)),
    ]
    task = Task(id="me", scope=("src/a/",), depends_on=("dep",))
    selection = select(briefs, task, budget_bytes=1000, touches=prefix)
    assert [found.run.task for found in selection.briefs] == ["dep", "near", "reads", "newer", "far"]
    assert selection == select(reversed(briefs), task, budget_bytes=1000, touches=prefix)
    assert selection.left_out == ()


def test_what_does_not_fit_is_named_and_smaller_ones_still_fit() -> None:
    briefs = [make_brief("a", 60), make_brief("b", 60), make_brief("c", 40)]
    selection = select(briefs, Task(id="me"), budget_bytes=100, touches=prefix)
    assert [found.run.task for found in selection.briefs] == ["a", "c"]
    assert selection.left_out == ("b",)

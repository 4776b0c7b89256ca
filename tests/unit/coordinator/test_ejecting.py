from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.coordinator.trains.deciding import decide
from gitfleet.coordinator.trains.ejecting import ejected_runs
from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.train import Candidate, Ejection, Entry
from gitfleet.model.evidence import Attempt, CheckResult, Verdict, Verification
from gitfleet.model.plan import Plan, Task
from gitfleet.model.run import RunState
from gitfleet.planner.scopes import Scope
from tests.support.stage import session_on, task_of
from tests.unit.store.samples import make_run

if TYPE_CHECKING:
    from gitfleet.model.run import Run
    from tests.support.repo import Repo

AT = "2026-01-02T03:04:05.000Z"
GREEN = Verification(verdict=Verdict.VERIFIED)
RED = Verification(
    verdict=Verdict.RED,
    checks=(
        CheckResult(name="old", run="old", exit_code=1, was_red=True),
        CheckResult(name="unit", run="pytest", exit_code=2, tail="assert 1 == 2"),
    ),
)


def entry(task: str, *needs: str) -> Entry:
    return Entry(task, task, f"i-{task}", "4" * 40, Bounds.of(Scope.parse(["."])), frozenset(needs))


def gated(task: str, base: str, *after: str) -> Run:
    attempts = (Attempt(number=1, base=base, started=AT, outcome="success"),)
    return make_run(task, RunState.GATED, instance=f"i-{task}", base=base, attempts=attempts, depends_on=after)


def test_what_is_held_by_an_ejected_run_waits_and_is_named(repo: Repo) -> None:
    """As long as the ejected run comes again; once it is over for good, what needs it can never land."""
    tasks = [task_of("bad"), task_of("child", "bad"), task_of("grandchild", "child"), task_of("good")]
    with session_on(repo, *tasks) as stage:
        runs = {task.id: gated(task.id, repo.oid(), *task.depends_on) for task in tasks}
        candidate = Candidate(
            repo.oid(),
            "5" * 40,
            ((entry("good"), "5" * 40),),
            (),
            (entry("child", "bad"), entry("grandchild", "child")),
        )
        for spent, states in ((0, ["queued", "gated", "gated"]), (1, ["failed", "failed", "failed"])):
            first = Attempt(number=1, base=repo.oid(), started=AT, outcome="check-failed")
            bad = runs["bad"]
            attempts = (*[first] * spent, *bad.attempts)
            before = {**runs, "bad": make_run("bad", RunState.GATED, base=bad.base, attempts=attempts)}
            ejections = [Ejection(entry("bad"), RED, repo.oid())]
            ejected = ejected_runs(stage.parts, stage.parts.objects, stage.books.plan, before, ejections, AT)
            decided = decide(stage.session, stage.books.plan, before, candidate, GREEN, AT, ejected=ejected, checked=3)
            landing = decided.session.landings[-1]
            assert (landing.train.ejected, landing.train.held) == (("bad",), ("child", "grandchild"))
            assert [str(decided.runs[name].state) for name in ("bad", "child", "grandchild")] == states
            assert decided.runs["good"].state is RunState.LANDED
            told = decided.runs["bad"].attempts[-1]
            assert told.outcome == "check-failed"
            # The check that was red before is not what it is blamed for.
            assert "`pytest` ended with exit code 2:\nassert 1 == 2" in told.message
            assert "held child, grandchild" in decided.wave_text
            over = decided.runs["grandchild"].failure
            assert (over.message if over else "") == "It builds on child, which failed and does not land." * spent


def test_a_run_that_may_not_be_done_twice_is_over_when_it_is_ejected(repo: Repo) -> None:
    task = task_of("deploy")
    with session_on(repo, task) as stage:
        run = gated("deploy", repo.oid())
        plan = Plan(name="auth", tasks=(Task(id="deploy", command="true", retry_safe=False),))
        ejections = [Ejection(entry("deploy"), RED, repo.oid())]
        over = ejected_runs(stage.parts, stage.parts.objects, plan, {"deploy": run}, ejections, AT)["deploy"]
        assert over.state is RunState.FAILED
        assert over.failure is not None
        assert over.failure.code == "check-failed"
        assert over.attempts[-1].retry == "not retried: the task is not retry_safe"

from __future__ import annotations

import re

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.evidence import Attempt, FileChange, Verdict
from gitfleet.model.handoff import Fact, Handoff
from gitfleet.model.parking import Parked, Permission
from gitfleet.model.plan import Plan, Task
from gitfleet.model.run import Failure, FailureSource, Run, RunState
from gitfleet.model.session import Landing, SessionState
from gitfleet.relay.report import render_session, render_wave, verdict
from gitfleet.store.documents import front_matter
from tests.unit.store.samples import make_run, make_session

LANDING = Landing(
    number=1, commit="c" * 40, candidate="d" * 40, previous="e" * 40, verdict=Verdict.VERIFIED, tasks=("api",)
)
API = make_run(
    "api",
    RunState.LANDED,
    name="API auth",
    instance="fleet-s-w1-a1",
    scope=("src/api/",),
    attempts=(Attempt(number=1, base="b", started="s"),),
    files=(FileChange(path="src/api/a.py", change="added"),),
    handoff=Handoff(built=("JWT",), decisions=("jose",), discoveries=(Fact(fact="100/min"),), remaining=("docs",)),
)
UI = make_run(
    "ui",
    RunState.REJECTED,
    wave=2,
    depends_on=("api",),
    failure=Failure(source=FailureSource.TASK, code="out-of-scope", message="wrote x"),
)
LATER = make_run("later", RunState.QUEUED, wave=3)
RUNS = {run.task: run for run in (UI, LATER, API)}
PLAN = Plan(name="auth", tasks=(Task(id="api"), Task(id="ui"), Task(id="later")))


def columns(row: str) -> int:
    # As GitHub splits a row: a backslash takes the next character with it, before code spans are looked for.
    return re.sub(r"\\.", "", row).count("|") - 1


def test_the_report_of_a_session() -> None:
    session = make_session(landings=(LANDING,), state=SessionState.NEEDS_CONTINUE, direction="JWT", reason="look")
    lines = render_session(session, PLAN, RUNS).splitlines()
    assert lines[0] == "# auth: 1 landed, 1 queued, 1 rejected, verified; needs a `gitfleet continue`"
    assert [line for line in lines if line.startswith("## ")] == [
        "## Work Queue",
        "## Wave Results",
        "## Shared Context (Discovery Relay)",
        "## Continuation State",
        "## Handoff",
    ]
    for line in (
        "Waits for a person: look",
        "Direction: JWT",
        "| 1 | api: API auth | `src/api/` | none | landed | 1 | command |",
        "| 2 | ui | (read-only) | 1 | rejected | 2 | command |",
        "#### Agent: fleet-s-w1-a1",
        "- **Built:** JWT",
        "- **Decisions:** jose",
        "- **Discoveries:** 100/min",
        "- **Files:** `src/api/a.py`",
        "- **Status:** rejected (out-of-scope: wrote x)",
        "- 100/min (fleet-s-w1-a1)",
        "- Next wave: 3",
        "- Landed: api",
        "- Remaining: docs",
    ):
        assert line in lines
    assert "### Wave 3 Results" not in lines


def test_a_landing_without_checks_is_called_unverified() -> None:
    landing = Landing(number=1, commit="c", candidate="d", previous="e", verdict=Verdict.UNVERIFIED, tasks=())
    session = make_session(landings=(LANDING, landing), state=SessionState.COMPLETED)
    assert verdict(session, [API]) == "1 landed, unverified"
    assert "unverified (no check ran)" in render_session(session, PLAN, RUNS)
    assert verdict(make_session(), []) == "nothing ran; in progress"


def test_a_wave_report_names_its_landing() -> None:
    lines = render_wave(make_session(landings=(LANDING,)), 1, {"api": API}).splitlines()
    assert lines[0] == "# auth, wave 1: 1 landed"
    assert lines[2] == "Landing 1 on `refs/heads/main`, verified, candidate `dddddddddddd`."
    assert "#### Agent: fleet-s-w1-a1" in lines
    assert "Landing" not in render_wave(make_session(), 1, {"api": API})


def test_a_session_of_many_tasks_stays_within_150_lines_and_says_what_is_left_out() -> None:
    many = ("x" * 900,) * 50
    handoff = Handoff(built=many, decisions=many, remaining=many, failures=many)
    runs = {
        f"t{number:03}": make_run(
            f"t{number:03}",
            RunState.LANDED,
            handoff=handoff,
            wave=1 + number // 8,
            attempts=(Attempt(number=1, base="b", started="s"),),
            files=(FileChange(path="p" * 200, change="added"),) * 30,
            scope=("s" * 200,) * 30,
        )
        for number in range(200)
    }
    plan = Plan(name="big", tasks=tuple(Task(id=task) for task in runs))
    session = make_session(landings=(LANDING,) * 30, reason="r", direction="d")
    body = render_session(session, plan, runs)
    assert len(front_matter.render(session, body).decode().splitlines()) <= 150
    assert "160 more tasks are left out here" in body
    assert "more lines are left out here" in body
    assert len(body) < 200_000
    assert len(render_wave(session, 1, runs).splitlines()) <= 150


HOSTILE = st.text(st.sampled_from("|`\\<>&[]*#-\n\r\t \x00\x1b\u2028ab"), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(name=HOSTILE, text=HOSTILE, path=HOSTILE)
def test_hostile_text_breaks_neither_table_nor_page(name: str, text: str, path: str) -> None:
    run: Run = make_run(
        "api",
        RunState.FAILED,
        name=name,
        agent=text,
        scope=(path,),
        depends_on=("other",),
        attempts=(Attempt(number=1, base="b", started="s"),),
        failure=Failure(source=FailureSource.TASK, code="x", message=text),
        handoff=Handoff(built=(text,), discoveries=(Fact(fact=text),)),
    )
    session = make_session(name=name, reason=text)
    lines = render_session(session, PLAN, {"api": run}).split("\n")
    start = lines.index("## Work Queue")
    assert lines[start + 1] == ""
    assert columns(lines[start + 4]) == 7
    assert lines[start + 5] == ""
    assert sum(line.startswith("#") for line in lines) == 8
    for line in lines:
        assert "<" not in re.sub(r"\\.|(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert not re.search("[\x00-\x08\x0b-\x1f]", line)


def test_what_waits_for_a_permission_is_told_with_the_command() -> None:
    asks = Parked(denied=(Permission(tool="Bash", argument="make `deploy`\n# x"),))
    waits = make_run("api", instance="fleet-s-w1-a1", parked=asks)
    went = make_run("ui", instance="fleet-s-w1-a2", parked=msgspec.structs.replace(asks, approved=True))
    without = Attempt(number=1, base="b", started="s", denied=(Permission(tool="Web", argument="http://x"),))
    landed = make_run("later", RunState.LANDED, instance="fleet-s-w1-a3", attempts=(without,))
    text = render_session(make_session(), PLAN, {run.task: run for run in (waits, went, landed)})
    (line,) = (line for line in text.splitlines() if line.startswith("- api was not allowed to use Bash(make"))
    assert line.endswith(": `gitfleet approve fleet-s-w1-a1`")
    assert "- ui was approved, and waits to be started" in text.splitlines()
    assert "- **Not allowed:** Web(http://x)" in text

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from gitfleet.model.base import decode
from gitfleet.model.evidence import Attempt, CheckResult, Exit, Verdict, Verification
from gitfleet.model.handoff import Discoveries, Discovery, PinnedPath
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import Failure, FailureSource, Run, RunState
from gitfleet.model.session import Landing, Session, SessionState
from gitfleet.store import records
from gitfleet.store.documents import front_matter
from gitfleet.store.locks import session_lock
from gitfleet.store.redaction import Redaction
from tests.unit.store.samples import SESSION, make_run, make_session, make_state

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.store.state import State

HOME = f"sessions/{SESSION}"


def filled(tmp_path: Path) -> State:
    state = make_state(
        tmp_path, make_run("landed", RunState.LANDED), make_run("stuck", RunState.CONFLICTED), make_run("queued")
    )
    with session_lock(state.layout, SESSION) as proof:
        for task in ("landed", "stuck"):
            state.write_brief(proof, task, f"brief of {task}\n")
            discovery = Discovery(fact="f", source="i", pins=(PinnedPath(path="a"),))
            state.write_discoveries(proof, Discoveries(session=SESSION, task=task, discoveries=(discovery,)))
        state.write_wave(proof, 1, "wave\n")
        state.add_amendment(proof, b"two")
        state.write_momentum(proof, SessionMomentum(session=SESSION, ended="2026-01-02T03:04:05.000Z"))
    return state


def test_only_what_cannot_change_any_more_is_given_out(tmp_path: Path) -> None:
    state = filled(tmp_path)
    assert list(records.pending(state, SESSION, ())) == [
        f"briefs/{SESSION}/landed.md",
        f"discoveries/{SESSION}/landed.json",
        f"{HOME}/plan.2.yaml",
        f"{HOME}/plan.yaml",
        f"{HOME}/runs/landed.json",
        f"{HOME}/waves/w1.md",
    ]


def test_a_published_path_is_never_given_out_again(tmp_path: Path) -> None:
    state = filled(tmp_path)
    first = records.pending(state, SESSION, ())
    assert records.pending(state, SESSION, first) == {}
    assert list(records.pending(state, SESSION, set(first) - {f"{HOME}/plan.yaml"})) == [f"{HOME}/plan.yaml"]


def test_a_closed_session_gives_out_everything(tmp_path: Path) -> None:
    state = filled(tmp_path)
    before = records.pending(state, SESSION, ())
    with session_lock(state.layout, SESSION) as proof:
        state.write_session(proof, make_session(state=SessionState.COMPLETED), "done\n")
    assert list(records.pending(state, SESSION, before)) == [
        f"briefs/{SESSION}/stuck.md",
        f"discoveries/{SESSION}/stuck.json",
        f"momentum/{SESSION}.json",
        f"{HOME}/runs/queued.json",
        f"{HOME}/runs/stuck.json",
        f"{HOME}/session.md",
    ]


def test_a_preview_takes_the_place_of_the_state(tmp_path: Path) -> None:
    state = filled(tmp_path)
    preview = records.Preview(
        session=make_session(state=SessionState.COMPLETED),
        report="as it will be\n",
        runs={"queued": make_run("queued", RunState.LANDED)},
        waves={2: "two\n"},
    )
    found = records.pending(state, SESSION, (), preview=preview)
    assert decode(found[f"{HOME}/runs/queued.json"], Run).state is RunState.LANDED
    assert front_matter.parse(found[f"{HOME}/session.md"], Session) == (preview.session, "as it will be\n")
    assert found[f"{HOME}/waves/w2.md"] == b"two\n"
    assert state.read_run(SESSION, "queued").state is RunState.QUEUED


def test_a_skipped_run_is_open_while_its_dependency_may_run_again() -> None:
    runs = {
        "stuck": make_run("stuck", RunState.CONFLICTED),
        "failed": make_run("failed", RunState.FAILED),
        "after-stuck": make_run("after-stuck", RunState.SKIPPED, depends_on=("stuck",)),
        "after-failed": make_run("after-failed", RunState.SKIPPED, depends_on=("failed", "gone")),
        "later": make_run("later", RunState.SKIPPED, depends_on=("after-failed",)),
        "much-later": make_run("much-later", RunState.SKIPPED, depends_on=("later", "after-stuck")),
    }
    assert records.sealed(runs, make_session()) == {"failed", "after-failed", "later"}
    assert records.sealed(runs, make_session(state=SessionState.COMPLETED)) == set(runs)


def test_other_closed_sessions_ride_along_once(tmp_path: Path) -> None:
    state = filled(tmp_path)
    make_state(
        tmp_path, make_run("a", session="old-aaaaaa"), session=make_session("old-aaaaaa", SessionState.COMPLETED)
    )
    make_state(tmp_path, make_run("a", session="open-bbbbbb"), session=make_session("open-bbbbbb"))
    assert records.leftovers(state, ()) == ("old-aaaaaa",)
    found = records.with_landing(state, SESSION, ())
    assert {path.split("/")[1] for path in found if "/" in path} == {SESSION, "old-aaaaaa"}
    assert found[".gitattributes"] == records.ATTRIBUTES
    assert records.with_landing(state, SESSION, found) == {}


def test_a_session_that_its_own_landing_closed_never_rides_on_another_branch(tmp_path: Path) -> None:
    state = filled(tmp_path)
    landing = Landing(
        number=1, candidate="d", previous="e", verdict=Verdict.VERIFIED, tasks=("a",), at="2026-01-03T00:00:00.000Z"
    )
    for session, ended in (("carried-aaaaaa", landing.at), ("later-bbbbbb", "2026-01-04T00:00:00.000Z")):
        closed = make_session(session, SessionState.COMPLETED, landings=(landing,), ended=ended)
        make_state(tmp_path, make_run("a", session=session), session=closed)
    assert records.leftovers(state, ()) == ("later-bbbbbb",)


def test_a_damaged_session_does_not_stop_the_landing_of_another(tmp_path: Path) -> None:
    state = filled(tmp_path)
    for session in ("bad-aaaaaa", "worse-bbbbbb"):
        closed = make_session(session, SessionState.COMPLETED)
        make_state(tmp_path, make_run("a", session=session), session=closed)
    state.layout.run("bad-aaaaaa", "a").write_bytes(b"{")
    state.layout.report("worse-bbbbbb").write_bytes(b"{")
    found = records.with_landing(state, SESSION, ())
    assert {path.split("/")[1] for path in found if "/" in path} == {SESSION}


def test_attributes_hold_records_as_they_are_against_the_repositorys_own(tmp_path: Path) -> None:
    def git(*args: str) -> str:
        return subprocess.run(
            ["git", *args],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"},
        ).stdout

    git("init", "-q")
    (tmp_path / ".gitattributes").write_text("* text eol=crlf\n*.json filter=lfs\n", encoding="utf-8")
    (tmp_path / ".planning").mkdir()
    (tmp_path / ".planning" / ".gitattributes").write_bytes(records.ATTRIBUTES)
    paths = [
        "sessions/s/plan.yaml",
        "sessions/s/runs/a.json",
        "briefs/s/a.md",
        "discoveries/s/a.json",
        "momentum/s.json",
    ]
    names = ["text", "filter", "linguist-generated", "gitlab-generated", "export-ignore"]
    out = git("check-attr", *names, "--", *(f".planning/{path}" for path in paths))
    found = {tuple(line.split(": ")[:2]): line.split(": ")[2] for line in out.splitlines()}
    for path in paths:
        assert found[f".planning/{path}", "text"] == found[f".planning/{path}", "filter"] == "unset"
        for name in names[2:]:
            assert found[f".planning/{path}", name] == ("unspecified" if path.endswith("plan.yaml") else "set")


def test_records_hold_no_local_paths_pids_or_unbounded_output() -> None:
    check = CheckResult(name="t", run="pytest", tail="x" * 9000 + "/home/jo/app.fleet/w1/test.py failed at /home/jo")
    run = make_run(
        "api",
        RunState.FAILED,
        attempts=(
            Attempt(number=1, base="b", started="s", exit=Exit(leftovers=("123 node /home/jo/x", "124 sh"))),
            Attempt(number=2, base="b", started="s", exit=Exit(leftovers=("9 x",), remaining=("8 zsh",))),
            Attempt(number=3, base="b", started="s", exit=Exit()),
            Attempt(number=4, base="b", started="s"),
        ),
        checks=(check,),
        verification=Verification(verdict=Verdict.RED, checks=(check,)),
        failure=Failure(source=FailureSource.TASK, code="exit-code", message="/home/jo/app.fleet: token hunter22"),
    )
    redaction = Redaction({"/home/jo": "~", "/home/jo/app.fleet": "<worktrees>", "hunter22": "<TOKEN>", "/": "<root>"})
    public = redaction.run(run)
    assert public.failure is not None
    assert public.failure.message == "<worktrees>: token <TOKEN>"
    assert [a.exit.leftovers if a.exit else None for a in public.attempts] == [
        ("2 processes",),
        ("1 process",),
        (),
        None,
    ]
    assert public.attempts[1].exit == Exit(leftovers=("1 process",), remaining=("1 process",))
    assert public.checks[0].tail.endswith("<worktrees>/w1/test.py failed at ~")
    assert len(public.checks[0].tail) <= 4000
    assert public.verification is not None
    assert public.verification.checks == public.checks
    assert redaction.text("/home/jonas /home/jo-2 /home/jo/a") == "/home/jonas /home/jo-2 ~/a"
    assert Redaction({}).text("/home/jo") == "/home/jo"
    assert Redaction({}).run(make_run("a")) == make_run("a")

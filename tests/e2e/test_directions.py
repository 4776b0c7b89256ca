"""A direction in words becomes a plan: with planners that are scripts, and everything that can go wrong with them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from gitfleet.model.base import decode
from gitfleet.model.run import Run
from gitfleet.model.session import Session
from gitfleet.store.layout import Layout
from gitfleet.store.state import State
from tests.support.fleet import write
from tests.support.sessions import common_dir, config_of, session_ids, states
from tests.support.terminal import Terminal
from tests.support.told import BEGAN, END, says, turn

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv, Outcome

GOOD = """\
name: two files
tasks:
  - id: one
    instructions: Write one.txt.
    scope: [one.txt]
  - id: two
    instructions: Write two.txt.
    scope: [two.txt]
    depends_on: [one]
"""
BAD = "tasks:\n  - id: Bad Id\n    instructions: x\n    scope: [a/]\n  - id: b\n    instrctions: y\n"
WORDS = "Write two files"


def planners(fleet: FleetEnv, repo: Path) -> list[Path]:
    return sorted((common_dir(fleet, repo) / "gitfleet" / "attempts").glob("plan-*"))


def arrange(fleet: FleetEnv, script: str, files: dict[str, str] | None = None, **config: object) -> Path:
    """A repository whose planner is this script, with `answer FILE` at hand, and whose workers write their file."""
    repo = fleet.repo(dict(files) if files else None)
    head = "answer() { echo So:; echo '```yaml'; cat \"$1\"; echo '```'; }\ncd \"$GITFLEET_WORKTREE\"\n"
    write(fleet.root, {"good.yaml": GOOD, "bad.yaml": BAD, "planner.sh": f"R={fleet.root}\n{head}{script}\n"})
    write(fleet.root, {"worker.sh": 'echo "$GITFLEET_TASK" >"$GITFLEET_TASK.txt"\n'})
    agents = {name: {"argv": ["sh", str(fleet.root / f"{name}.sh")]} for name in ("planner", "worker")}
    fleet.config(
        repo, config_of((), **{"agent": "worker", "agents": agents, "planner": {"agent": "planner"}, **config})
    )
    return repo


def nothing_is_left(fleet: FleetEnv, repo: Path) -> None:
    """No worktree, process or note of a planner that works."""
    assert "plan-" not in fleet.git("worktree", "list", cwd=repo)
    assert list((fleet.root / "repo.fleet").glob("plan-*")) == []
    assert [place for place in planners(fleet, repo) if (place / "run.json").exists()] == []
    assert working(fleet) == []


def working(fleet: FleetEnv) -> list[psutil.Process]:
    script = str(fleet.root / "planner.sh")
    found = []
    for process in psutil.process_iter():
        try:
            if script in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_direction_becomes_a_plan_is_repaired_once_and_lands(fleet: FleetEnv) -> None:
    script = 'cp "$GITFLEET_PROMPT" "$R/prompt.$GITFLEET_ATTEMPT"\n'
    script += 'if [ $GITFLEET_ATTEMPT = 1 ]; then answer "$R/bad.yaml"; else answer "$R/good.yaml"; fi'
    files = {"AGENTS.md": "Be kind to readers.\n", "src/a.py": "pass\n"}
    repo = arrange(fleet, script, files)
    (repo / "CLAUDE.md").symlink_to("AGENTS.md")
    fleet.shell("git add CLAUDE.md && git commit -qm Link", repo)

    ended = fleet.run("wave", WORDS, "--yes").ok()

    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    (session,) = session_ids(fleet, repo)
    known = State(Layout(common_dir(fleet, repo))).read_session(session)
    assert isinstance(known, Session)
    assert known.direction == WORDS
    first, second = ((fleet.root / f"prompt.{number}").read_text() for number in (1, 2))
    assert f"## Direction\n\n{WORDS}\n" in first
    assert first.count("Be kind to readers.") == 1
    assert "- src/ (1)" in first
    assert second.startswith(first.rstrip("\n"))
    assert "tasks[0].id: `Bad Id` has the wrong form" in second
    assert "instrctions" in second
    assert "Planning needs agent planner, which runs as you: sh" in ended.out
    assert "(plan-" in ended.out
    assert "2 calls)" in ended.out
    nothing_is_left(fleet, repo)


def test_three_invalid_answers_fail_and_every_one_is_kept(fleet: FleetEnv) -> None:
    repo = arrange(fleet, 'answer "$R/bad.yaml"; echo "$GITFLEET_ATTEMPT" >"$R/calls"')
    ended = fleet.run("wave", WORDS, "--yes", "--json").ok(1)
    error = ended.json["error"]
    assert error["code"] == "no-plan"
    assert {problem["path"] for problem in error["problems"]} >= {"tasks[0].id", "tasks[1].instrctions"}
    assert {problem["document"] for problem in error["problems"]} == {"answer-3.yaml"}
    (place,) = planners(fleet, repo)
    assert str(place) in error["hint"]
    assert [path.read_text().strip() for path in sorted(place.glob("answer-*"))] == [BAD.strip()] * 3
    assert all(path.name in error["hint"] for path in place.glob("answer-*"))
    assert (fleet.root / "calls").read_text() == "3\n"
    assert session_ids(fleet, repo) == []
    nothing_is_left(fleet, repo)


def test_an_answer_with_no_plan_in_it_is_asked_for_again(fleet: FleetEnv) -> None:
    script = 'if [ $GITFLEET_ATTEMPT = 1 ]; then echo "## I cannot"; echo "do this."; '
    script += 'elif [ $GITFLEET_ATTEMPT = 2 ]; then :; else cat "$R/good.yaml"; fi'
    arrange(fleet, script)
    assert fleet.run("plan", WORDS, "--yes", "--json").ok().json["agents"] == 2


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("answer $R/good.yaml; exit 3", "planner-failed", "exit code 3"),
        ("exec sleep 1000", "planner-failed", "deadline"),
    ],
)
def test_a_planner_that_fails_is_named_with_what_it_said(fleet: FleetEnv, script: str, code: str, words: str) -> None:
    repo = arrange(fleet, script, planner={"agent": "planner", "timeout_seconds": 1})
    ended = fleet.run("plan", WORDS, "--yes").ok(1)
    assert words in ended.err
    assert "answer-1.yaml" in ended.err or "out.log" in ended.err
    assert fleet.run("plan", WORDS, "--yes", "--json").ok(1).json["error"]["code"] == code
    nothing_is_left(fleet, repo)


def test_the_reserve_bounds_the_planner_and_is_told(fleet: FleetEnv) -> None:
    repo = arrange(fleet, "exec sleep 1000", budgets={"reserve": {"max_seconds": 1}})
    ended = fleet.run("plan", WORDS, "--yes").ok(1)
    assert "in all at most max_seconds 1 (budgets.reserve)." in ended.out
    assert "The planner failed (budget)" in ended.err
    nothing_is_left(fleet, repo)


def test_nothing_is_called_without_consent(fleet: FleetEnv) -> None:
    repo = arrange(fleet, 'answer "$R/good.yaml"')
    for command in (("plan", WORDS), ("wave", WORDS), ("wave", WORDS, "--dry-run")):
        refused = fleet.run(*command).ok(3)
        assert "Planning needs agent planner" in refused.out
        assert "needs consent" in refused.err
    assert fleet.run("plan", WORDS, "--json").ok(3).json["error"]["code"] == "no-consent"
    assert planners(fleet, repo) == []


def test_an_interrupt_ends_the_planner_and_leaves_nothing(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = arrange(fleet, point.shell)
    process = fleet.start("wave", WORDS, "--yes")
    point.wait()
    process.send_signal(signal.SIGINT)
    ended = fleet.finish(process).ok(130)
    assert "nothing was started" in ended.err
    assert session_ids(fleet, repo) == []
    nothing_is_left(fleet, repo)


def test_what_a_killed_gitfleet_left_is_named_and_ended(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = arrange(fleet, f"echo mine >new.txt\n{point.shell}")
    process = fleet.start("plan", WORDS, "--yes")
    point.wait()
    assert "orphans" not in fleet.run("doctor").out.replace("ok    orphans", "")
    process.kill()
    fleet.finish(process).ok(-9)
    (place,) = planners(fleet, repo)
    assert (place / "run.json").exists()
    assert "Its gitfleet was killed; `gitfleet doctor --fix` ends it" in fleet.run("status").ok().out

    assert f"the planner {place.name} was left behind" in fleet.run("doctor").out
    mended = fleet.run("doctor", "--fix").out
    assert f"the planner {place.name}, whose gitfleet was killed, is over" in mended
    assert fleet.git("show", f"refs/gitfleet/wip/{place.name}/1:new.txt", cwd=repo) == "mine"
    nothing_is_left(fleet, repo)


def test_what_the_planner_changes_is_kept_and_reaches_no_branch(fleet: FleetEnv) -> None:
    script = "echo mine >new.txt; git commit -qm Sly --allow-empty; git update-ref refs/heads/sly HEAD; "
    script += 'answer "$R/good.yaml"'
    repo = arrange(fleet, script)
    before = fleet.git("for-each-ref", "refs/heads", cwd=repo)
    notes = " ".join(fleet.run("plan", WORDS, "--yes", "--json").ok().json["notes"])
    assert fleet.git("for-each-ref", "refs/heads", cwd=repo) == before
    (place,) = planners(fleet, repo)
    assert f"gitfleet rescue show {place.name}/1" in notes
    assert fleet.git("show", f"refs/gitfleet/wip/{place.name}/1:new.txt", cwd=repo) == "mine"
    assert "the guard refused" in notes
    nothing_is_left(fleet, repo)


def test_the_handoff_file_is_an_answer_and_secrets_are_taken_out(fleet: FleetEnv) -> None:
    fleet.variables["SOME_API_KEY"] = "hunter2-hunter2"
    script = 'sed "s/Write one.txt./Use hunter2-hunter2./" "$R/good.yaml" >"$GITFLEET_HANDOFF"; echo noise'
    repo = arrange(fleet, script)
    fleet.run("plan", WORDS, "--yes", "-o", fleet.root / "out.yaml").ok()
    (place,) = planners(fleet, repo)
    kept = [path.read_text() for path in (*place.glob("*.yaml"), fleet.root / "out.yaml")]
    assert len(kept) == 3
    assert all("<$SOME_API_KEY>" in text and "hunter2" not in text for text in kept)


def test_a_plan_is_written_with_where_it_came_from_and_only_to_a_new_file(fleet: FleetEnv) -> None:
    arrange(fleet, 'answer "$R/good.yaml"; touch "$R/called"')
    out = fleet.root / "out.yaml"
    out.write_text("mine\n")
    assert "is not overwritten" in fleet.run("plan", WORDS, "--yes", "-o", out).ok(2).err
    out.unlink()
    out.symlink_to("gone")
    assert "is not overwritten" in fleet.run("plan", WORDS, "--yes", "-o", out).ok(2).err
    assert "there is no " in fleet.run("plan", WORDS, "--yes", "-o", fleet.root / "no/out.yaml").ok(2).err
    assert not (fleet.root / "called").exists()
    out.unlink()
    fleet.run("plan", "--direction", "Tidy", "--yes", "-o", out).ok()
    lines = out.read_text().splitlines()
    assert lines[0].startswith("# Made by `gitfleet plan` from a direction in words, ")
    assert lines[1].startswith("# planned by agent planner at ")
    assert "direction: Tidy" in lines
    assert fleet.run("plan", out, "--json").ok().json["agents"] == 2


def test_what_a_plan_asks_of_its_agents_is_shown(fleet: FleetEnv) -> None:
    arrange(fleet, 'answer "$R/good.yaml"')
    assert "\n  two: Write two.txt.\n" in fleet.run("plan", WORDS, "--yes").ok().out
    waves = fleet.run("plan", fleet.root / "good.yaml", "--json").ok().json["waves"]
    assert [task["instructions"] for wave in waves for task in wave["tasks"]] == ["Write one.txt.", "Write two.txt."]


@pytest.mark.parametrize("name", ["idea.md", "idea.txt"])
def test_free_text_in_a_file_is_a_direction(fleet: FleetEnv, name: str) -> None:
    arrange(fleet, 'cp "$GITFLEET_PROMPT" "$R/prompt"; answer "$R/good.yaml"')
    text = "# An idea\n\nNote: make the\nreadme shorter.\n"
    report = fleet.run("plan", fleet.plan(text, name), "--yes", "--json").ok().json
    assert report["direction"] == text.strip()
    assert text in (fleet.root / "prompt").read_text()


def test_a_plan_of_a_direction_is_chosen_from_and_kept_where_that_is_refused(fleet: FleetEnv) -> None:
    repo = arrange(fleet, 'answer "$R/good.yaml"')
    report = fleet.run("wave", WORDS, "--dry-run", "--only", "one", "--yes", "--json").ok().json
    assert [task["task"] for wave in report["waves"] for task in wave["tasks"]] == ["one"]
    refused = fleet.run("wave", "--direction", WORDS, "--only", "three", "--yes").ok(2)
    kept = refused.err.rpartition("The plan is kept: ")[2].strip()
    assert fleet.run("plan", kept, "--json").ok().json["agents"] == 2
    assert session_ids(fleet, repo) == []


EDITOR = """\
n=$(($(cat "$0.n" 2>/dev/null || echo 0) + 1)); echo $n >"$0.n"; cp "$1" "$0.$n"
case $n in
1) sed -i 's/id: two/id: one/' "$1";;
2) sed -i '/^  - id: one/!b;:a;n;s/id: one/id: new/;s/two.txt/new.txt/;ba' "$1";;
esac
"""


def test_a_plan_is_edited_until_it_is_valid_and_then_run(fleet: FleetEnv) -> None:
    repo = arrange(fleet, 'answer "$R/good.yaml"')
    editor = fleet.plan(EDITOR, "editor.sh")
    fleet.variables["EDITOR"] = f"sh '{editor}'"
    fleet.run("wave", WORDS, "--yes", "--edit").ok()
    assert states(fleet, repo) == {"one": "landed", "new": "landed"}
    again = (fleet.root / "editor.sh.2").read_text().splitlines()
    assert again[0].startswith("#! ")
    place = next(line for line in again if "is given twice" in line)
    number = int(place.removeprefix("#! line ").partition(":")[0])
    assert again[number - 1].strip() == "- id: one"
    assert number > 8


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("sed -i 's/id: two/id: one/' \"$1\"", 2, "given twice"),
        ("exit 3", 3, "The editor ended with exit code 3"),
        (': >"$1"', 3, "emptied"),
        ('rm "$1"', 3, "emptied"),
        ("echo 'tasks: [' >\"$1\"", 2, "not valid YAML"),
    ],
)
def test_an_edit_that_comes_to_nothing_keeps_the_plan(fleet: FleetEnv, script: str, code: int, words: str) -> None:
    repo = arrange(fleet, 'answer "$R/good.yaml"')
    fleet.variables["VISUAL"] = f"sh '{fleet.plan(script, 'editor.sh')}'"
    ended = fleet.run("wave", WORDS, "--yes", "--edit").ok(code)
    assert words in ended.err
    kept = Path(ended.err.rpartition("The plan is kept: ")[2].strip())
    assert kept.read_bytes()
    assert session_ids(fleet, repo) == []


def test_edit_is_refused_where_it_means_nothing(fleet: FleetEnv) -> None:
    arrange(fleet, 'answer "$R/good.yaml"')
    assert (
        "is for a plan that is made of a direction" in fleet.run("plan", fleet.root / "good.yaml", "--edit").ok(2).err
    )
    assert "neither VISUAL nor EDITOR is set" in fleet.run("wave", WORDS, "--edit", "--yes").ok(4).err
    assert "--edit opens an editor" in fleet.run("wave", WORDS, "--edit", "--json", "--yes").ok(2).out


def test_what_needs_no_model_is_refused_before_one_is_called(fleet: FleetEnv) -> None:
    repo = arrange(fleet, 'answer "$R/good.yaml"; touch "$R/called"', planner={})
    fleet.variables["XDG_STATE_HOME"] = str(fleet.root / "state")
    fleet.config(repo, config_of())
    error = fleet.run("plan", WORDS, "--yes", "--json").ok(4).json["error"]
    assert error["code"] == "no-planner"
    assert "gitfleet accounts connect" in error["hint"]
    fleet.config(repo, config_of(planner={"agent": "nobody"}))
    assert "nobody" in fleet.run("plan", WORDS, "--yes").ok(2).err
    fleet.config(repo, config_of(planner={"agent": "claude"}))
    assert fleet.run("plan", WORDS, "--yes", "--json").ok(4).json["error"]["code"] in {"no-program", "no-account"}
    assert (
        fleet.run("wave", WORDS, "--yes", "--fixture", "--json").ok(2).json["error"]["code"] == "fixture-plans-nothing"
    )
    assert not (fleet.root / "called").exists()


def test_commands_that_the_planner_wrote_are_pointed_out_and_never_run_unread(fleet: FleetEnv) -> None:
    repo = arrange(fleet, 'answer "$R/shell.yaml"')
    write(
        fleet.root, {"shell.yaml": "tasks:\n  - {id: a, command: make all, scope: [a/], verify: [{run: make check}]}\n"}
    )
    report = fleet.run("plan", WORDS, "--yes", "--json").ok().json
    assert any("the planner wrote 2 commands that will run as you: read" in note for note in report["notes"])
    assert {"make all", "make check"} <= set(report["commands"])
    error = fleet.run("wave", WORDS, "--yes", "--json").ok(3).json["error"]
    assert error["code"] == "unread"
    assert "The plan is kept: " in error["hint"]
    assert session_ids(fleet, repo) == []


def test_old_calls_are_thrown_away_and_new_ones_stay(fleet: FleetEnv) -> None:
    repo = arrange(fleet, 'answer "$R/good.yaml"')
    fleet.run("plan", WORDS, "--yes").ok()
    (place,) = planners(fleet, repo)
    assert "less than a week old" in fleet.run("clean").ok().out
    assert place.exists()
    os.utime(place, (1_700_000_000, 1_700_000_000))
    items = fleet.run("clean", "--json").ok().json["items"]
    assert [(item["name"], item["removed"]) for item in items] == [(place.name, True)]
    assert not place.exists()


def test_a_call_whose_rows_cannot_be_written_is_not_over_until_they_can(fleet: FleetEnv) -> None:
    fleet.program = ("-m", "tests.support.told")
    script = f"""{BEGAN}{turn(1, 40)}{END}"""
    repo = arrange(fleet, "", planner={"agent": "opencode"})
    fleet.variables["XDG_STATE_HOME"] = str(fleet.root / "state")
    rows = common_dir(fleet, repo) / "gitfleet/state/usage"
    rows.parent.mkdir(parents=True)
    rows.write_text("in the way\n")
    fleet.run("plan", "--direction", script, "--yes").ok(4)
    (place,) = planners(fleet, repo)
    assert (place / "run.json").exists()
    rows.unlink()
    fleet.run("doctor", "--fix")
    assert [path.parent.name for path in rows.glob("*/*.json")] == [place.name]
    nothing_is_left(fleet, repo)


@pytest.mark.slow
def test_a_limit_during_a_call_is_waited_for_and_the_call_is_made_again(fleet: FleetEnv) -> None:
    fleet.program = ("-m", "tests.support.told")
    limit = 'echo "{\\"limit\\": true, \\"resets\\": $(($(date +%s) + 2))}"\n' + says(end="rate-limited")
    once = f'if [ "$GITFLEET_ATTEMPT" = 1 ]; then {limit}exit 0; fi\n'
    script = f"""{BEGAN}{once}cp '{fleet.root}/good.yaml' "$GITFLEET_HANDOFF"\n{turn(1, 40)}{END}"""
    repo = arrange(fleet, "", planner={"agent": "opencode"})
    fleet.variables["XDG_STATE_HOME"] = str(fleet.root / "state")
    ended = fleet.run("plan", "--direction", script, "--yes").ok()
    assert "2 calls" in ended.out
    said = [line.partition(": no account")[0] for line in ended.err.splitlines()]
    said = [line for line in said if "planner" in line]
    assert said[:2] == ["gitfleet: the planner works", "gitfleet: the planner waits"]
    (place,) = planners(fleet, repo)
    assert [path.name for path in place.glob("answer-*")] == ["answer-1.yaml"]
    nothing_is_left(fleet, repo)


def test_a_planner_that_works_is_shown_and_stopped_from_elsewhere(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = arrange(fleet, point.shell)
    process = fleet.start("wave", WORDS, "--yes")
    point.wait()
    (row,) = fleet.run("status", "--json").ok().json["planners"]
    assert (row["name"], row["agent"], row["call"], row["calling"]) == (WORDS, "planner", 1, True)
    assert (row["alive"], row["pid"]) == (True, process.pid)
    assert 0 <= row["last_activity_seconds"] <= row["elapsed_seconds"] + 1
    told = fleet.run("status").ok().out
    assert told.startswith("Nothing needs you: 1 planner makes a plan.\n")
    assert f"gitfleet stop {row['instance']}" in told
    assert str(planners(fleet, repo)[0]) in fleet.run("stop", row["instance"]).ok().out
    assert "It was stopped while the planner worked; nothing was started." in fleet.finish(process).ok(130).err
    nothing_is_left(fleet, repo)
    assert fleet.run("status", "--json").ok().json["planners"] == []


def test_the_run_of_a_planner_that_works_is_readable(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = arrange(fleet, f'{point.shell}; answer "$R/good.yaml"')
    process = fleet.start("plan", WORDS, "--yes", "--json")
    point.wait()
    (place,) = planners(fleet, repo)
    run = decode((place / "run.json").read_bytes(), Run)
    assert (run.instance, run.agent, len(run.attempts)) == (place.name, "planner", 1)
    assert "its planner is not over" in fleet.run("clean").ok().out
    point.release()
    ended: Outcome = fleet.finish(process).ok()
    assert json.loads(ended.out)["agents"] == 2
    assert ended.err == ""
    over = decode((place / "over.json").read_bytes(), Run)
    assert [attempt.exit.code for attempt in over.attempts if attempt.exit] == [0]
    assert fleet.run("logs", place.name).ok().out.startswith("So:\n```yaml\n")


@pytest.mark.slow
def test_in_a_terminal_it_is_asked_for_twice_and_told_meanwhile(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = arrange(fleet, f'{point.shell}; answer "$R/good.yaml"')
    terminal = Terminal(fleet.argv("wave", WORDS), fleet.root / "repo", {**fleet.environ, "TERM": "xterm"})
    try:
        terminal.until(b"Call the planner? [y/N]")
        assert planners(fleet, repo) == []
        terminal.press("y\n")
        point.wait()
        terminal.until(b"the planner works")
        point.release()
        terminal.until(b"Start? [y/N]")
        assert session_ids(fleet, repo) == []
        terminal.press("n\n")
        assert terminal.wait() == 3
        assert b"The plan is kept: " in terminal.shown.replace(b"\r\n", b" ")
        assert terminal.cursor_is_visible
    finally:
        terminal.close()
    nothing_is_left(fleet, repo)


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_the_planner(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = arrange(fleet, point.shell)
    terminal = Terminal(fleet.argv("plan", WORDS, "--yes"), fleet.root / "repo", {**fleet.environ, "TERM": "xterm"})
    try:
        point.wait()
        terminal.until(b"the planner works")
        terminal.press("\x03")
        assert terminal.wait() == 130
        assert terminal.cursor_is_visible
        assert terminal.echoes
    finally:
        terminal.close()
    nothing_is_left(fleet, repo)

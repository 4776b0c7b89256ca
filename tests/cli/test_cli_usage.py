"""The program as a whole: versions, help, mistakes, exit codes, start-up cost, closed pipes, defects."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest

from gitfleet import __version__
from gitfleet.cli.root import COMMANDS, GROUP, LATER_COMMANDS
from gitfleet.errors import ExitCode, Kind
from gitfleet.model.reports import COMMAND_REPORTS, ErrorReport
from tests.support.commands import a_run, a_session, call, place, run, spawn

if TYPE_CHECKING:
    from tests.support.repo import Repo

ROOT = Path(__file__).parents[2]

HEAVY = ("click", "rich", "pygit2", "jsonschema", "ruamel", "asyncio", "filelock", "psutil")

PRINT_MODULES = """
import sys
from gitfleet.__main__ import main
code = main({args!r})
sys.stdout.flush()
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def validate(document: object, *kinds: type[msgspec.Struct]) -> None:
    """Hold a document against the schema of one of its reports."""
    (schemas, components) = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    jsonschema.Draft202012Validator({"anyOf": list(schemas), "$defs": components}).validate(document)


def modules_of(tmp_path: Path, *args: str) -> tuple[str, set[str]]:
    """Run a command in a process of its own; its output and the modules it had loaded at its end."""
    script = tmp_path / "run.py"
    script.write_text(PRINT_MODULES.format(args=list(args)))
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    from tests.support.commands import ROOT  # noqa: PLC0415
    from tests.support.git_env import unmeasured  # noqa: PLC0415

    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); exec(open({str(script)!r}).read())",
        ],
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, set(done.stderr.split())


@pytest.mark.parametrize("args", [("--version",), ("-V",)])
def test_the_version_costs_no_import(tmp_path: Path, args: tuple[str, ...]) -> None:
    out, modules = modules_of(tmp_path, *args)
    assert out == f"gitfleet {__version__}\n"
    assert not modules & {*HEAVY, "msgspec", "subprocess", "pathlib"}


@pytest.mark.parametrize("extra", [(), ("--json",), ("--all",), ("auth-k3f9qm",)])
def test_status_answers_without_heavy_imports(repo: Repo, tmp_path: Path, extra: tuple[str, ...]) -> None:
    place(repo.path, a_session(), a_run("api"))
    out, modules = modules_of(tmp_path, "status", "--repo", str(repo.path), *extra)
    assert "auth-k3f9qm" in out
    assert not modules & {*HEAVY, "gitfleet.coordinator", "gitfleet.pool", "gitfleet.planner.scopes"}


def test_a_plan_is_told_without_the_loop(repo: Repo, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    task = {"id": "a", "command": "true", "scope": ["a"]}
    plan.write_text(json.dumps({"schema": "gitfleet/plan/v1", "name": "p", "tasks": [task]}))
    _, modules = modules_of(tmp_path, "plan", str(plan), "--repo", str(repo.path))
    assert "gitfleet.app.sessions.wave" in modules
    assert "gitfleet.coordinator.loop" not in modules


def test_status_is_the_same_through_click_and_without_it(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api"))
    quick = run("status", "--repo", repo.path)
    assert quick.code == 0
    assert GROUP.main(["status", "--repo", str(repo.path)], standalone_mode=False) == 0
    assert run("status", f"--repo={repo.path}", "--", "auth-k3f9qm").out == quick.out


def test_help_lists_every_command_without_importing_one(tmp_path: Path) -> None:
    out, modules = modules_of(tmp_path, "-h")
    assert [name for name in COMMANDS if not re.search(rf"^  {name}\s", out, re.MULTILINE)] == []
    assert not modules & {"rich", "pygit2", "jsonschema", "ruamel", "asyncio", "msgspec", "subprocess"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_json_and_repo(name: str) -> None:
    answer = run(name, "--help")
    assert answer.code == 0
    assert "Examples:" in answer.out
    assert f"gitfleet {name}" in answer.out.partition("Examples:")[2]
    assert "--json" in answer.out
    assert "--repo PATH" in answer.out
    assert COMMANDS[name][1].endswith(".")
    assert [line for line in answer.out.splitlines() if len(line) > 80] == []
    assert not re.search(r"^  [a-z]+ .*\.\.\.$", answer.out, re.MULTILINE), "a summary is cut off"


def test_every_command_has_a_registered_report() -> None:
    assert list(COMMANDS) == list(COMMAND_REPORTS)


def test_without_a_command_the_help_is_shown_and_nothing_was_done() -> None:
    answer = run()
    assert answer.code == ExitCode.USAGE
    assert "Begin:" in answer.out


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("statsu",), "usage", "There is no command `statsu`. Did you mean `status`?"),
        (("status", "--wacth"), "usage", "--watch"),
        (("wave",), "usage", "Missing argument 'PLAN'"),
        (("wave", "p", "--quick"), "not-built-yet", "--quick is not built yet."),
        (("wave", "p", "--speculative", "3"), "not-built-yet", "--speculative is not built yet."),
        (("wave", "p", "--take-over"), "usage", "gitfleet continue SESSION --take-over"),
        (("continue", "--owner-is-gone"), "usage", "--owner-is-gone needs --take-over."),
        *(((name,), "not-built-yet", f"`{name}` is not built yet.") for name in sorted(LATER_COMMANDS)),
        (("completion", "tcsh"), "usage", "tcsh"),
    ],
)
def test_mistakes_are_refused_with_what_is_nearest(args: tuple[str, ...], code: str, words: str) -> None:
    answer = run(*args)
    assert (answer.code, answer.out) == (ExitCode.USAGE, "")
    assert words in answer.err
    assert "Traceback" not in answer.err
    document = run(*args, "--json").json
    validate(document, ErrorReport)
    assert document["error"]["code"] == code
    assert words in document["error"]["message"]


def test_outside_a_repository_every_command_says_so(tmp_path: Path) -> None:
    for args in (
        ("status",),
        ("claims",),
        ("inspect", "x"),
        ("events",),
        ("logs", "x"),
        ("open", "x"),
        ("init",),
        ("clean",),
    ):
        answer = run(*args, "--repo", tmp_path)
        assert (answer.code, answer.out) == (ExitCode.ENVIRONMENT, ""), args
        assert answer.err.startswith("gitfleet: ")
        answer = run(*args, "--repo", tmp_path, "--json")
        assert answer.code == ExitCode.ENVIRONMENT
        assert answer.json["error"]["code"] == "not-a-repository"
        validate(answer.json, ErrorReport)


def test_a_json_flag_after_two_dashes_is_a_name() -> None:
    answer = run("statsu", "--", "--json")
    assert answer.out == ""


def test_each_kind_of_refusal_has_one_exit_code() -> None:
    assert {kind.value: int(kind.exit_code) for kind in Kind} == {
        "runs-failed": 1,
        "usage": 2,
        "document": 2,
        "needs-person": 3,
        "environment": 4,
        "busy": 5,
        "interrupted": 130,
        "defect": 70,
    }


def test_a_reader_that_leaves_ends_the_command_quietly(repo: Repo) -> None:
    with spawn("status", "--repo", repo.path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


DEFECT = "import sys; from gitfleet.cli.boundary import guard; sys.exit(guard(lambda: [][0], sys.argv[1:]))"


@pytest.mark.parametrize("where", ["cwd", "repo"])
def test_a_defect_is_called_one_and_keeps_its_traceback_in_the_repository(
    where: str, repo: Repo, tmp_path: Path
) -> None:
    words = ["--repo", str(repo.path)] if where == "repo" else []
    cwd = tmp_path if where == "repo" else repo.path
    argv = [sys.executable, "-c", DEFECT, "status", *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*argv, "--json"], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.DEFECT
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["code"]) == ("defect", "defect")
    kept = re.search(r"/\S+defect-\S+\.txt", error["hint"])
    assert kept is not None
    assert kept.group().startswith(str((repo.path / ".git" / "gitfleet").resolve()))
    assert "IndexError" in Path(kept.group()).read_text()
    environ["GITFLEET_TRACEBACK"] = "1"
    shown = subprocess.run(argv, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert shown.returncode == ExitCode.DEFECT
    assert "Traceback" in shown.stderr


def test_a_file_in_a_directorys_place_is_named_and_no_defect(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api"))
    sessions = repo.path / ".git" / "gitfleet" / "state" / "sessions"
    (sessions.parent / "moved").mkdir()
    sessions.rename(sessions.parent / "moved" / "sessions")
    sessions.write_text("a file where a directory must be")
    answer = call("status", "--json", cwd=repo.path)
    assert answer.code == ExitCode.ENVIRONMENT
    assert "state/sessions" in answer.json["error"]["message"]


def test_errors_are_one_document(repo: Repo) -> None:
    answer = run("inspect", "nobody", "--repo", repo.path, "--json")
    assert answer.code == ExitCode.USAGE
    assert answer.err == ""
    decoder = json.JSONDecoder()
    _, end = decoder.raw_decode(answer.out)
    assert answer.out[end:].strip() == ""

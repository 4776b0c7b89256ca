"""The guards find what they guard against: each case is a small suite of its own, run by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.guards import watch, worktrees_in_pools

ROOT = Path(__file__).parents[2]

LEAKS_HOME = """
from pathlib import Path
def test_it():
    (Path.home() / ".gitconfig").write_text("x")
"""
LEAKS_ENVIRON = """
import os
def test_it():
    os.environ["LEAK"] = "1"
"""
LEAKS_DIRECTORY = """
import os
def test_it(tmp_path):
    os.chdir(tmp_path)
"""
LEAKS_PROCESS = """
import subprocess
def test_it():
    subprocess.Popen(["sleep", "60"], start_new_session=True).returncode = 0
"""
LEAKS_UNMARKED_PROCESS = """
import subprocess
def test_it(tmp_path):
    subprocess.Popen(["/bin/sleep", "60"], env={}, cwd=tmp_path, start_new_session=True).returncode = 0
"""
LEAKS_WORKTREE = """
def test_it(tmp_path):
    tree = tmp_path / "repo.fleet" / "one"
    tree.mkdir(parents=True)
    (tree / ".git").write_text("gitdir: x")
"""
CASES = {
    "home": (LEAKS_HOME, "~/.gitconfig was written"),
    "environ": (LEAKS_ENVIRON, "environ['LEAK']"),
    "directory": (LEAKS_DIRECTORY, "the working directory became"),
    "process": (LEAKS_PROCESS, "a process still runs"),
    "unmarked_process": (LEAKS_UNMARKED_PROCESS, "a process still runs"),
    "worktree": (LEAKS_WORKTREE, "a worktree is left in a pool"),
}


TIDY = """
import pytest
@pytest.mark.leaves_worktrees("why")
def test_it(tmp_path):
    tree = tmp_path / "repo.fleet" / "one"
    tree.mkdir(parents=True)
    (tree / ".git").write_text("gitdir: x")
def test_tidy(tmp_path):
    (tmp_path / "x").touch()
"""


@pytest.mark.leaves_worktrees("an inner suite leaves some below this test's directory")
def test_what_a_test_leaves_behind_is_its_error_alone(tmp_path: Path) -> None:
    for case, (source, _) in CASES.items():
        (tmp_path / f"test_{case}.py").write_text(source.replace("test_it", f"test_{case}"))
    (tmp_path / "test_tidy.py").write_text(TIDY)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    leaves_worktrees(reason): on purpose\n")

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "tests.support.guards", "-p", "no:cacheprovider"),
            # Without the closing summary: where CI is set it repeats every finding in full.
            *("-p", "no:xdist", "-rN", "--basetemp", str(tmp_path / "tmp"), str(tmp_path)),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{len(CASES) + 2} passed, {len(CASES)} errors" in done.stdout
    told = {part.split()[0]: part for part in done.stdout.split("ERROR at teardown of ")[1:]}
    assert told.keys() == {f"test_{case}" for case in CASES}
    for case, (_, finding) in CASES.items():
        assert finding in told[f"test_{case}"].partition("=====")[0], case
        assert told[f"test_{case}"].count("\n- ") == 1, case


def test_the_suite_runs_in_a_home_of_its_own() -> None:
    assert not list(Path.home().iterdir())
    assert os.environ["XDG_CONFIG_HOME"].startswith(str(Path.home()))


def test_watched_names_of_the_real_home(tmp_path: Path) -> None:
    assert watch(tmp_path) == ()
    (tmp_path / ".gitconfig").touch()
    ((name, _),) = watch(tmp_path)
    assert name == ".gitconfig"


def test_only_checked_out_trees_count_as_worktrees(tmp_path: Path) -> None:
    (tmp_path / "a" / "repo.fleet" / "empty").mkdir(parents=True)
    assert worktrees_in_pools(tmp_path) == []

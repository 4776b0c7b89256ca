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
    "unmarked process": (LEAKS_UNMARKED_PROCESS, "a process still runs"),
    "worktree": (LEAKS_WORKTREE, "a worktree is left in a pool"),
}


def run_suite(directory: Path, source: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_inner.py").write_text(source)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers =\n    leaves_worktrees(reason): on purpose\n")
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "tests.support.guards", "-p", "no:cacheprovider"),
            *("-p", "no:xdist", "--basetemp", str(directory / "tmp"), str(directory)),
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.leaves_worktrees("an inner suite leaves one below this test's directory")
@pytest.mark.parametrize("case", CASES)
def test_what_a_test_leaves_behind_is_its_error(case: str, tmp_path: Path) -> None:
    source, finding = CASES[case]

    done = run_suite(tmp_path, source)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 passed, 1 error" in done.stdout
    assert finding in done.stdout


@pytest.mark.leaves_worktrees("an inner suite keeps one below this test's directory")
def test_a_tidy_test_passes_and_worktrees_may_be_kept_on_purpose(tmp_path: Path) -> None:
    marked = "@pytest.mark.leaves_worktrees('why')\ndef test_it"
    source = "import pytest\n" + LEAKS_WORKTREE.replace("def test_it", marked)

    done = run_suite(tmp_path, source + "\ndef test_tidy(tmp_path):\n    (tmp_path / 'x').touch()\n")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


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

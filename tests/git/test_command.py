"""Every git call is the same wherever and however it is started."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.git.command import Git, GitFailed, environment
from gitfleet.git.repository import discover

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo


def test_every_local_variable_of_this_git_is_cleared(monkeypatch: pytest.MonkeyPatch, repo: Repo) -> None:
    names = repo.git("rev-parse", "--local-env-vars").split()
    for name in [*names, "GIT_CONFIG_KEY_0", "GIT_LITERAL_PATHSPECS", "GIT_EXTERNAL_DIFF"]:
        monkeypatch.setenv(name, "of-the-caller")
    assert "of-the-caller" not in environment().values()
    assert environment({"GIT_DIR": "/ours"})["GIT_DIR"] == "/ours"


def test_an_unexpected_end_names_the_call(repo: Repo) -> None:
    with pytest.raises(GitFailed, match="git cat-file -e 111 ended with exit code 128"):
        Git(repo.path).run("cat-file", "-e", "111")
    assert Git(repo.path).run("cat-file", "-e", "111", ok=(128,)).code == 128


def test_a_call_that_hangs_is_ended_with_its_helpers(repo: Repo, tmp_path: Path) -> None:
    begun = time.monotonic()
    repo.git("config", "alias.hang", f"!sleep 50 & echo $! >{tmp_path}/pid; wait")
    with pytest.raises(subprocess.TimeoutExpired):
        Git(repo.path).run("hang", timeout=0.5)
    assert time.monotonic() - begun < 20


def test_an_interrupt_lets_the_call_in_hand_finish(repo: Repo, tmp_path: Path) -> None:
    done, started = tmp_path / "done", tmp_path / "started"
    repo.git("config", "alias.slow", f"!touch '{started}'; sleep 0.7; touch '{done}'")
    program = (
        "from pathlib import Path\nfrom gitfleet.git.command import Git\n"
        f"try:\n    Git(Path({str(repo.path)!r})).run('slow')\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    while not started.exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert out == b"interrupted\n"
    assert done.exists()


def test_a_reader_runs_outside_of_the_terminals_session(repo: Repo) -> None:
    reader = discover(repo.path).git.serve("cat-file", "--batch")
    with reader:
        assert reader.stdin is not None
        import os  # noqa: PLC0415

        assert os.getsid(reader.pid) == reader.pid
        reader.stdin.close()

"""Completion in the shells themselves, those that are installed: what a person gets for a Tab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitfleet.model.run import RunState
from tests.support.commands import ROOT, a_run, a_session, attempt_files, place, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

FISH = pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
ZSH = pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which `gitfleet` is a program, and a shell finds no configuration."""
    program = tmp_path / "bin" / "gitfleet"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitfleet "$@"\n')
    program.chmod(0o755)
    home = tmp_path / "shell-home"
    home.mkdir()
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(home), "TERM": "dumb"}


def shell(program: str, script: str, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [program, "-c", script], cwd=cwd, env=env, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout


@FISH
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gitfleet stat", ["status\tShow what runs, and what needs you."]),
        ("git fleet stat", ["status\tShow what runs, and what needs you."]),
        ("git-fleet inspect f", ["fleet-auth-k3f9qm-w1-a1"]),
    ],
)
def test_fish(repo: Repo, environment: dict[str, str], line: str, expected: list[str]) -> None:
    live = a_run("api", RunState.RUNNING)
    layout = place(repo.path, a_session(), live)
    attempt_files(layout, live, b"")
    (layout.root / "attempts" / "fleet-auth-k3f9qm-verify").mkdir()
    script = f"{run('completion', 'fish').out}\ncomplete -C '{line}'"
    assert shell("fish", script, repo.path, environment).splitlines() == expected


@FISH
def test_fish_leaves_other_commands_of_git_alone(repo: Repo, environment: dict[str, str]) -> None:
    script = f"{run('completion', 'fish').out}\ncomplete -C 'git status stat'"
    assert "Show what runs" not in shell("fish", script, repo.path, environment)


def test_bash(repo: Repo, environment: dict[str, str]) -> None:
    place(repo.path, a_session(), a_run("api"))
    script = (
        run("completion", "bash").out + "COMP_WORDS=(gitfleet inspect a); COMP_CWORD=2; COMPREPLY=()\n"
        '_gitfleet_completion gitfleet; echo "${COMPREPLY[@]}"\n'
        'words=(git fleet inspect a); cword=3; COMPREPLY=(); _git_fleet; echo "${COMPREPLY[@]}"\n'
    )
    assert shell("bash", script, repo.path, environment) == "api\napi\n"


@ZSH
def test_zsh_takes_the_script(repo: Repo, environment: dict[str, str]) -> None:
    script = (
        f"autoload -U compinit; compinit -u\n{run('completion', 'zsh').out}\nwhence -w _gitfleet_completion _git-fleet"
    )
    shown = shell("zsh", script, repo.path, environment)
    assert shown == "_gitfleet_completion: function\n_git-fleet: function\n"

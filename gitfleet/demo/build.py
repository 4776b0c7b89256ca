"""Make the sample repository, and show what a session left in it."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from itertools import count
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import Git

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

NAME = "gitfleet-demo"

PROJECT = {
    ".gitignore": "__pycache__/\n",
    "README.md": "# Parcels\n\nA small service that quotes, labels and tracks parcels.\n",
    "parcels/__init__.py": '"""Quote, label and track parcels."""\n',
    "tests/__init__.py": "",
    "tests/test_package.py": (
        "import unittest\n\nimport parcels\n\n\n"
        "class PackageTest(unittest.TestCase):\n"
        "    def test_it_says_what_it_is_for(self):\n"
        '        self.assertIn("parcels", parcels.__doc__)\n'
    ),
}

# The sample is its own: a person's hooks, signing key and line endings must not decide whether a first run works.
SETTINGS = {
    "user.name": "Parcel Demo",
    "user.email": "demo@gitfleet.invalid",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "core.hooksPath": "/dev/null",
    "core.autocrlf": "false",
}


@dataclass(frozen=True, slots=True)
class DemoRepository:
    """A sample repository on branch ``main`` and the plan to run in it; both paths are absolute."""

    path: Path
    plan_path: Path


def default_destination(directory: Path) -> Path:
    """``gitfleet-demo`` in a directory, or the first of ``gitfleet-demo-2``, ``-3``, ... that does not exist."""
    for number in count(1):
        path = directory / (NAME if number == 1 else f"{NAME}-{number}")
        if not path.exists() and not path.with_name(f"{path.name}.fleet").exists():
            return path
    raise AssertionError  # count() does not end


def build(destination: Path) -> DemoRepository:
    """Make the sample repository at ``destination``, which must not exist or be empty.

    Returns the repository with two commits, clean, on ``main``. Raises ``GitfleetError`` (``destination-in-use``) when
    something is there, or (``destination-not-writable``) when the directory cannot be made.
    """
    try:
        if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
            raise GitfleetError(
                Kind.USAGE,
                "destination-in-use",
                f"{destination} exists, and the demo writes over nothing.",
                hint="Name another directory, or remove this one.",
            )
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GitfleetError(
            Kind.ENVIRONMENT,
            "destination-not-writable",
            f"The demo cannot make {destination}: {error.strerror}.",
            hint="Name a directory that you may write to.",
        ) from error
    path = destination.resolve()
    git = Git(path)
    # An empty template: the user's may hold hooks.
    git.run("init", "--quiet", "--initial-branch=main", "--template=")
    for name, value in SETTINGS.items():
        git.run("config", "--local", name, value)
    for name, text in PROJECT.items():
        _write(path / name, text)
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", "Begin the parcel service")
    _add_fleet(path)
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", "Configure gitfleet with scripted agents")
    return DemoRepository(path, path / "plan.yaml")


def history(repository: DemoRepository) -> str:
    """Draw the graph of ``main``, one commit a line, as ``git log --graph --oneline`` does."""
    return Git(repository.path).run("log", "--graph", "--oneline", "--no-decorate", "main").text


def _add_fleet(path: Path) -> None:
    """Put plan, config and agents into the sample; the check names a Python that exists here."""
    sample = resources.files("gitfleet.demo") / "sample"
    python = "python3" if shutil.which("python3") else shlex.quote(sys.executable)
    _write(path / "plan.yaml", _read(sample / "plan.yaml"))
    _write(path / ".planning" / "config.yaml", _read(sample / "config.yaml").replace("@PYTHON@", python))
    for agent in (sample / "agents").iterdir():
        _write(path / "agents" / agent.name, _read(agent))


def _read(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

"""What a round starts from, and what a scenario says of its session: the plan, its agents, and how it all must end.

The scenarios themselves are in ``scenarios``. Every agent may run again and leaves the same, or what its own earlier
attempt makes of it. A person commits to the target whenever an agent asks for it and each time it does; so the person's
file alone may differ between rounds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tests.support.sessions import config_of, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

TIMEOUT_SECONDS = 1
SHORTER = 0.25
"""The one deadline that is meant to pass takes this part of a second, so that rounds do not wait for it."""

COMMAND = ("wave", "../plan.yaml", "--yes")


def account_environment(place: Path) -> dict[str, str]:
    """Variables of a person's that lie in a round's place: programs and state of their own, and a key to nothing."""
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "XDG_STATE_HOME": str(place / "state"), "STAND_IN_KEY": "a-key-that-opens-nothing"}


Files = dict[str, str]
"""Contents of a tree outside ``.planning``, by path."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a person does once the session waits for them: ``before`` with their own hands, then a command.

    ``process`` is what the command's operations are filed under; when it dies there it is given once more.
    """

    process: str
    args: tuple[str, ...]
    exit_code: int = 0
    before: Callable[[Path], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One session, told without any of the product's words but for the names of its states.

    ``passes`` is what the checks say of a tree, once more. ``kept`` is what agents wrote that did not land, as task,
    path and content; it must not be lost either. ``landed`` is what tasks brought, by task and path, though later ones
    may have taken it away again. ``held`` are tasks whose claims stay when the session ends with ``exit_code``, until
    the ``steps``. With ``radar`` that looks at agents as soon as they work. What is said by a person in ``persons``, by
    path, differs between rounds.
    """

    name: str
    tasks: Sequence[Mapping[str, object]]
    checks: Sequence[str]
    passes: Callable[[Files], bool]
    expected: Mapping[str, str]
    exit_code: int
    kept: Sequence[tuple[str, str, str]]
    landed: Mapping[str, Files]
    settings: Mapping[str, object] = field(default_factory=dict)
    held: Sequence[str] = ()
    steps: Sequence[Step] = ()
    persons: Mapping[str, str] = field(default_factory=dict)
    radar: bool = False
    command: Sequence[str] = COMMAND
    furnish: Callable[[Path], None] = lambda _: None
    """Adds to the place what its agents need beyond a repository and a plan."""
    holds: Holds = lambda *_, **__: None
    """Says what else must be true of a place after these deaths, when the session waits and when it is ``over``."""
    struck: Callable[[Facts], None] = lambda _: None
    """Says of an undisturbed run, as an ``AssertionError``, that it does not hold what is to be struck."""


class Holds(Protocol):
    """Looks at a place where nothing runs; raises ``AssertionError``."""

    def __call__(self, place: Path, deaths: list[str], *, over: bool) -> None:
        """Look."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An undisturbed run: its runs by task, and the operations that it did."""

    runs: Mapping[str, Any]
    ops: str


def git(repo: Path, *words: str) -> str:
    """Run git as a person does."""
    return subprocess.run(["git", *words], cwd=repo, check=True, capture_output=True, text=True).stdout


def make_template(scenario: Scenario, place: Path, *, setup: bool = False) -> None:
    """The directory of a round before anything runs: a repository, a plan, and the person's letter box.

    With ``setup`` each tree is made ready first, with a copy and a command.
    """
    repo = place / "repo"
    (repo / ".planning").mkdir(parents=True)
    (place / "person").mkdir()
    (place / "tmp").mkdir()
    (place / "plan.yaml").write_text(plan_of(*scenario.tasks))
    git(repo, "init", "-q", "--template=", "-b", "main")
    git(repo, "config", "user.name", "Ada Example")
    git(repo, "config", "user.email", "ada@example.org")
    (repo / ".planning/config.yaml").write_text(
        config_of(
            scenario.checks,
            waves={"max_agents": 3, "rolling": False},
            retry={"max_attempts": 20, "initial_backoff_seconds": 0},
            worktrees={"copy": [".env"], "setup": ["test -e .env && echo ready >made.log"]} if setup else {},
            **scenario.settings,
        )
    )
    (repo / "README.md").write_text("A project.\n")
    (repo / ".gitignore").write_text(".env\n*.log\n")
    (repo / ".env").write_text("KEY=1\n")
    (repo / "old.txt").write_text("To be removed.\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "Begin")
    scenario.furnish(place)


@dataclass(slots=True)
class Person:
    """Commits to the target whenever an agent asks for it."""

    place: Path
    commits: int = 0

    def look(self) -> None:
        """Answer every letter in the box."""
        for letter in list((self.place / "person").glob("asked.*")):
            self.commits += 1
            repo, path = self.place / "repo", letter.read_text().strip()
            (repo / path).write_text(f"a person's line {self.commits}\n")
            git(repo, "add", path)
            git(repo, "commit", "-qm", f"A person's commit {self.commits}", "--", path)
            letter.rename(letter.with_name(letter.name.replace("asked", "done")))


def copy(template: Path, place: Path) -> None:
    """A fresh place for one round."""
    shutil.copytree(template, place, symlinks=True)


def state_runs(common: Path) -> dict[str, dict[str, Any]]:
    """The runs of the only session in the state, by task."""
    found = {}
    for path in (common / "gitfleet/state/sessions").glob("*/runs/*.json"):
        found[path.stem] = json.loads(path.read_bytes())
    return found

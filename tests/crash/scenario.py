"""The session that is killed: three waves of three agents with a rejection, a conflict, a timeout and a retry.

Every agent may run again and leaves the same. The conflict is with a person, who commits to the target while the agent
works and each time it works; so the person's file alone differs between rounds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.sessions import config_of, plan_of, task

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 1
SHORTER = 0.25
"""The one deadline that is meant to pass takes this part of a second, so that rounds do not wait for it."""

COMMAND = ("wave", "../plan.yaml", "--yes")
PERSONS = "theirs.txt"

EXIT_CODE = 3
"""A conflict needs a person, who gives it up."""

GIVEN_UP = "clash"
AFTERWARDS = 1
"""Exit code of the `continue` after that: the others that did not land failed."""

EXPECTED = {
    "one": "landed",
    "two": "landed",
    "outside": "rejected",
    "three": "landed",
    "clash": "cancelled",
    "slow": "timed-out",
    "four": "landed",
    "five": "landed",
    "six": "landed",
}

# The agent asks for a commit of the person's and goes on when it is there.
_CLASH = (
    'set -e; w=$(git rev-parse --path-format=absolute --git-common-dir)/../../person; : >"$w/asked.$$"; '
    'until test -e "$w/done.$$"; do sleep 0.02; done; echo agent >theirs.txt'
)


# The first attempt kills its own warden: it is lost, and tried again. What it wrote is there before its mark.
_LOST_ONCE = (
    "set -e; w=$(git rev-parse --path-format=absolute --git-common-dir)/../../person; mkdir -p deep/er; "
    'if ! test -e "$w/lost"; then echo half >deep/er/half.txt; : >"$w/lost"; kill -9 $PPID; sleep 60; fi; '
    "echo 5 >deep/er/five.txt"
)

KEPT = {"outside": ("elsewhere.txt", "x\n"), "clash": (PERSONS, "agent\n"), "five": ("deep/er/half.txt", "half\n")}
"""What agents wrote that did not land; it must not be lost either."""


def plan() -> str:
    """Three waves of three."""
    return plan_of(
        task("one", "echo 1 >one.txt", ["one.txt"]),
        task("two", "echo 2 >two.txt && git add -A && git commit -qm two", ["two.txt"]),
        task("outside", "echo x >elsewhere.txt", ["mine.txt"]),
        task("three", "cat one.txt two.txt >three.txt", ["three.txt"], "one", "two"),
        task("clash", _CLASH, [PERSONS], "one"),
        task("slow", "echo part >slow.txt && exec sleep 60", ["slow.txt"], "one", timeout_seconds=TIMEOUT_SECONDS),
        task("four", "cat three.txt >four.txt", ["four.txt"], "three"),
        task("five", _LOST_ONCE, ["deep/"], "three"),
        task("six", "git rm -q old.txt && echo 6 >six.txt", ["six.txt", "old.txt"], "three"),
    )


def git(repo: Path, *words: str) -> str:
    """Run git as a person does."""
    return subprocess.run(["git", *words], cwd=repo, check=True, capture_output=True, text=True).stdout


def make_template(place: Path, *, setup: bool = False) -> None:
    """The directory of a round before anything runs: a repository, a plan, and the person's letter box.

    With ``setup`` each tree is made ready first, with a copy and a command.
    """
    repo = place / "repo"
    (repo / ".planning").mkdir(parents=True)
    (place / "person").mkdir()
    (place / "tmp").mkdir()
    (place / "plan.yaml").write_text(plan())
    git(repo, "init", "-q", "--template=", "-b", "main")
    git(repo, "config", "user.name", "Ada Example")
    git(repo, "config", "user.email", "ada@example.org")
    (repo / ".planning/config.yaml").write_text(
        config_of(
            ["test ! -e elsewhere.txt"],
            waves={"max_agents": 3, "rolling": False},
            conflict="hold",
            retry={"max_attempts": 20, "initial_backoff_seconds": 0},
            worktrees={"copy": [".env"], "setup": ["test -e .env && echo ready >made.log"]} if setup else {},
        )
    )
    (repo / "README.md").write_text("A project.\n")
    (repo / ".gitignore").write_text(".env\n*.log\n")
    (repo / ".env").write_text("KEY=1\n")
    (repo / "old.txt").write_text("To be removed.\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "Begin")


@dataclass(slots=True)
class Person:
    """Commits to the target whenever an agent asks for it."""

    place: Path
    commits: int = 0

    def look(self) -> None:
        """Answer every letter in the box."""
        for letter in list((self.place / "person").glob("asked.*")):
            self.commits += 1
            repo = self.place / "repo"
            (repo / PERSONS).write_text(f"a person's line {self.commits}\n")
            git(repo, "add", PERSONS)
            git(repo, "commit", "-qm", f"A person's commit {self.commits}", "--", PERSONS)
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

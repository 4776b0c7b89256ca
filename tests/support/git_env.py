"""A git environment that depends on nothing of the machine: no configuration, no identity, fixed dates."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DATE = "1767323045 +0000"

_REAL_GIT = shutil.which("git") or "git"


def hermetic(home: Path) -> dict[str, str]:
    """Variables that make git see only what a test gives it; ``home`` is made and left empty."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "xdg"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(home.parent),
        "GIT_AUTHOR_NAME": "Ada Author",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_AUTHOR_DATE": DATE,
        "GIT_COMMITTER_NAME": "Carl Committer",
        "GIT_COMMITTER_EMAIL": "carl@example.com",
        "GIT_COMMITTER_DATE": DATE,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


LEAKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_EDITOR")
"""Variables of a surrounding git that a test must not inherit, such as under a hook."""


class GitCounter:
    """A ``git`` for the front of the PATH that writes down each call and then is the real one."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self._log = directory / "calls"
        self._log.write_text("")
        program = directory / "git"
        program.write_text(
            f'#!/bin/sh\necho "$*" | tr "\\n" " " >>"{self._log}"; echo >>"{self._log}"\nexec {_REAL_GIT} "$@"\n'
        )
        program.chmod(0o755)

    def calls(self) -> list[str]:
        """The calls since the last time, without our standing settings."""
        found = []
        for line in self._log.read_text().splitlines():
            words = line.split()
            while words[:1] == ["-c"]:
                words = words[2:]
            found.append(" ".join(words))
        self._log.write_text("")
        return found


def unmeasured() -> dict[str, str]:
    """The environment without the measuring of coverage, which imports modules of its own into every process."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}

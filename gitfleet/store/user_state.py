"""Where a user's own state lies: outside every repository, so that no commit and no pull request can write there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def state_home(environ: Mapping[str, str]) -> Path | None:
    """The user's directory for state of programs, by the XDG base directories; none where ``environ`` knows no home."""
    said, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    # A relative path is to be ignored, as the specification has it.
    if said.startswith("/"):
        return Path(said)
    return Path(home) / ".local" / "state" if home.startswith("/") else None


def user_state(environ: Mapping[str, str]) -> Path:
    """The directory of gitfleet in the user's state; below the system's home where ``environ`` has none."""
    return (state_home(environ) or Path.home() / ".local" / "state") / "gitfleet"

"""Where a user's own state lies: outside every repository, so that no commit and no pull request can write there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def user_state(environ: Mapping[str, str]) -> Path:
    """The directory of gitfleet in the user's state, as ``environ`` says by the XDG base directories."""
    said = environ.get("XDG_STATE_HOME", "")
    # A relative path is to be ignored, as the specification has it.
    root = Path(said) if said.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return root / "gitfleet"

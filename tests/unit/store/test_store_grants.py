"""Standing permissions as a file: whole or not there, and nothing of a killed writer stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.parking import StandingGrant
from gitfleet.store.grants import Grants
from gitfleet.store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_killed_writer_left_goes_with_the_next_change(tmp_path: Path) -> None:
    grants = Grants.of(Layout(tmp_path / "a/.git"), {"XDG_STATE_HOME": str(tmp_path / "state")})
    grant = StandingGrant(agent="claude", tool="Bash", argument="make deploy", since="")
    grants.add([grant])
    left = grants.file.with_name(".tmp-1-1")
    left.write_text("half")
    other = Grants.of(Layout(tmp_path / "b/.git"), {"XDG_STATE_HOME": str(tmp_path / "state")})
    other.add([grant])
    assert not left.exists()
    assert grants.all() == other.all() == (grant,)
    assert {path.stat().st_mode & 0o777 for path in (grants.file, other.file)} == {0o600}

from __future__ import annotations

from pathlib import Path

import pytest

from gitfleet.errors import GitfleetError
from gitfleet.store.layout import Layout

LAYOUT = Layout(Path("/repo/.git"))


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../up", "A", "a\n", "-x", ".tmp-1", "a\x00", "é", "x" * 201])
def test_a_name_that_could_leave_the_directory_is_refused(name: str) -> None:
    for path in (LAYOUT.session, LAYOUT.claim, LAYOUT.journal, LAYOUT.lock, LAYOUT.briefs, LAYOUT.session_lock):
        with pytest.raises(GitfleetError) as refused:
            path(name)
        assert refused.value.code == "invalid-name"


def test_the_state_has_the_layout_of_planning() -> None:
    state = LAYOUT.state
    assert LAYOUT.run("s", "t.x") == state / "sessions" / "s" / "runs" / "t.x.json"
    assert LAYOUT.plan("s", 2) == state / "sessions" / "s" / "plan.2.yaml"
    assert LAYOUT.wave("s", 1) == state / "sessions" / "s" / "waves" / "w1.md"
    assert LAYOUT.discoveries("s") == state / "discoveries" / "s"


def test_each_target_has_a_lock_of_its_own() -> None:
    assert LAYOUT.target_lock("refs/heads/a/b") != LAYOUT.target_lock("refs/heads/a-b")
    assert LAYOUT.target_lock("refs/heads/a/b").parent == LAYOUT.lock("claims").parent

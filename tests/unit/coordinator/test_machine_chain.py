"""An error that is its own cause comes to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.coordinator.machine import refused
from tests.support.stage import session_on, task_of

if TYPE_CHECKING:
    from tests.support.repo import Repo


def test_an_error_that_is_its_own_cause_is_looked_at_once(repo: Repo) -> None:
    error = ValueError("odd")
    error.__cause__ = error
    repo.commit({"a": "a"}, "begin")
    with session_on(repo, task_of("one")) as stage:
        assert refused(stage.parts, error) is None

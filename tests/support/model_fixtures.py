"""The scripted model server and the real agents as fixtures; every test has a server of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import agent_clis
from tests.support.model_server import ModelServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.agent_clis import Clis


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A scripted model on loopback; what a test asked of it wrongly fails the test."""
    with ModelServer() as server:
        yield server
    assert server.problems == []
    assert server.strays == []


@pytest.fixture(scope="session")
def clis() -> Clis:
    """The programs of the real agents; a test that cannot have them fails."""
    try:
        return agent_clis.ensure()
    except agent_clis.UnavailableError as error:
        pytest.fail(str(error), pytrace=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install the real agents before the first test that needs them, whose timeout would be too short for that."""
    if session.config.option.collectonly or not any(item.get_closest_marker("agents") for item in session.items):
        return
    try:
        agent_clis.ensure()
    except agent_clis.UnavailableError:
        return  # each test that needs them says so

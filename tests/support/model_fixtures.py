"""The scripted model server as a fixture; every test has a server of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.model_server import ModelServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A scripted model on loopback; what a test asked of it wrongly fails the test."""
    with ModelServer() as server:
        yield server
    assert server.problems == []
    assert server.strays == []

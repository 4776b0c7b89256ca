"""Guards for every test, and the environment of whole sessions; both live in ``tests/support``."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import FleetEnv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["tests.support.guards"]

# A suite in the background of a shell ignores SIGINT, one under `nohup` SIGHUP, and so would everything that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetEnv]:
    """Repositories, plans and the real command line, in a directory of the test's own."""
    env = FleetEnv(tmp_path)
    yield env
    env.close()

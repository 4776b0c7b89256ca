"""Guards for every test, and the environment of whole sessions; both live in ``tests/support``."""

from __future__ import annotations

import os
import signal
import time
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.support.agent_clis import remember_place
from tests.support.fleet import FleetEnv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["tests.support.guards", "tests.support.model_fixtures"]
remember_place()

# A suite in the background of a shell ignores SIGINT, one under `nohup` SIGHUP, and so would everything that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


TODAY = int(time.time() // 86_400)
"""The day decides which of the tests marked ``share`` run: others every day, the same when a failure is looked at."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests marked ``share(n)`` run one n-th a day (all with ``GITFLEET_SHARE=1``); the longest come first."""
    # What is given more time than others needs it: started last, it would run alone while the other workers are done.
    items.sort(key=_given, reverse=True)
    if os.environ.get("GITFLEET_SHARE") == "1":
        return
    left_out = []
    for item in items:
        mark = item.get_closest_marker("share")
        if mark is not None and (_turn(item) + TODAY) % mark.args[0]:
            left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _turn(item: pytest.Item) -> int:
    """Whose day it is: the members of a family follow one another, so that no day has all of them."""
    places: dict[str, int] = getattr(getattr(item, "callspec", None), "indices", {})
    return zlib.crc32(item.nodeid.partition("[")[0].encode()) + sum(set(places.values()))


def _given(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetEnv]:
    """Repositories, plans and the real command line, in a directory of the test's own."""
    env = FleetEnv(tmp_path)
    yield env
    env.close()

"""The log stays within its bound, keeps head and tail, says what is missing, and reads right across the cut."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.runtime.output import (
    MARK_SIZE,
    SMALLEST_LIMIT,
    BoundedLog,
    head_size,
    read_log,
)
from tests.support import agents

if TYPE_CHECKING:
    from tests.support.agents import Stage

LIMIT = SMALLEST_LIMIT


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3 * LIMIT), max_size=12))
def test_what_is_kept_is_what_was_written(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "log")  # noqa: PTH118
        log = BoundedLog(path, LIMIT)
        written = b""
        for size in sizes:
            data = b"%06d" % len(written) + os.urandom(size)
            written += data
            log.write(data)
            assert os.path.getsize(path) <= LIMIT  # noqa: PTH202
        log.close()
        assert log.total == len(written)
        offset, read = 0, {}
        while True:
            offset, data = read_log(path, LIMIT, offset, 1000)
            if not data:
                break
            read[offset] = data
            offset += len(data)
        assert offset == len(written)
        assert all(written[at : at + len(data)] == data for at, data in read.items())
        assert b"".join(read.values()).startswith(written[: head_size(LIMIT)])
        kept = sum(map(len, read.values()))
        assert kept == len(written) if len(written) <= LIMIT else kept >= LIMIT // 2
        _, tail = read_log(path, LIMIT, -500, 1000)
        assert tail == written[-500:]


def test_the_cut_is_marked_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = BoundedLog(str(path), LIMIT)
    log.write(b"x" * LIMIT)
    assert b"gitfleet" not in path.read_bytes()
    log.write(b"y")
    log.close()
    mark = path.read_bytes()[head_size(LIMIT) :][:MARK_SIZE]
    missing = LIMIT + 1 - (path.stat().st_size - MARK_SIZE)
    assert mark == b"\n[gitfleet: %20d bytes of output were cut here]\n" % missing


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_log(str(tmp_path / "none"), LIMIT, 7, 10) == (7, b"")


def test_a_full_disk_does_not_end_the_agent() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    log = BoundedLog("/dev/full", LIMIT)
    log.write(b"lost")
    assert log.total == 0
    log.close()


def test_a_flood_is_bounded_and_does_not_block_the_agent(stage: Stage) -> None:
    size, limit = 64 * 1024 * 1024, 64 * 1024
    handle = stage.start(*agents.floods(size), log_limit=limit)
    ended = stage.host.wait(handle)
    assert ended.code == 0
    path = handle.directory / "out.log"
    assert limit // 2 <= path.stat().st_size <= limit
    text = path.read_bytes()
    assert text.startswith(b"line 000000000\n")
    assert b"bytes of output were cut here" in text
    end = stage.host.log(handle, -1000, 1000)
    assert end.next == size
    pulse = stage.host.status(handle).pulse
    assert pulse is not None
    assert pulse.size == size

"""Secrets reach an agent, and no file of its attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime.hosts.base import LaunchSpec
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.runtime.passing import MOST_BYTES, hear, tell

if TYPE_CHECKING:
    from pathlib import Path

SECRET = 's3cr3t-näme\n"quoted"'  # noqa: S105 - it opens nothing


def test_what_is_told_is_heard_once() -> None:
    assert hear(tell({"KEY": SECRET, "OTHER": ""})) == {"KEY": SECRET, "OTHER": ""}
    with pytest.raises(ValueError, match="more than"):
        tell({"KEY": "x" * MOST_BYTES})


def test_an_agent_has_its_secrets_and_no_file_does(tmp_path: Path) -> None:
    directory, host = tmp_path / "attempt", LocalHost()
    spec = LaunchSpec(
        instance="i",
        attempt=1,
        directory=directory,
        argv=("sh", "-c", 'printf %s "$KEY" | od -An -tx1 | tr -d " \\n"; ls /proc/self/fd 2>/dev/null | wc -l >&2'),
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        secrets={"KEY": SECRET},
    )
    assert SECRET not in repr(spec)
    handle = host.start(spec)
    assert host.wait(handle).code == 0
    assert SECRET.encode().hex().encode() in host.log(handle).data
    held = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    assert b"s3cr3t" not in held

"""A small disk of a test's own, that can be filled to the last byte and freed again.

It is a tmpfs, which only root may mount, if only in a namespace: see ``test_full_disk``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 4096
IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system."""

    path: Path

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Take all space but ``leave`` bytes; what is written after this is refused."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * BLOCK)
        os.truncate(self._ballast, max(0, self._ballast.stat().st_size - leave))

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)


def mounts(*before: str) -> bool:
    """Whether a tmpfs can be mounted here, by a command that begins like this; a container may forbid it even root."""
    if sys.platform != "linux":
        return False
    line = [*before, "unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    with suppress(FileNotFoundError):
        return subprocess.run(line, capture_output=True, check=False).returncode == 0
    return False


@contextmanager
def disk(path: Path, size: str = "16m") -> Iterator[Disk]:
    """Mount a disk of this size at ``path``, and take it away."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", path], check=True)
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)

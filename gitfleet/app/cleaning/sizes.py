"""How many bytes a removal frees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def bytes_of(path: Path) -> int:
    """Count the bytes of a tree as ``lstat`` sees them."""
    total = 0
    if not path.is_dir():
        return path.lstat().st_size
    for directory, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(directory, name)).st_size  # noqa: PTH118 - os.walk gives strings
            except OSError:
                continue
    return total

"""Who works in a directory now: asked before a tree is given to somebody else.

A process counts by its working directory, whoever started it; gitfleet's own git calls do not. What works elsewhere and
writes here by an absolute path is not seen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitfleet.runtime.tables import open_table
from gitfleet.runtime.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path


def working_in(directory: Path) -> tuple[str, ...]:
    """Names of the processes in a directory or below, such as ``zsh (4711)``."""
    tree = Tree(open_table(None), nonce="", worktree=os.fspath(directory), since=0, root=None)
    found = {process.pid: process.label() for process in tree.everybody()}
    return tuple(label for _, label in sorted(found.items()))

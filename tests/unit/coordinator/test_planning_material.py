"""Which files the planner is told as the project's rules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gitfleet.coordinator.planning.material import _rules
from gitfleet.git.trees import DIRECTORY, EXECUTABLE, FILE, SUBMODULE, SYMLINK, TreeEntry


def tree_of(files: dict[str, tuple[int, str]]) -> Any:  # noqa: ANN401 - stands in for the parts
    """Parts whose objects hold these files: a mode and a content, which is its own object id."""
    entries = {path.encode(): TreeEntry(*found) for path, found in files.items()}
    objects = SimpleNamespace(entry=lambda _, path: entries.get(path), blob=lambda oid: oid.encode())
    return SimpleNamespace(objects=objects)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"AGENTS.md": (SYMLINK, "docs/agents.md"), "docs/agents.md": (FILE, "rules")}, [("AGENTS.md", "rules")]),
        ({"CLAUDE.md": (SYMLINK, "./docs/../how.md"), "how.md": (EXECUTABLE, "rules")}, [("CLAUDE.md", "rules")]),
        ({"AGENTS.md": (FILE, "rules"), "CLAUDE.md": (SYMLINK, "AGENTS.md")}, [("AGENTS.md", "rules")]),
        ({"AGENTS.md": (SYMLINK, "CLAUDE.md"), "CLAUDE.md": (FILE, "rules")}, [("AGENTS.md", "rules")]),
        ({"AGENTS.md": (FILE, "one"), "CLAUDE.md": (FILE, "two")}, [("AGENTS.md", "one"), ("CLAUDE.md", "two")]),
        ({"AGENTS.md": (SYMLINK, "../outside.md"), "outside.md": (FILE, "x")}, []),
        ({"AGENTS.md": (SYMLINK, "/outside.md"), "outside.md": (FILE, "x"), "/outside.md": (FILE, "x")}, []),
        ({"AGENTS.md": (SYMLINK, "docs"), "docs": (DIRECTORY, "x")}, []),
        ({"AGENTS.md": (SYMLINK, "gone.md")}, []),
        ({"AGENTS.md": (SYMLINK, "one"), "one": (SYMLINK, "two"), "two": (FILE, "x")}, []),
        ({"AGENTS.md": (SYMLINK, "AGENTS.md"), "CLAUDE.md": (SUBMODULE, "x")}, []),
    ],
)
def test_a_link_is_followed_once_and_within_the_tree(
    files: dict[str, tuple[int, str]], told: list[tuple[str, str]]
) -> None:
    assert list(_rules(tree_of(files), "tree")) == told

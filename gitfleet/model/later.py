"""Fields that the design names and no release enforces yet; a document that uses one is refused by its name.

A field moves out of here in the change that makes it work. ``*`` stands for any key or index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TASK = ("scorer", "workspace.root")

_FIELDS: dict[str, frozenset[str]] = {
    "plan": frozenset(
        {
            "workers",
            *(f"defaults.{name}" for name in ("tags", "metadata")),
            *(f"tasks.*.{name}" for name in _TASK),
        }
    ),
    "config": frozenset(
        {
            "landing",
        }
    ),
}

_VALUES: dict[str, dict[str, frozenset[str]]] = {
    "plan": {"tasks.*.expected_artifacts.*": frozenset({"report", "receipt", "patch", "checkpoint", "test-output"})},
    "config": {
        "waves.overlap": frozenset({"merge", "narrow"}),
    },
}


def is_later(document: str, trail: Sequence[str | int]) -> bool:
    """Whether ``trail`` names a field of the document kind that is not built yet."""
    return any(_matches(pattern, trail) for pattern in _FIELDS.get(document, ()))


def inner_fields(document: str, trail: Sequence[str | int]) -> frozenset[str]:
    """Names of the fields inside a later field that are refused one by one."""
    parent = len(trail)
    return frozenset(
        pattern.split(".")[-1]
        for pattern in _FIELDS.get(document, ())
        if pattern.count(".") == parent and _matches(pattern.rpartition(".")[0], trail)
    )


def is_later_value(document: str, trail: Sequence[str | int], value: str) -> bool:
    """Whether ``value`` at ``trail`` is a choice that is not built yet."""
    return any(_matches(pattern, trail) and value in later for pattern, later in _VALUES.get(document, {}).items())


def later_fields(document: str) -> list[str]:
    """Places of all later fields, such as ``tasks[].model``, sorted."""
    return sorted(pattern.replace(".*", "[]").replace("agents[]", "agents.<name>") for pattern in _FIELDS[document])


def later_names(document: str) -> frozenset[str]:
    """Names of the later fields of a task, as a line of Markdown would write them."""
    return frozenset(
        pattern.removeprefix("tasks.*.") for pattern in _FIELDS.get(document, ()) if pattern.startswith("tasks.*.")
    )


def _matches(pattern: str, trail: Sequence[str | int]) -> bool:
    parts = pattern.split(".")
    return len(parts) == len(trail) and all(part in ("*", step) for part, step in zip(parts, trail, strict=True))

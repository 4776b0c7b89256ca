"""One thing wrong with a plan or a config, and what naming it takes: nothing here decides what is wrong."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Trail = tuple[str | int, ...]
"""A place in a struct: field names and indices from the top."""

_REF_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong at one place of a plan or config."""

    trail: Trail
    message: str
    expected: str = ""
    hint: str = ""


def is_branch_name(name: str) -> bool:
    """Whether ``git check-ref-format refs/heads/<name>`` accepts the name (git 2.39's rules)."""
    parts = name.split("/")
    return not (
        name in {"", "@", "HEAD"}
        or name.startswith("-")
        or name.endswith((".", "/"))
        or _REF_BAD.search(name)
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    )


def near(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was probably meant; empty when none is close."""
    found = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return f"did you mean `{found[0]}`?" if found else ""


def unknown_agent(trail: Trail, name: str, known: Iterable[str]) -> Finding:
    """Say that no agent has this name."""
    names = sorted(known)
    listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    hint = near(name, names) or (f"known: {listed}" if names else "the config defines no agent")
    return Finding(trail, f"unknown agent `{name}`", "a name from the config's agents", hint)

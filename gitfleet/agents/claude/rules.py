"""What a person approved, in the rules of ``claude``, and what such a rule allows beyond it.

A rule names a tool and, in brackets, what it may be used for, with backslashes before brackets and backslashes. A
command is compared word by word, and each command of a chain needs a rule of its own; but a star, or ``:*`` at the end,
stands for anything, and no rule can mean the star itself. Of the web a rule can name hosts, of files paths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.model.parking import Permission

_FILES = {"Read": "Read", "Edit": "Edit", "Write": "Edit", "NotebookEdit": "Edit"}
"""Tools that are allowed by path, and the tool by whose name their rules go."""


def rule(grant: Permission, worktree: Path) -> str:
    """What a person approved, as narrow as the program's rules can say it."""
    tool, argument = grant.tool, grant.argument
    match tool:
        case "Bash" if argument:
            escaped = re.sub(r"([\\()])", r"\\\1", argument)
            return f"Bash({escaped})"
        case "WebFetch" if host := _host(argument):
            return f"WebFetch(domain:{host})"
        case _ if argument and tool in _FILES:
            return path_rule(_FILES[tool], worktree / argument)
        case _:
            return tool


def allows(tool: str, argument: str) -> str:
    """What the rule for this use allows, where that is more than this use: a phrase for people, else empty."""
    match tool:
        case "Bash" if argument:
            return f"every command that fits {argument}, where * stands for anything" if "*" in argument else ""
        case "WebFetch" if host := _host(argument):
            return f"every address on {host}" + (", where * stands for anything" if "*" in host else "")
        case _ if argument and tool in _FILES:
            return ""
        case _:
            return f"every use of {tool}"


def path_rule(tool: str, path: Path) -> str:
    """The rule for one path, and what is below it."""
    # An absolute path begins with two slashes; the rest is a pattern as in .gitignore.
    escaped = re.sub(r"([\\*?\[\]!#])", r"\\\1", str(path))
    return f"{tool}(/{escaped})"


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # brackets that are no address, say
        return ""

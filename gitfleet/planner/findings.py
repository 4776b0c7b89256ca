"""One thing wrong with a plan or a config, and what naming it takes: nothing here decides what is wrong."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.agent_config import BUILT_IN
from gitfleet.planner.scopes import ScopeError, parse_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gitfleet.model.retry import RetryConfig

Trail = tuple[str | int, ...]
"""A place in a struct: field names and indices from the top."""

# The explicit bidirectional formatting characters of Unicode (UAX #9): they make a line read as something else.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
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


def unfit_name(trail: Trail, name: str) -> Iterator[Finding]:
    """Refuse names that would not stay on their line, or would reorder it, in commit subjects, tables and terminals."""
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in name):
        yield Finding(trail, "the name has line breaks or control characters", "one line of text")
    elif any(char in _REORDERING for char in name):
        yield Finding(trail, "the name has invisible characters that reorder text", "one line of text")


def unfit_backoff(trail: Trail, policy: RetryConfig) -> Iterator[Finding]:
    """Refuse a longest wait that is shorter than the first one: one of the two would say nothing."""
    first, longest = policy.initial_backoff_seconds, policy.max_backoff_seconds
    if longest < first:
        message = f"the longest wait ({longest:g} s) is shorter than the first one ({first:g} s)"
        hint = "lower initial_backoff_seconds, or raise max_backoff_seconds"
        yield Finding(trail, message, "at least initial_backoff_seconds", hint)


def unfit_when(trail: Trail, entries: Sequence[str]) -> Iterator[Finding]:
    """Refuse what ``when`` of a check cannot mean."""
    excludes = 0
    for position, entry in enumerate(entries):
        try:
            excludes += parse_entry(entry).exclude
        except ScopeError as error:
            yield Finding((*trail, position), f"bad entry `{entry}`: {error}", "a path of the repository")
    if entries and excludes == len(entries):
        yield Finding(trail, "it only excludes, so the check would never run", "an entry that may change")


def near(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was probably meant; empty when none is close."""
    found = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return f"did you mean `{found[0]}`?" if found else ""


def unknown_agent(trail: Trail, name: str, known: Iterable[str]) -> Finding:
    """Say that no agent has this name."""
    return Finding(trail, f"unknown agent `{name}`", "a name from the config's agents", which_agent(name, known))


def which_agent(name: str, known: Iterable[str]) -> str:
    """Say which agent was probably meant, or which there are: those of the config, and those that every config has."""
    own = sorted(known)
    listed = [*own[:10], *(["…"] if len(own) > 10 else []), *(built for built in BUILT_IN if built not in own)]
    return near(name, own) or near(name, BUILT_IN) or f"known: {', '.join(listed)}"


def unfit_variable(trail: Trail, name: str) -> Iterator[Finding]:
    """Find what keeps a variable of the caller from being passed to an agent."""
    if not _VARIABLE.fullmatch(name):
        yield Finding(trail, f"`{name}` is not the name of a variable", "letters, digits and `_`")
    elif _SECRET.search(name):
        yield Finding(
            trail,
            f"`{name}` looks like a secret and is not passed to agents",
            hint="let the agent's own configuration hold it",
        )

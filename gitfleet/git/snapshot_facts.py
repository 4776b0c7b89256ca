"""What a snapshot says about itself: trailers of its commit message, so that a list of many costs one git call.

Only values that fit one line are written; whatever a name holds, a line stays a line.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAMED = 20
"""Names written of a list; a message stays bounded whatever an attempt left."""

_PREFIX = "Gitfleet-"


@dataclass(frozen=True, slots=True)
class Facts:
    """A snapshot's facts.

    ``base`` is the commit that the attempt started from, ``head`` the one that its worktree was at. ``index`` is the
    commit that holds what was staged, ``ignored`` the one that holds the ignored files by themselves; empty for none.
    ``files`` and ``bytes`` count the paths that differ from the base and their content. ``cut`` are ignored files left
    out, ``gap`` what could not be read, ``nested`` repositories inside: of each the first few, and then how many more.
    """

    instance: str = ""
    session: str = ""
    task: str = ""
    attempt: str = ""
    reason: str = ""
    base: str = ""
    head: str = ""
    index: str = ""
    ignored: str = ""
    files: int | None = None
    bytes: int | None = None
    cut: tuple[str, ...] = ()
    gap: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()


def message(facts: Facts) -> str:
    """The commit message."""
    return f"gitfleet: snapshot of {facts.instance} ({_line(facts.reason)})\n\n" + "".join(_trailers(facts))


def parse(text: str) -> Facts:
    """Read a message back; of one that is not ours, nothing is known."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(": ")
        if colon and key.startswith(_PREFIX):
            found.setdefault(key.removeprefix(_PREFIX).lower(), []).append(value)
    values: dict[str, object] = {}
    for name in (field.name for field in fields(Facts)):
        given = found.get(name)
        if given is None:
            continue
        if name in ("cut", "gap", "nested"):
            values[name] = tuple(given)
        elif name in ("files", "bytes"):
            values[name] = int(given[0]) if given[0].isdecimal() else None
        else:
            values[name] = given[0]
    return Facts(**values)  # type: ignore[arg-type]


def named(paths: Iterable[bytes]) -> tuple[str, ...]:
    """Paths for people, bounded."""
    return bounded(quote_path(path) for path in paths)


def bounded(words: Iterable[str]) -> tuple[str, ...]:
    """The first few of a list, and how many more there are."""
    every = [_line(word) for word in words]
    return tuple(every if len(every) <= NAMED else [*every[:NAMED], f"{len(every) - NAMED} more"])


def _trailers(facts: Facts) -> Iterator[str]:
    for field in fields(Facts):
        value = getattr(facts, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if item not in ("", None):
                yield f"{_PREFIX}{field.name.capitalize()}: {_line(str(item))}\n"


def _line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split()) if "\n" in text or "\0" in text or "\r" in text else text

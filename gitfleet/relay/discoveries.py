"""Discoveries: facts pinned to the files they are about, so that they expire when those files change.

A fact about no file never expires here; whoever shows it decides how long it is news.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitfleet.model.handoff import Discoveries, Discovery, PinnedPath
from gitfleet.model.paths import quote_path, unquote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitfleet.model.handoff import Fact
    from gitfleet.model.run import Run

_PINS_LIMIT = 20
# Something with a slash or an extension in a sentence may be a file; only what exists is pinned.
_MENTIONED = re.compile(r"[\w@.\[\]()+-]+(?:/[\w@.\[\]()+-]+)+|[\w-]+\.\w{1,8}")


def pin(run: Run, lookup: Callable[[bytes], str | None]) -> Discoveries:
    """Pin what a run discovered to the blobs of now.

    ``lookup`` gives the blob id of a path in the tree that the facts are about, or ``None``. A named path that does
    not exist is pinned as absent; paths that only the sentence mentions are pinned when they exist.
    """
    facts = run.handoff.discoveries if run.handoff is not None else ()
    found = tuple(
        Discovery(fact=fact.fact, source=run.instance, kind=fact.kind, pins=_pins(fact, lookup)) for fact in facts
    )
    return Discoveries(session=run.session, task=run.task, discoveries=found)


def is_current(discovery: Discovery, lookup: Callable[[bytes], str | None]) -> bool:
    """Whether every file that the fact is about is still what it was; a pin that cannot be read has expired."""
    try:
        return all((lookup(unquote_path(pin.path)) or "") == pin.blob for pin in discovery.pins)
    except ValueError:
        return False


def current(discoveries: Iterable[Discovery], lookup: Callable[[bytes], str | None]) -> tuple[Discovery, ...]:
    """The discoveries that have not expired, in the given order, each fact once."""
    seen: dict[str, Discovery] = {}
    for discovery in discoveries:
        if discovery.fact not in seen and is_current(discovery, lookup):
            seen[discovery.fact] = discovery
    return tuple(seen.values())


def _pins(fact: Fact, lookup: Callable[[bytes], str | None]) -> tuple[PinnedPath, ...]:
    pins: dict[bytes, str] = {}
    for text in fact.paths:
        path = _repository_path(text)
        if path is not None:
            pins[path] = lookup(path) or ""
    if not fact.paths:
        for text in _MENTIONED.findall(fact.fact):
            path = _repository_path(text.rstrip(".,:;)"))
            blob = lookup(path) if path is not None else None
            if path is not None and blob is not None:
                pins[path] = blob
    return tuple(PinnedPath(path=quote_path(path), blob=blob) for path, blob in list(pins.items())[:_PINS_LIMIT])


def _repository_path(text: str) -> bytes | None:
    """The path as git writes it, or ``None`` when it cannot be one of the repository's."""
    try:
        path = unquote_path(text.strip())
    except ValueError:
        return None
    parts = [part for part in path.split(b"/") if part not in {b"", b"."}]
    if not parts or path.startswith(b"/") or b".." in parts or b"\0" in path:
        return None
    return b"/".join(parts)

"""Changing ``config.yaml`` for a person: what they wrote around the change stays, comments included.

Values are set by their place. What comes out is read again before it is returned: a rewrite that would lose a comment
or change anything else is refused rather than written.
"""

from __future__ import annotations

import io
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.config import CONFIG_SCHEMA
from gitfleet.store.documents.emit import emit
from gitfleet.store.documents.reading import read
from gitfleet.store.documents.source import Json, Source, Unreadable, trail_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.config import Config


class Remove(Enum):
    """What a change says to take a key away."""

    KEY = "remove"


REMOVE = Remove.KEY


def edit_config(data: bytes, changes: Mapping[tuple[str, ...], Json | Remove], *, name: str = "config.yaml") -> bytes:
    """Set or remove values by their place, such as ``("verify", "commands")``; comments and order stay.

    Missing mappings on the way are made. Raises ``GitfleetError`` (``invalid-config``) when the document cannot be
    read, a place leads through something that is not a mapping, or the rewrite would lose something.
    """
    before = read(data, name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if isinstance(before, Unreadable):
        raise GitfleetError(Kind.DOCUMENT, "invalid-config", f"{name} cannot be read.", problems=before.problems)
    if before.problems or not isinstance(before.data, dict | None):
        problems = before.problems or [before.problem((), "is not a mapping")]
        raise GitfleetError(Kind.DOCUMENT, "invalid-config", f"{name} cannot be changed as it is.", problems=problems)
    wanted: dict[str, Json] = _copy(before.data or {})
    for place, value in changes.items():
        _apply(wanted, place, value, name)
    if wanted == (before.data or {}):
        return data
    text = _rewrite(data.decode("utf-8-sig"), changes)
    after = read(text, "config.yaml")
    if not isinstance(after, Source) or (after.data or {}) != wanted or _comments(data) - _comments(text):
        raise GitfleetError(
            Kind.DOCUMENT,
            "invalid-config",
            f"{name} cannot be changed without losing something else in it.",
            hint=f"set {', '.join(trail_text(place) for place in changes)} by hand.",
        )
    return text


def write_config(config: Config) -> bytes:
    """Write a config as canonical YAML, which reads back equal; only what differs from the defaults is in it."""
    built = msgspec.to_builtins(config)
    return emit({"schema": CONFIG_SCHEMA, **{key: value for key, value in built.items() if key != "schema"}})


def _rewrite(text: str, changes: Mapping[tuple[str, ...], Json | Remove]) -> bytes:
    from ruamel.yaml import YAML  # noqa: PLC0415 - the round-trip parser is what only a rewrite pays
    from ruamel.yaml.util import load_yaml_guess_indent  # noqa: PLC0415

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    _, indent, offset = load_yaml_guess_indent(text)
    sequence = indent if isinstance(indent, int) and indent >= 2 else 4
    yaml.indent(
        mapping=2, sequence=max(sequence, 2), offset=offset if isinstance(offset, int) else max(sequence - 2, 0)
    )
    document = yaml.load(text)
    head = ""
    if document is None:  # a file of comments only
        head = text if not text or text.endswith("\n") else text + "\n"
        document = {}
    for place, value in changes.items():
        _apply(document, place, value, "")
    out = io.StringIO()
    yaml.dump(document, out)
    return (head + out.getvalue()).encode()


def _apply(document: Any, place: tuple[str, ...], value: Json | Remove, name: str) -> None:  # noqa: ANN401 - ruamel's mapping
    for depth, key in enumerate(place[:-1]):
        if document.get(key) is None:
            if isinstance(value, Remove):
                return
            document[key] = {}
        document = document[key]
        if not isinstance(document, dict):
            msg = f"{trail_text(place[: depth + 1])} in {name} is not a mapping."
            raise GitfleetError(Kind.DOCUMENT, "invalid-config", msg)
    if isinstance(value, Remove):
        document.pop(place[-1], None)
    else:
        document[place[-1]] = value


def _copy(data: dict[str, Json]) -> dict[str, Json]:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in data.items()}


def _comments(data: bytes) -> set[str]:
    """Texts of whole-line comments and of those behind a value, as far as a line shows them."""
    found = set()
    for line in data.decode("utf-8-sig").splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            found.add(bare)
        elif " #" in bare:
            found.add(bare[bare.rindex(" #") :].strip())
    return found

"""JSON Schema 2020-12 of every document, generated from the structs.

``python -m gitfleet.store.documents.schemas [DIRECTORY]`` writes them to ``schemas/``; a test holds the files and the
structs equal. A schema is complete in itself: nothing is fetched and ``$id`` only identifies.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gitfleet.model.descriptions import COMMON_FIELDS
from gitfleet.model.documents import BY_NAME, KINDS

if TYPE_CHECKING:
    from gitfleet.model.documents import DocumentKind

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def schema_of(name: str) -> dict[str, Any]:
    """Return the schema of a registered kind of document; raises ``KeyError`` for another."""
    return _generate(BY_NAME[name])


def schema_bytes(name: str) -> bytes:
    """Return the content of a schema's file."""
    return json.dumps(schema_of(name), indent=2, ensure_ascii=False).encode() + b"\n"


def write_schemas(directory: Path) -> list[Path]:
    """Write every schema below ``directory`` and remove those of kinds that no longer exist; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in KINDS:
        path = directory / kind.file
        path.write_bytes(schema_bytes(kind.name))
        written.append(path)
    for path in directory.glob("*.schema.json"):
        if path not in written:
            path.unlink()
    return written


def _generate(kind: DocumentKind) -> dict[str, Any]:
    _, definitions = msgspec.json.schema_components([kind.struct])
    for definition in definitions.values():
        _describe(definition)
    root = definitions.pop(kind.struct.__name__)
    if kind.people:
        root["required"] = [name for name in root.get("required", []) if name != "schema"]
    if not root.get("required"):
        root.pop("required", None)
    schema = {"$schema": DIALECT, "$id": kind.id, **root, "title": kind.title}
    if kind.examples:
        schema["examples"] = list(kind.examples)
    if definitions:
        schema["$defs"] = definitions
    return schema


def _describe(definition: dict[str, Any]) -> None:
    """Give the fields of a struct the description that they share, where they have none of their own."""
    for name, field in definition.get("properties", {}).items():
        if "description" not in field and name in COMMON_FIELDS:
            field["description"] = COMMON_FIELDS[name]


def main() -> None:
    """Write the schemas to the directory that is named, or to ``schemas``."""
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))


if __name__ == "__main__":
    main()

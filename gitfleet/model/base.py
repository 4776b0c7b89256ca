"""What all documents share: frozen structs, refused unknown fields, one way to write JSON and instants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

PositiveInt = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frozen document or part of one; unknown fields are refused and defaults are not written."""


def encode(document: msgspec.Struct) -> bytes:
    """Write a document as gitfleet writes JSON: two-space indent, declared key order, one fact a line."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode(data: bytes, kind: type[T]) -> T:
    """Read a document; raises ``msgspec.ValidationError`` or ``msgspec.DecodeError`` when it is not one."""
    return msgspec.json.decode(data, type=kind)


def instant(seconds: float) -> str:
    """Write POSIX seconds as an ISO 8601 instant in UTC with milliseconds, such as ``2026-01-02T03:04:05.678Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str) -> float:
    """Read an instant back into POSIX seconds."""
    return datetime.fromisoformat(text).timestamp()

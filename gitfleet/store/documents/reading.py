"""Bytes of a document to data with positions: one way in for every format.

The suffix of the name chooses the format; without a known one the content does. Nothing here knows what the document
should hold.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePath

from gitfleet.errors import Problem
from gitfleet.store.documents.source import BrokenError, Place, Source, Unreadable, unusable

MAX_BYTES = 1 << 20
"""Size of one document that a person writes; a plan of 5,000 tasks stays below it."""


class Format(StrEnum):
    """What a document is written in."""

    YAML = "YAML"
    JSON = "JSON"
    TOML = "TOML"
    MARKDOWN = "Markdown"


_SUFFIXES = {
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".json": Format.JSON,
    ".toml": Format.TOML,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
}
_YAML_TASKS = re.compile(r"^[\"']?(?:tasks|schema|name|direction|defaults)[\"']?\s*:", re.MULTILINE)
_PROSE = frozenset({".md", ".markdown", ".txt"})
_TASKS = re.compile(r"^[\"']?tasks[\"']?\s*:", re.MULTILINE)
_TOML_LINE = re.compile(
    r"^\s*(?:\[\[?[A-Za-z_\"'][^\]\n]*\]\]?\s*(?:#.*)?$|[A-Za-z_][A-Za-z0-9_.-]*\s*=)", re.MULTILINE
)
_MARKDOWN_LINE = re.compile(r"^(?:#{1,2} \S|\|.*\|)", re.MULTILINE)


def format_of(name: str, text: str) -> Format:
    """Choose the format of a document: by its suffix, else by its content."""
    known = _SUFFIXES.get(PurePath(name).suffix.lower())
    if known is not None:
        return known
    if text.lstrip().startswith("{"):
        return Format.JSON
    if re.search(r"^##\s+\S", text, re.MULTILINE) and not re.search(r"^tasks\s*:", text, re.MULTILINE):
        return Format.MARKDOWN
    if _YAML_TASKS.search(text):
        return Format.YAML
    if _TOML_LINE.search(text):
        return Format.TOML
    return Format.MARKDOWN if _MARKDOWN_LINE.search(text) else Format.YAML


def plan_suffixes() -> frozenset[str]:
    """Suffixes of the names of documents that a plan, or the text of a direction, may be in."""
    return frozenset(_SUFFIXES) | _PROSE


def read(data: bytes, name: str, *, markdown: bool = False, limit: int = MAX_BYTES) -> Source | Unreadable:
    """Read a document.

    ``name`` is what messages call it. ``markdown`` says that Markdown is read as a plan. ``limit`` is in bytes. Returns
    the data with its places and every problem that is known already, or the reasons why there is none.
    """
    try:
        text = _text(data, limit)
        source = _parse(format_of(name, text), text, name, markdown=markdown)
    except BrokenError as broken:
        return Unreadable((broken.problem(name),))
    except UnicodeDecodeError as error:
        raw = bytes(error.object)
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        said = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return Unreadable((Problem(name, "", said, "UTF-8 text", "save the file as UTF-8", line, column),))
    source.problems.extend(unusable(source))
    return source


def is_prose(data: bytes, name: str) -> bool:
    """Whether a document of a `.md`, `.markdown` or `.txt` name is free text, with no task in it.

    What is broken is none: it is read as the plan that it looks like, and its problems are told.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in _PROSE:
        return False
    try:
        text = _text(data, MAX_BYTES)
    except (BrokenError, UnicodeDecodeError):
        return False
    kind = format_of(name, text)
    if kind is not Format.MARKDOWN:
        return kind is Format.YAML and not _TASKS.search(text) and bool(text.strip())
    from gitfleet.store.documents.markdown_reader import ProseError, read_markdown  # noqa: PLC0415 - as below

    try:
        read_markdown(text, name)
    except ProseError:
        return bool(text.strip())
    except BrokenError:
        return False
    return False


def _text(data: bytes, limit: int) -> str:
    if len(data) > limit:
        msg = f"the document has {len(data)} bytes"
        raise BrokenError(msg, expected=f"at most {limit}")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    at = text.find("\0")
    if at >= 0:
        raise BrokenError("holds a NUL byte", Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)))
    return text


def _parse(kind: Format, text: str, name: str, *, markdown: bool) -> Source:
    if kind is Format.JSON:
        from gitfleet.store.documents.json_reader import read_json  # noqa: PLC0415 - a reader is loaded when needed

        return read_json(text, name)
    if kind is Format.TOML:
        from gitfleet.store.documents.toml_reader import read_toml  # noqa: PLC0415

        return read_toml(text, name)
    if kind is Format.MARKDOWN and markdown:
        from gitfleet.store.documents.markdown_reader import read_markdown  # noqa: PLC0415

        return read_markdown(text, name)
    if kind is Format.MARKDOWN:
        raise BrokenError("Markdown is read as a plan only", expected="YAML, JSON or TOML")
    from gitfleet.store.documents.yaml_reader import read_yaml  # noqa: PLC0415

    return read_yaml(text, name)

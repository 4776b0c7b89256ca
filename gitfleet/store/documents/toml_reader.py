"""TOML, whose standard parser says where a syntax error is but not where a value stands.

Lines of tables and of keys are found by a scan that follows headers and skips multi-line text. It is best effort: a
value inside an inline table has the place of the key that it belongs to.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib

from gitfleet.store.documents.source import MAX_DEPTH, BrokenError, Json, Place, Source, Trail, walk

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*'))*)\s*=\s*"""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*'""")


def read_toml(text: str, name: str) -> Source:
    """Read TOML text; raises ``BrokenError`` where it is not TOML."""
    try:
        loaded = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _AT.search(str(error))
        place = Place(int(match[1]), int(match[2])) if match and match[1] else None
        said = _AT.sub("", str(error))
        if match and not match[1]:
            said += " at the end of the document"
        msg = f"not valid TOML: {said}"
        raise BrokenError(msg, place) from None
    except RecursionError:
        raise BrokenError("nested too deeply", expected=f"at most {MAX_DEPTH} levels") from None
    except ValueError as error:  # numbers of thousands of digits, dates that no calendar has
        msg = f"not valid TOML: {error}"
        raise BrokenError(msg) from None
    source = Source(name, _plain(loaded, 0))
    source.values[()] = Place(1, 1)
    known = {trail for trail, _ in walk(source.data)}
    for trail, place in _places(text):
        if trail in known:
            source.keys.setdefault(trail, place)
    return source


def _plain(value: object, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise BrokenError("nested too deeply", expected=f"at most {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {str(key): _plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        return value
    msg = f"a value of type {type(value).__name__} is not read"
    raise BrokenError(msg)


def _places(text: str) -> list[tuple[Trail, Place]]:
    found: list[tuple[Trail, Place]] = []
    table: Trail = ()
    counts: dict[Trail, int] = {}
    fence = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if fence:
            fence = "" if fence in line else fence
            continue
        header = _HEADER.match(line)
        if header:
            table = _resolve(_parts(header[2]), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found.append((table, Place(number, line.index("[") + 1)))
            continue
        key = _KEY.match(line)
        if key:
            found.append(((*table, *_parts(key[1])), Place(number, len(line) - len(line.lstrip()) + 1)))
        for quotes in ('"""', "'''"):
            if line.count(quotes) % 2:
                fence = quotes
    return found


def _resolve(parts: list[str], counts: dict[Trail, int]) -> Trail:
    """Find the place that a header names: through arrays of tables it means their last element."""
    trail: Trail = ()
    for position, part in enumerate(parts):
        trail = (*trail, part)
        if position < len(parts) - 1 and trail in counts:
            trail = (*trail, counts[trail])
    return trail


def _parts(dotted: str) -> list[str]:
    return [part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(dotted)]

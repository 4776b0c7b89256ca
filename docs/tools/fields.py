"""Render the reference of what people may write in a plan and a config, from the generated schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gitfleet.model.later import later_fields
from gitfleet.store.documents.schemas import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Fields of a config and of a plan

This page is generated from the schemas by `docs/tools/generate.py`; a test holds the two equal. What the fields are for
is told in the [guide](guide.md). A field that is not listed is refused, with the nearest name that exists.
"""

INTRODUCTIONS = {
    "config": "`.planning/config.yaml`. Every key is optional, and so is the file.",
    "plan": "A plan is YAML, JSON, TOML or Markdown. Only `tasks` and each task's `id` are required, and of "
    "`instructions` and `command` one.",
}

LATER = "Fields that later releases will have. A document that uses one is refused with its name, never read past it:"


def page() -> str:
    """Render the whole page."""
    parts = [HEAD]
    for name in ("config", "plan"):
        schema = schema_of(name)
        rows = "\n".join(f"| `{row[0]}` | {row[1]} | {row[2]} | {row[3]} |" for row in rows_of(schema, schema, ""))
        parts.append(f"## {name.capitalize()}\n\n{INTRODUCTIONS[name]}\n")
        parts.append(f"| field | type | default | what it says |\n|---|---|---|---|\n{rows}\n")
        parts.append(f"{LATER} {', '.join(f'`{field}`' for field in later_fields(name))}.\n")
    return "\n".join(parts)


def rows_of(schema: dict[str, Any], struct: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Give a row for each field of a struct, and below it those of the structs that it holds."""
    required = struct.get("required", [])
    for name, field in struct["properties"].items():
        place = f"{prefix}{name}"
        inner, suffix = _inner(schema, field)
        default = "required" if name in required else _default(field, inner)
        yield place, _type(schema, field), default, field["description"].replace("|", "\\|")
        if inner is not None:
            yield from rows_of(schema, inner, f"{place}{suffix}.")


def _variants(field: dict[str, Any]) -> list[dict[str, Any]]:
    return [variant for variant in field.get("anyOf", [field]) if variant.get("type") != "null"]


def _resolved(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return found


def _inner(schema: dict[str, Any], field: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Find the struct that a field holds, and how its own fields are reached."""
    for variant in _variants(field):
        found = _resolved(schema, variant)
        if "properties" in found:
            return found, ""
        for key, suffix in (("items", "[]"), ("additionalProperties", ".<name>")):
            if isinstance(found.get(key), dict):
                held = _resolved(schema, found[key])
                if "properties" in held:
                    return held, suffix
    return None, ""


def _type(schema: dict[str, Any], field: dict[str, Any]) -> str:
    return " or ".join(_name(schema, variant) for variant in _variants(field))


def _name(schema: dict[str, Any], variant: dict[str, Any]) -> str:
    found = _resolved(schema, variant)
    if "enum" in found:
        return ", ".join(map(_value, found["enum"]))
    match found["type"]:
        case "array":
            held = _resolved(schema, found["items"])
            return "list of mappings" if "properties" in held else f"list of {_plural(schema, held)}"
        case "object":
            return "mapping"
        case "integer" | "number" as kind:
            return f"{'whole number' if kind == 'integer' else 'number'}{_bounds(found)}"
        case "boolean":
            return "true or false"
        case _:
            return "text"


def _plural(schema: dict[str, Any], held: dict[str, Any]) -> str:
    return "texts" if held.get("type") == "string" else _name(schema, held)


def _bounds(found: dict[str, Any]) -> str:
    low, high = found.get("minimum"), found.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", at least {low}"
    return f", more than {found['exclusiveMinimum']}" if "exclusiveMinimum" in found else ""


def _default(field: dict[str, Any], inner: dict[str, Any] | None) -> str:
    value = field.get("default")
    if inner is not None or (not value and not isinstance(value, int)):
        return "-"
    return _value(value)


def _value(value: object) -> str:
    """Write a value as YAML takes it; one with a slash in quotes, since it is no path."""
    return f"`{value if isinstance(value, str) and '/' not in value else json.dumps(value)}`"

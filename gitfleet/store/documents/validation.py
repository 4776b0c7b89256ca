"""Data against its schema: every error, each at its place, in words for people.

jsonschema finds the errors; this module says what they mean: which field was probably meant, which one is not built
yet, what was expected where several shapes are allowed.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gitfleet.model.documents import BY_NAME
from gitfleet.model.later import inner_fields, is_later, is_later_value
from gitfleet.store.documents.reading import read
from gitfleet.store.documents.schemas import schema_of
from gitfleet.store.documents.source import Json, Source, Trail, Unreadable, show, trail_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from gitfleet.errors import Problem

MAX_PROBLEMS = 200
"""More than this many errors of one document help nobody; the rest is counted."""

_MEANT = {
    "depends": "depends_on",
    "dependencies": "depends_on",
    "after": "depends_on",
    "needs": "depends_on",
    "prompt": "instructions",
    "description": "instructions",
    "cmd": "command",
    "run": "command",
    "files": "scope",
    "paths": "scope",
    "writes": "scope",
    "timeout": "timeout_seconds",
    "title": "name",
    "checks": "verify",
}
_FORMS = {
    r"^[a-z0-9][a-z0-9._-]{0,63}$": "at most 64 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first",
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "letters, digits, `.`, `_` and `-`, a letter or digit first",
}
_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def validate(kind: str, data: bytes, name: str) -> list[Problem]:
    """Everything that is wrong with a JSON document of a registered kind; ``name`` is what messages call it.

    Raises ``KeyError`` for a kind that is not registered.
    """
    struct = BY_NAME[kind].struct
    try:
        msgspec.json.decode(data, type=struct)
    except (msgspec.DecodeError, UnicodeDecodeError):
        source = read(data, name if name.endswith(".json") else f"{name}.json", limit=max(len(data), 1))
        if isinstance(source, Unreadable):
            return list(source.problems)
        return problems_of(kind, source) or [source.problem((), "cannot be read", expected=BY_NAME[kind].title)]
    return []


def problems_of(kind: str, source: Source) -> list[Problem]:
    """Everything that is wrong with data of a registered kind, what reading it found included, in document order."""
    found = [*source.problems]
    try:
        # The schema is generated from the struct, and only says where and how what the struct refuses is wrong.
        msgspec.convert(source.data, type=BY_NAME[kind].struct)
    except (msgspec.ValidationError, UnicodeEncodeError) as refusal:
        for error in _validator(kind).iter_errors(source.data):
            found.extend(_explain(kind, source, error))
        if not found:
            half = isinstance(refusal, UnicodeEncodeError)
            found.append(source.problem((), "some text holds half of a surrogate pair" if half else str(refusal)))
    return ordered(found)


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Sort problems by their place, drop repetitions, and cut what no one would read."""
    unique = list(dict.fromkeys(problems))
    unique.sort(key=lambda problem: (problem.line or 0, problem.column or 0))
    return unique[:MAX_PROBLEMS]


@cache
def _validator(kind: str) -> Validator:
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - 98 ms that only what is wrong pays

    # JSON Schema takes 3.0 for a whole number, the structs do not.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    strict = validators.extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    return cast("Validator", strict(schema_of(kind)))


def _explain(kind: str, source: Source, error: ValidationError, outer: Trail = ()) -> Iterator[Problem]:
    trail: Trail = (*outer, *error.relative_path)
    schema: Any = error.schema
    value: Any = error.instance
    if error.validator == "additionalProperties":
        for name in value:
            if name not in schema.get("properties", {}):
                yield from _unknown(kind, source, (*trail, name), value[name], schema["properties"])
    elif error.validator == "required":
        missing = [name for name in schema["required"] if name not in value]
        for name in missing:
            yield source.problem(
                (*trail, name), f"`{name}` is missing", expected=_wanted(schema["properties"].get(name, {}))
            )
    elif error.validator == "anyOf":
        yield from _alternatives(kind, source, error, trail)
    elif error.validator == "type":
        yield _wrong_type(source, trail, value, _kinds(schema))
    elif error.validator in {"enum", "const"}:
        yield _wrong_choice(kind, source, trail, value, schema)
    elif error.validator == "pattern":
        yield source.problem(
            trail,
            f"`{show(value)}` has the wrong form",
            expected=_FORMS.get(schema["pattern"], f"text that matches {schema['pattern']}"),
        )
    else:
        yield _limit(source, trail, error)


def _limit(source: Source, trail: Trail, error: ValidationError) -> Problem:
    validator, bound = str(error.validator), error.validator_value
    if validator in {"minItems", "minLength"}:
        return source.problem(trail, "is empty", expected=f"at least {bound}")
    if validator in _LIMITS:
        return source.problem(trail, f"{error.instance} is out of range", expected=f"{_LIMITS[validator]} {bound}")
    return source.problem(trail, show(error.message, 200))


def _unknown(kind: str, source: Source, trail: Trail, value: Json, known: dict[str, Any]) -> Iterator[Problem]:
    name = str(trail[-1])
    if is_later(kind, trail):
        inner = inner_fields(kind, trail)
        if inner and isinstance(value, dict) and value:
            for field in value:
                if field in inner:
                    yield _not_built(source, (*trail, field))
                else:
                    yield source.problem(
                        (*trail, field), f"unknown field `{show(field)}`", hint=_nearest(field, inner), key=True
                    )
        else:
            yield _not_built(source, trail)
    else:
        yield source.problem(trail, f"unknown field `{show(name)}`", hint=_nearest(name, known), key=True)


def _not_built(source: Source, trail: Trail) -> Problem:
    named = trail_text(trail).split("].")[-1]
    return source.problem(trail, f"`{named}` is not built yet", hint="remove it", key=True)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    meant = _MEANT.get(name.lower())
    near = [meant] if meant in names else difflib.get_close_matches(name.lower(), names, 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(names)}"


def _alternatives(kind: str, source: Source, error: ValidationError, trail: Trail) -> Iterator[Problem]:
    """Explain the alternative whose type fits the value; where none does, say which types would."""
    value: Any = error.instance
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(int(inner.relative_schema_path[0]), []).append(inner)
    for inners in branches.values():
        if not any(inner.validator == "type" and not inner.relative_path for inner in inners):
            for inner in inners:
                yield from _explain(kind, source, inner, trail)
            return
    kinds = [
        name
        for inners in branches.values()
        for inner in inners
        if not inner.relative_path
        for name in _kinds(inner.schema)
    ]
    yield _wrong_type(source, trail, value, kinds)


def _kinds(schema: Any) -> list[str]:  # noqa: ANN401 - a schema is any JSON
    given = schema.get("type", []) if isinstance(schema, dict) else []
    return [given] if isinstance(given, str) else list(given)


def _wanted(schema: dict[str, Any]) -> str:
    return " or ".join(_KINDS[name] for name in _kinds(schema))


def _wrong_type(source: Source, trail: Trail, value: Json, kinds: list[str]) -> Problem:
    wanted = [name for name in dict.fromkeys(kinds) if name != "null"]
    hint = ""
    if "string" in wanted and isinstance(value, bool | int | float):
        hint = "put it in quotes"
    elif "integer" in wanted and isinstance(value, float) and value.is_integer():
        hint = f"write {int(value)}"
    elif wanted == ["array"] and isinstance(value, str):
        hint = "write it as a list"
    elif "boolean" in wanted and isinstance(value, str) and value.lower() in {"yes", "no", "on", "off"}:
        hint = "write true or false"
    return source.problem(
        trail, f"found {_found(value)}", expected=" or ".join(_KINDS[name] for name in wanted), hint=hint
    )


def _found(value: Json) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text `{show(value)}`"
    return f"the value {show(json.dumps(value))}"


def _wrong_choice(kind: str, source: Source, trail: Trail, value: Json, schema: dict[str, Any]) -> Problem:
    choices = [str(choice) for choice in schema.get("enum", [schema.get("const")])]
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str) and is_later_value(kind, trail, value):
        return source.problem(
            trail,
            f"`{trail[-1] if isinstance(trail[-1], str) else trail[-2]}: {show(text)}` is not built yet",
            expected=" or ".join(choices),
        )
    near = difflib.get_close_matches(text.lower(), choices, 1)
    return source.problem(
        trail,
        f"`{show(text)}` is not a choice",
        expected=" or ".join(choices),
        hint=f"did you mean `{near[0]}`?" if near and len(choices) > 1 else "",
    )

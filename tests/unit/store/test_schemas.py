"""``schemas/``: what is generated, what is shipped, and what the examples say are one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from gitfleet.model.documents import KINDS, DocumentKind
from gitfleet.store.documents.schemas import DIALECT, schema_bytes, schema_of, write_schemas
from gitfleet.store.documents.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = Path(__file__).parents[3] / "schemas"
IDS = [kind.name for kind in KINDS]


def structs(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield schema["title"], schema
    yield from schema.get("$defs", {}).items()


def test_the_files_are_what_is_generated(tmp_path: Path) -> None:
    written = {path.name: path.read_bytes() for path in write_schemas(tmp_path)}
    shipped = {path.name: path.read_bytes() for path in SCHEMAS.iterdir()}
    assert shipped == written, "run python -m gitfleet.store.documents.schemas"


def test_a_schema_of_a_kind_that_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "old.schema.json").write_text("{}")
    (tmp_path / "readme.txt").write_text("people's")
    write_schemas(tmp_path)
    assert not (tmp_path / "old.schema.json").exists()
    assert (tmp_path / "readme.txt").exists()


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_a_schema_is_one(kind: DocumentKind) -> None:
    schema = schema_of(kind.name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"https://gitfleet.dev/schemas/{kind.name}.v1.json"
    assert schema["title"]
    assert schema_bytes(kind.name).endswith(b"}\n")


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_everything_is_described_and_nothing_unknown_is_taken(kind: DocumentKind) -> None:
    schema = schema_of(kind.name)
    described = {name for name, struct in structs(schema) if struct.get("description")}
    for name, struct in structs(schema):
        if "enum" in struct:
            continue
        assert struct.get("additionalProperties") is False, name
        assert struct.get("description"), name
        for field, facts in struct["properties"].items():
            named = str(facts.get("$ref", "")).removeprefix("#/$defs/")
            assert facts.get("description") or named in described, f"{name}.{field} has no description"


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_examples_are_valid_and_readable(kind: DocumentKind) -> None:
    schema = schema_of(kind.name)
    for example in kind.examples:
        Draft202012Validator(schema).validate(example)
        assert msgspec.convert(example, type=kind.struct) is not None
        assert validate(kind.name, msgspec.json.encode(example), "x.json") == []


def test_what_people_and_programs_write_has_examples() -> None:
    documents = {"plan", "config", "session", "run", "claim", "discoveries", "momentum", "handoff", "event"}
    assert documents <= {kind.name for kind in KINDS if kind.examples}


def test_people_may_leave_the_schema_key_out_and_programs_may_not() -> None:
    assert "schema" not in schema_of("plan")["required"]
    assert "required" not in schema_of("config")
    assert "schema" in schema_of("run")["required"]


def test_a_wrong_record_is_told_with_its_place() -> None:
    facts = {
        "schema": "gitfleet/run/v1",
        "session": 5,
        "bogus": 1,
        "task": "a",
        "name": "a",
        "wave": 0,
        "state": "lost",
    }
    data = json.dumps(facts, indent=2).encode()
    assert [
        (problem.line, problem.column, problem.path, problem.message) for problem in validate("run", data, "r")
    ] == [
        (3, 14, "session", "found the value 5"),
        (4, 3, "bogus", "unknown field `bogus`"),
        (7, 11, "wave", "0 is out of range"),
    ]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"null", b'{"schema": "gitfleet/claim/v1"}'])
def test_what_is_no_record_has_a_problem(data: bytes) -> None:
    assert validate("run", data, "r.json")


def test_an_unregistered_kind_is_a_defect() -> None:
    with pytest.raises(KeyError):
        validate("nothing", b"{}", "x.json")

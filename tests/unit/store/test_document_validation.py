"""What is right costs no schema: the struct decides, and JSON Schema only explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.store.documents import validation
from gitfleet.store.documents.source import Json, Source

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

RIGHT: dict[str, Json] = {"name": "one", "tasks": [{"id": "a", "command": "true", "scope": ["a.txt"]}]}


@pytest.mark.parametrize(("data", "asked"), [(RIGHT, 0), ({**RIGHT, "nmae": "two"}, 1)])
def test_a_schema_is_made_only_for_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, data: dict[str, Json], asked: int
) -> None:
    made: list[str] = []
    real = validation._validator

    def make(kind: str) -> Validator:
        made.append(kind)
        return real(kind)

    monkeypatch.setattr(validation, "_validator", make)
    problems = validation.problems_of("plan", Source("plan.yaml", data))
    assert (len(made), len(problems)) == (asked, asked)


@pytest.mark.parametrize("field", ["name", "schema"])
def test_half_a_surrogate_pair_is_no_word_of_ours(field: str) -> None:
    found = validation.problems_of("config", Source("config.yaml", {"stall": "\ud800", field: "\ud800"}))
    assert {problem.path for problem in found} >= {"stall"}

"""What is right costs no schema: the struct decides, and JSON Schema only explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.store.documents import validation
from gitfleet.store.documents.reading import read
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


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ("1e6", "found the value 1000000.0", "write 1000000"),
        ("3.0", "found the value 3.0", "write 3"),
        ("2.5", "found the value 2.5", ""),
    ],
)
def test_a_number_with_a_point_is_no_whole_number(data: str, message: str, hint: str) -> None:
    """JSON Schema would take it for one, and what the struct says of it is not for people."""
    text = f"budgets:\n  task:\n    max_tokens: {data}\n"
    source = read(text.encode(), "config.yaml")
    assert isinstance(source, Source)
    (problem,) = validation.problems_of("config", source)
    assert (problem.path, problem.line) == ("budgets.task.max_tokens", 3)
    assert (problem.message, problem.expected, problem.hint) == (message, "a whole number", hint)

"""What is right costs no schema: the struct decides, and JSON Schema only explains."""

from __future__ import annotations

import pytest

from gitfleet.store.documents import validation
from gitfleet.store.documents.source import Source

RIGHT = {"name": "one", "tasks": [{"id": "a", "command": "true", "scope": ["a.txt"]}]}


@pytest.mark.parametrize(("data", "asked"), [(RIGHT, 0), ({**RIGHT, "nmae": "two"}, 1)])
def test_a_schema_is_made_only_for_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, data: dict[str, object], asked: int
) -> None:
    made: list[str] = []
    real = validation._validator
    monkeypatch.setattr(validation, "_validator", lambda kind: (made.append(kind), real(kind))[1])
    problems = validation.problems_of("plan", Source("plan.yaml", data))
    assert (len(made), len(problems)) == (asked, asked)

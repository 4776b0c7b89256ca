"""What is right costs no schema: the struct decides, and JSON Schema only explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.store.documents import validation
from gitfleet.store.documents.source import Source

if TYPE_CHECKING:
    from gitfleet.store.documents.source import Json

RIGHT: dict[str, Json] = {"name": "one", "tasks": [{"id": "a", "command": "true", "scope": ["a.txt"]}]}


@pytest.mark.parametrize(("data", "asked"), [(RIGHT, 0), ({**RIGHT, "nmae": "two"}, 1)])
def test_a_schema_is_made_only_for_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, data: Json, asked: int
) -> None:
    made: list[str] = []
    real = validation._validator

    def validator(kind: str) -> object:
        made.append(kind)
        return real(kind)

    monkeypatch.setattr(validation, "_validator", validator)
    problems = validation.problems_of("plan", Source("plan.yaml", data))
    assert (len(made), len(problems)) == (asked, asked)

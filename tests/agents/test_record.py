"""The record of the matrix has every situation, keeps what was not run again, and names every cell that is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.agents.record import RECORD, gather
from tests.agents.situations import AGENTS, BY_NAME, SITUATIONS

if TYPE_CHECKING:
    from pathlib import Path


def test_the_record_has_every_situation_and_no_other() -> None:
    record = json.loads(RECORD.read_text())

    assert [row["situation"] for row in record["rows"]] == [situation.title for situation in SITUATIONS]
    assert list(record["versions"]) == list(AGENTS)
    assert len(BY_NAME) == len(SITUATIONS) == 17


def test_a_cell_that_was_not_run_is_named_and_keeps_its_record(tmp_path: Path) -> None:
    first = SITUATIONS[0]
    result = {"situation": first.name, "agent": "codex", "outcome": "landed", "rows": "exact", "seconds": 2.5}
    (tmp_path / f"{first.name}.codex.json").write_text(json.dumps(result))
    was = {"outcome": "failed", "rows": "honest"}
    before = {"rows": [{"situation": first.title, "cells": {"claude": was, "codex": was}}]}

    record, left_out = gather(tmp_path, before)

    assert record["rows"][0]["cells"] == {"claude": was, "codex": {"outcome": "landed", "rows": "exact"}}
    assert len(left_out) == len(SITUATIONS) * len(AGENTS) - 1
    assert f"{first.name} with claude" in left_out
    assert f"{first.name} with codex" not in left_out


def test_a_cell_with_a_missing_facility_says_which() -> None:
    for situation in SITUATIONS:
        assert set(situation.missing) <= set(AGENTS)
        assert all(situation.missing.values())
        assert set(situation.other) | set(situation.said) <= set(AGENTS) - set(situation.missing)

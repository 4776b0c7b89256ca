"""Makes the record of the matrix, ``docs/agents-matrix.json``, of the results that a run of its cells left.

A cell that was not run now keeps what the record says of it. ``--check`` writes nothing and fails when a cell was not
run, or came to something else than the record says. `.ci/run` clears the results, runs the cells and then checks; the
table of `docs/agents.md` is generated from the record.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from tests.agents.matrix import RESULTS
from tests.agents.situations import AGENTS, SITUATIONS
from tests.support.agent_clis import NAMES, PINS

if TYPE_CHECKING:
    from pathlib import Path

RECORD = RESULTS.parents[1] / "docs" / "agents-matrix.json"
KEPT = ("outcome", "rows", "missing")


def gather(results: Path, before: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The record of a run over the one ``before``, and the cells that have no result."""
    known = {row["situation"]: row["cells"] for row in before.get("rows", ())}
    rows, left_out = [], []
    for situation in SITUATIONS:
        cells = {}
        for agent in AGENTS:
            path = results / f"{situation.name}.{agent}.json"
            if path.exists():
                result = json.loads(path.read_text())
                cells[agent] = {name: result[name] for name in KEPT if name in result}
            else:
                left_out.append(f"{situation.name} with {agent}")
                if agent in (was := known.get(situation.title, {})):
                    cells[agent] = was[agent]
        rows.append({"situation": situation.title, "cells": cells})
    return {"versions": {agent: PINS[NAMES[agent]] for agent in AGENTS}, "rows": rows}, left_out


def main() -> int:
    """Write the record, or with ``--check`` compare; exit code 1 when a cell is missing or differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.agents.record", description=__doc__)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record, left_out = gather(RESULTS, before)
    for cell in left_out:
        sys.stderr.write(f"not run, or failed: {cell}\n")
    if not asked.check:
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    elif record != before:
        sys.stderr.write(f"{RECORD.name} is stale: run python -m tests.agents.record\n")
        return 1
    return 1 if left_out else 0


if __name__ == "__main__":
    raise SystemExit(main())

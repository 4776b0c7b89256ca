"""The table of `docs/agents.md`: what every agent came to in every situation, from the record of a real run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- matrix -->\n).*?(<!-- end of matrix -->\n)", re.DOTALL)


def cell(found: dict[str, str] | None, notes: dict[str, int]) -> str:
    """One cell: the outcome, and what holds of its usage rows; a facility that is missing becomes a note."""
    if found is None:
        return "not run"
    if "missing" in found:
        return f"n/a ({notes.setdefault(found['missing'], len(notes) + 1)})"
    return f"{found['outcome']}; usage {found['rows']}"


def table(record: dict[str, Any]) -> str:
    """The whole table with its notes."""
    agents, notes = list(record["versions"]), dict[str, int]()
    lines = ["| Situation | " + " | ".join(f"{agent} {record['versions'][agent]}" for agent in agents) + " |"]
    lines.append("|---" * (len(agents) + 1) + "|")
    for row in record["rows"]:
        cells = (cell(row["cells"].get(agent), notes) for agent in agents)
        lines.append(f"| {row['situation']} | " + " | ".join(cells) + " |")
    if notes:
        lines += ["", *(f"{number}. {text}." for text, number in notes.items())]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page with its table made again."""
    record = json.loads((DOCS / "agents-matrix.json").read_text(encoding="utf-8"))
    text = (DOCS / "agents.md").read_text(encoding="utf-8")
    made, count = BLOCK.subn(lambda found: f"{found[1]}\n{table(record)}\n{found[2]}", text)
    assert count == 1, "docs/agents.md has no place for the matrix"
    return made

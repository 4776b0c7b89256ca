"""The work-queue table of a Markdown plan: ``# | Campaign | Scope | Deps | Status | Wave | Agent``.

A row is a task. A ``##`` section whose heading names the row's campaign adds fields and instructions to it; without one
the campaign's text is the instruction. Waves are computed from dependencies and scopes, so the Wave column only decides
who goes first where the order is free; a note says so.
"""

from __future__ import annotations

import difflib
import re

from gitfleet.errors import Problem
from gitfleet.store.documents.markdown_task import Draft, Section, fields_of, identity, put, slug
from gitfleet.store.documents.source import Place, Source, show

_COLUMNS = {
    "#": "#",
    "no": "#",
    "campaign": "campaign",
    "campaign name": "campaign",
    "task": "campaign",
    "id": "campaign",
    "scope": "scope",
    "deps": "deps",
    "dependencies": "deps",
    "depends on": "deps",
    "status": "status",
    "wave": "wave",
    "agent": "agent",
    "agent type": "agent",
    "instructions": "instructions",
    "command": "command",
    "reads": "reads",
}
_RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_CELL = re.compile(r"(?:[^|\\]|\\.)*", re.DOTALL)


def read_table(sections: list[Section], source: Source) -> list[Draft] | None:
    """Read the tasks of the first work-queue table, or ``None`` when the document has no such table."""
    for section in sections:
        for at, (number, line) in enumerate(section.lines[:-1]):
            header = [cell.lower() for cell in _cells(line)]
            if (
                "|" in line
                and "campaign" in {_COLUMNS.get(cell) for cell in header}
                and _RULE.match(section.lines[at + 1][1])
            ):
                columns = _columns(header, number, source)
                rows: list[Draft] = []
                for number, row in section.lines[at + 2 :]:  # noqa: PLW2901 - the row's own line from here on
                    if "|" not in row:
                        break
                    rows.append(_row(columns, row, number, len(rows) + 1, source))
                _number(rows, source)
                _details([other for other in sections if other is not section], rows, source)
                return rows
    return None


def _cells(line: str) -> list[str]:
    """Split a row at its bars; a bar behind a backslash is inside a cell."""
    inner = line.strip().removeprefix("|")
    cells = []
    at = 0
    while at <= len(inner):
        match = _CELL.match(inner, at)
        end = at if match is None else match.end()
        cells.append(inner[at:end].replace("\\|", "|").strip())
        at = end + 1
    return cells[:-1] if len(cells) > 1 and not cells[-1] and line.rstrip().endswith("|") else cells


def _columns(header: list[str], line: int, source: Source) -> list[str]:
    columns = []
    for cell in header:
        known = _COLUMNS.get(cell, "")
        if not known:
            near = difflib.get_close_matches(cell, _COLUMNS, 1)
            hint = f"did you mean `{near[0]}`?" if near else ""
            source.problems.append(
                Problem(
                    source.name,
                    "",
                    f"unknown column `{show(cell)}`",
                    "Campaign, Scope, Deps, Status, Wave, Agent",
                    hint,
                    line,
                )
            )
        columns.append(known)
    if "wave" in columns:
        source.notes.append(
            "the Wave column decides who goes first where the order is free; waves follow from scopes and deps"
        )
    return columns


def _row(columns: list[str], row: str, line: int, position: int, source: Source) -> Draft:
    draft = Draft(line, {}, {}, position if "#" not in columns else None)
    cells = _cells(row)
    if len(cells) > len(columns):
        source.problems.append(
            Problem(
                source.name,
                "",
                f"the row has {len(cells)} cells",
                f"{len(columns)}",
                "write a bar in a cell as \\|",
                line,
            )
        )
    at = 0
    for column, cell in zip(columns, cells, strict=False):
        found = row.find(cell, at) if cell else -1
        at = found if found >= 0 else at
        place = Place(line, at + 1)
        if column == "#":
            draft.number = int(cell) if re.fullmatch(r"[0-9]{1,9}", cell) else None
        elif column == "campaign":
            _, task_id, title = identity(cell)
            draft.label = cell
            put(draft, "id", task_id or f"task-{position}", place, [])
            if title:
                put(draft, "name", title, place, [])
        elif column == "wave" and re.fullmatch(r"[0-9]{1,9}", cell):
            put(draft, "priority", cell, place, [])
        elif column and column != "wave" and cell:
            put(draft, column, cell, place, [])
    draft.fields.setdefault("id", f"task-{position}")
    return draft


def _number(rows: list[Draft], source: Source) -> None:
    seen: dict[int, int] = {}
    for row in rows:
        if row.number is None:
            continue
        if row.number in seen:
            source.problems.append(
                Problem(
                    source.name,
                    "",
                    f"row number {row.number} is given twice, first in line {seen[row.number]}",
                    line=row.line,
                )
            )
        seen.setdefault(row.number, row.line)


def _details(sections: list[Section], rows: list[Draft], source: Source) -> None:
    """Add to each row what the section of its name says; a row without one is its own instruction."""
    by_name = {slug(name): row for row in rows for name in (row.label, str(row.fields["id"]))}
    for section in sections:
        _, task_id, title = identity(section.heading)
        row = by_name.get(task_id) or by_name.get(slug(title))
        if row is None:
            if section.heading:
                source.notes.append(f"the section `{show(section.heading)}` is no row's and is not read")
            continue
        prose = fields_of(section, row, source)
        if prose:
            row.fields["instructions"] = prose
    for row in rows:
        if not row.fields.get("instructions") and not row.fields.get("command"):
            row.fields["instructions"] = str(row.fields.get("name") or row.fields["id"])

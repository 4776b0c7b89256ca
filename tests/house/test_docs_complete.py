"""What the pages list is all there is: a new exit code, event or schema is told to people as well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitfleet.errors import ExitCode
from gitfleet.model.event import EventKind
from gitfleet.model.reports import COMMAND_REPORTS

ROOT = Path(__file__).parents[2]
SCRIPTING = (ROOT / "docs/scripting.md").read_text(encoding="utf-8")


def cells(column: int) -> list[list[str]]:
    """The quoted words of a column of every table row of the page."""
    rows = re.findall(r"^\| (.+) \|$", SCRIPTING, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", row.split(" | ")[column]) for row in rows if " | " in row]


def test_every_exit_code_is_told() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", SCRIPTING, re.MULTILINE)} == set(map(int, ExitCode))


def test_every_event_is_told() -> None:
    told = [word for row in cells(0) for word in row]
    assert [kind.value for kind in EventKind if kind.value not in told] == []


@pytest.mark.parametrize("command", COMMAND_REPORTS)
def test_the_schema_of_every_answer_is_told(command: str) -> None:
    told = {
        name
        for words, names in zip(cells(0), cells(1), strict=True)
        if command in {word.split(" ")[0] for word in words}
        for name in names
        if name.endswith(".schema.json")
    }
    kinds = {str(struct.__struct_config__.tag or "event").split("/")[-2:][0] for struct in COMMAND_REPORTS[command]}
    assert {name.split(".")[0].replace("disclosure", "plan") for name in told} == kinds


def test_every_schema_is_told() -> None:
    files = {path.name for path in (ROOT / "schemas").glob("*.schema.json")}
    assert set(re.findall(r"`([\w-]+\.schema\.json)`", SCRIPTING)) == files


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f"](docs/{page.name})" not in readme]
    assert missing == []


def test_the_guide_shows_what_a_person_needs_after_the_first_wave() -> None:
    guide = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\$ gitfleet (\w+)|`gitfleet (\w+)", guide, re.MULTILINE))
    named = {word for pair in shown for word in pair if word}
    assert {"plan", "wave", "continue", "status", "logs", "inspect", "open", "events", "clean"} <= named
    assert named <= COMMAND_REPORTS.keys()

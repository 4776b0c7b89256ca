"""The documentation is true: links lead somewhere, commands parse, examples load, generated pages are current."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from gitfleet.app.load import load_config, load_plan
from gitfleet.cli.root import GROUP
from gitfleet.model.base import decode
from gitfleet.model.config import Config
from gitfleet.model.handoff import Handoff

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "changelog.d").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{name} links to {target}"


@pytest.mark.parametrize("name", NAMES)
def test_files_of_the_project_that_are_named_exist(name: str) -> None:
    for path in re.findall(r"`((?:gitfleet|tests|docs|bench|bin|schemas|\.ci)/[\w./-]*)`", (ROOT / name).read_text()):
        assert (ROOT / path).exists(), f"{name} names {path}"


@pytest.mark.parametrize("name", NAMES)
def test_commands_parse(name: str) -> None:
    for block in blocks(ROOT / name, "console"):
        for line in re.findall(r"^\$ gitfleet (.+)$", block, re.MULTILINE):
            words = shlex.split(line)
            root = click.Context(GROUP, info_name="gitfleet", **GROUP.context_settings)
            command = GROUP.get_command(root, words[0])
            assert command is not None, line
            with command.make_context(words[0], words[1:], parent=root, resilient_parsing=False):
                pass


def test_examples_of_documents_load() -> None:
    seen = set()
    for page in PAGES:
        for block in blocks(page, "yaml"):
            if "gitfleet/plan/v1" in block:
                config = load_config(b"schema: gitfleet/config/v1\nagents: {x: {argv: [x]}}\nagent: x\n", "config")
                assert load_plan(block.encode(), f"{page.name}.yaml", config).tasks
                seen.add("plan")
            else:
                assert isinstance(load_config(block.encode(), f"{page.name}.yaml"), Config)
                seen.add("config")
        for block in blocks(page, "json"):
            assert decode(block.encode(), Handoff) != Handoff()
            seen.add("handoff")
    assert seen == {"plan", "config", "handoff"}


def test_the_architecture_names_every_package() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    for path in (ROOT / "gitfleet").iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            name = path.stem
            if not name.startswith("__"):
                assert f"| `{name}` |" in page, name


def test_the_architecture_names_every_room_of_a_package_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    told = {name for line in page.splitlines() for name in re.findall(r"^\| (`\w+/.*?) \|", line)}
    rooms = {f"{path.parent.relative_to(ROOT / 'gitfleet')}/" for path in (ROOT / "gitfleet").glob("*/*/__init__.py")}
    assert {name.strip("`") for row in told for name in row.split(", ")} == rooms


def test_the_glossary_has_the_words_of_the_documents() -> None:
    words = set(re.findall(r"^\| (\w+) \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE))
    kinds = {path.name.split(".")[0] for path in (ROOT / "schemas").glob("*.schema.json")}
    for kind in kinds & {"plan", "session", "run", "claim", "handoff", "momentum"}:
        assert kind in words


def test_the_command_line_reference_is_current() -> None:
    sys.path.insert(0, str(ROOT / "docs" / "tools"))
    try:
        from generate import GENERATED  # type: ignore[import-not-found]  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    for name, render in GENERATED.items():
        assert (ROOT / name).read_text() == render(), f"run python docs/tools/generate.py for {name}"


def test_the_example_of_records_is_valid(fleet: FleetEnv) -> None:
    example = ROOT / ".planning-example"
    files = {
        f".planning/{path.relative_to(example)}": path.read_bytes() for path in example.rglob("*") if path.is_file()
    }
    assert len([name for name in files if "/runs/" in name]) >= 7
    repo = fleet.repo(files)

    report = fleet.run("check", "--json", cwd=repo).ok().json

    assert json.dumps(report)


def test_the_first_wave_of_the_readme_lands(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan, _ = (block for block in blocks(ROOT / "README.md", "yaml") if "gitfleet/plan/v1" in block)

    fleet.run("wave", fleet.plan(plan), "--yes", cwd=repo).ok()

    assert (repo / "SUMMARY").read_text().startswith("# Notes\n")
    assert fleet.run("status", cwd=repo).code == 0
    assert fleet.run("continue", cwd=repo).code == 0


def test_the_picture_of_real_agents_is_what_is_said_today(fleet: FleetEnv) -> None:
    """What a person is asked before the wave of the README's real agents, but for the commit and the place."""
    _, plan = (block for block in blocks(ROOT / "README.md", "yaml") if "gitfleet/plan/v1" in block)
    picture = next(block for block in blocks(ROOT / "README.md", "text") if "gitfleet wave agents.yaml" in block)
    fleet.repo()
    (fleet.root / "agents.yaml").write_text(plan)
    said = fleet.run("plan", fleet.root / "agents.yaml").ok().out
    here, there = (
        re.sub(r"(?m)^((?:target|worktrees): +)(\w+ at )?\S+$", r"\1\2", text)
        for text in (said, picture.partition("\n")[2])
    )
    asked = here[: here.index("\n", here.index("reversibility:"))]
    assert there.startswith(asked)

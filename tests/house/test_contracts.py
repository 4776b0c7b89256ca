"""Each layer contract can fail: a copy of the package breaks them on purpose."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# One planted line for each contract, by the name the contract has in pyproject.toml.
BREAKS = {
    "Layers": ("planner/broken.py", "import gitfleet.cli"),
    "No cycles between siblings": ("cli/broken.py", "import gitfleet.cli.broken_too"),
    "One door to pygit2": ("app/broken.py", "import pygit2.enums"),
    "One door to documents and locks": ("app/broken.py", "from ruamel.yaml import YAML"),
    "One door to the terminal": ("app/broken.py", "from rich.console import Console"),
    "One door to processes": ("app/broken.py", "import subprocess"),
    "Pure layers do no I/O": ("planner/broken.py", "import os"),
}
CONTRACTS = {
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


def lint(directory: Path) -> dict[str, str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(re.findall(r"^(.+?) (KEPT|BROKEN)", done.stdout, re.MULTILINE))
    assert verdicts, done.stdout + done.stderr
    return verdicts


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "gitfleet", tmp_path / "gitfleet", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_code_keeps_every_contract(copy: Path) -> None:
    assert lint(copy) == dict.fromkeys(CONTRACTS, "KEPT")


def test_every_contract_has_a_break() -> None:
    assert set(BREAKS) == CONTRACTS


@pytest.mark.parametrize("contract", BREAKS)
def test_an_import_inside_a_function_breaks_the_contract(contract: str, copy: Path) -> None:
    place, statement = BREAKS[contract]
    (copy / "gitfleet" / "cli" / "broken_too.py").write_text("import gitfleet.cli.broken\n")
    (copy / "gitfleet" / "cli" / "broken.py").write_text("")
    (copy / "gitfleet" / place).write_text(f"def late() -> None:\n    {statement}\n")

    assert lint(copy)[contract] == "BROKEN"


def test_a_module_outside_of_the_layers_is_refused(copy: Path) -> None:
    (copy / "gitfleet" / "utils.py").write_text("")

    assert lint(copy)["Layers"] == "BROKEN"

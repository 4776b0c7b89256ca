"""Setting gitfleet up: look at the repository, propose a config with the evidence for each setting, write it.

Nothing is committed and nothing is installed. What is found and not used yet is said, never guessed into a setting.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.app.workspace import CONFIG_NAME
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.worktrees import INSTANCE_FILE, exclude
from gitfleet.model.reports import Evidence, InitReport
from gitfleet.store.files import make_directory, write_durable
from gitfleet.store.live import link_live
from gitfleet.store.locks import worktrees_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.app.workspace import Workspace

AGENT_PROGRAMS = ("claude", "codex", "opencode")
LOCK_FILES = (
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "Cargo.lock",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
)


@dataclass(frozen=True, slots=True)
class Found:
    """A check that the repository seems to have."""

    name: str
    run: str
    because: str


def propose(workspace: Workspace) -> InitReport:
    """Say what ``write`` would write, with the evidence.

    Raises ``GitfleetError`` (``already-initialised``, ``no-worktree``).
    """
    root = workspace.repository.worktree
    if root is None:
        raise GitfleetError(
            Kind.USAGE,
            "no-worktree",
            "A bare repository has no files to keep a config in.",
            hint="Run `gitfleet init` in one of its worktrees.",
        )
    if (root / CONFIG_NAME).exists() or (root / CONFIG_NAME).is_symlink():
        raise GitfleetError(
            Kind.USAGE,
            "already-initialised",
            f"{CONFIG_NAME} exists and is not overwritten.",
            hint="Edit it, and let `gitfleet check` validate it.",
        )
    checks = list(detect(root))
    evidence = tuple(Evidence(setting="verify.commands", value=check.run, because=check.because) for check in checks)
    notes = list(_notes(workspace, root))
    if not checks:
        notes.insert(0, "No checks were found: landings are unverified until verify.commands holds one.")
    return InitReport(config=render(checks), evidence=evidence, notes=tuple(notes))


def write(workspace: Workspace, proposal: InitReport) -> InitReport:
    """Write what was proposed; gives the report with the files that were written."""
    root = workspace.repository.worktree
    assert root is not None  # noqa: S101 - propose refused a bare repository
    written = [CONFIG_NAME]
    make_directory(root / ".planning", mode=0o755)
    write_durable(root / CONFIG_NAME, proposal.config.encode())
    make_directory(workspace.layout.root)
    with worktrees_lock(workspace.layout, command="gitfleet init"):
        exclude(workspace.layout.common_dir, INSTANCE_FILE)
    note = link_live(workspace.layout.state, root, workspace.layout.common_dir / "info" / "exclude")
    notes = (*proposal.notes, note) if note else proposal.notes
    if not note:
        written.append(".planning/live (a link to the state, hidden from git status)")
    return InitReport(written=tuple(written), config=proposal.config, evidence=proposal.evidence, notes=notes)


def detect(root: Path) -> Iterator[Found]:
    """Find the checks of a repository by the files at its root; `make test` only where nothing else was found."""
    found = [check for probe in (_python, _node, _cargo, _go) for check in probe(root)]
    yield from found
    if not found:
        yield from _make(root)


def render(checks: list[Found]) -> str:
    """Write the config with these checks, and the other settings as comments."""
    lines = [
        "# Settings of gitfleet for this repository. Every key is optional; `gitfleet check` validates this file.",
        "schema: gitfleet/config/v1",
        "",
        "# The branch that sessions land on; the current branch unless given.",
        "# target: main",
        "",
        "# Checks that every candidate must pass before it lands, in this order.",
    ]
    if checks:
        lines += ["verify:", "  commands:"]
        for check in checks:
            lines += [f"    - name: {json.dumps(check.name)}", f"      run: {json.dumps(check.run)}"]
    else:
        lines += ["# verify:", "#   commands:", "#     - name: tests", '#       run: "make test"']
    lines += [
        "",
        "waves:",
        "  max_agents: 3  # agents at the same time",
        "  # budget_tokens: 750000  # sum of token hints in one wave",
        "  # overlap: sequence  # or `error`: refuse a plan in which unordered tasks overlap",
        "  # rolling: false  # start a task as soon as it can, without a barrier between waves",
        "",
        "# The agent of tasks that name none: claude, codex, opencode, auto (who is ready), or one of your own below.",
        "# agent: claude",
        "# agents:",
        "#   careful:",
        "#     kind: claude",
        "#     effort: high",
        "#     fallback: [codex]  # who steps in where no account of claude is ready",
        "#   script:",
        "#     kind: command  # {prompt_file}, {worktree}, {task}, {instance} and {handoff_file} are filled in",
        '#     argv: ["./agent.sh", "{prompt_file}"]',
        "",
    ]
    return "\n".join(lines)


def _python(root: Path) -> Iterator[Found]:
    for name in ("pytest.ini", "conftest.py"):
        if (root / name).is_file():
            yield Found("pytest", "pytest -q", f"{name} is there")
            return
    try:
        data = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        data = {}
    if "ruff" in (data.get("tool") or {}):
        yield Found("ruff", "ruff check .", "pyproject.toml has [tool.ruff]")
    if "pytest" in (data.get("tool") or {}):
        yield Found("pytest", "pytest -q", "pyproject.toml has [tool.pytest]")
    elif data and (root / "tests").is_dir() and "pytest" in json.dumps(data, default=str):
        yield Found("pytest", "pytest -q", "pyproject.toml names pytest, and there is tests/")
    elif (root / "tox.ini").is_file():
        yield Found("tox", "tox -q", "tox.ini is there")


def _node(root: Path) -> Iterator[Found]:
    try:
        scripts = json.loads((root / "package.json").read_text(encoding="utf-8")).get("scripts", {})
    except (OSError, ValueError, AttributeError):
        return
    if not isinstance(scripts, dict):
        return
    runner = "npm"
    for lock, name in (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn")):
        if (root / lock).exists():
            runner = name
    for script in ("lint", "test"):
        text = scripts.get(script, "")
        # What `npm init` writes as the test, and what fails on purpose.
        if isinstance(text, str) and text and "no test specified" not in text:
            run = f"{runner} test" if script == "test" else f"{runner} run {script}"
            yield Found(run, run, f"package.json has a `{script}` script")


def _cargo(root: Path) -> Iterator[Found]:
    if (root / "Cargo.toml").is_file():
        yield Found("cargo test", "cargo test --quiet", "Cargo.toml is there")


def _go(root: Path) -> Iterator[Found]:
    if (root / "go.mod").is_file():
        yield Found("go test", "go test ./...", "go.mod is there")


def _make(root: Path) -> Iterator[Found]:
    for name in ("GNUmakefile", "makefile", "Makefile"):
        try:
            text = (root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for target in ("check", "test"):
            if re.search(rf"^{target}\s*:(?!=)", text, re.MULTILINE):
                yield Found(f"make {target}", f"make {target}", f"{name} has the target `{target}`")
                return


def _notes(workspace: Workspace, root: Path) -> Iterator[str]:
    locks = [name for name in LOCK_FILES if (root / name).exists()]
    if locks:
        yield (
            f"{', '.join(locks)}: dependencies are not installed in agents' worktrees; a check that needs them must "
            "install them itself."
        )
    if (root / ".env").exists() and workspace.repository.git.run(
        "check-ignore", "-q", "--", ".env", ok=(0, 1)
    ).code == 0:
        yield ".env is ignored by git, so agents' worktrees do not have it."
    programs = [name for name in AGENT_PROGRAMS if shutil.which(name)]
    if programs:
        yield (
            f"Installed: {', '.join(programs)}. A task with `agent: {programs[0]}` is done by it, with an account that "
            f"`gitfleet accounts connect {programs[0]}` connects."
        )
    else:
        yield f"None of {', '.join(AGENT_PROGRAMS)} is installed; tasks with a `command` need none."

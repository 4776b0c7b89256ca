"""Runs the real Codex by the backend's own launch, against the scripted model, without a session around it."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gitfleet.agents.base import Access, Assignment
from gitfleet.agents.codex import CodexAgent
from gitfleet.agents.transcript import Transcript, read_whole
from gitfleet.model.evidence import Exit
from gitfleet.model.plan import Task
from gitfleet.model.usage import Tokens
from tests.support.model_server import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.model.run import Failure
    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import ModelServer
    from tests.support.model_server.script import Step

KEY = "sk-scripted-0123456789"
QUICK = {"request_max_retries": "1", "stream_max_retries": "1", "stream_idle_timeout_ms": "1500"}
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one run of the program."""

    exit: Exit
    told: Transcript
    failure: Failure | None
    log: bytes

    @property
    def tokens(self) -> Usage:
        """The sum of all that was told of usage."""
        total = Tokens()
        for used in self.told.used.values():
            total = total.plus(used.tokens)
        return Usage(total.input, total.cache_read, total.cache_write, total.output, total.reasoning or 0)

    @property
    def code(self) -> str:
        """The code of the failure; empty for success."""
        return self.failure.code if self.failure else ""


@dataclass(slots=True)
class Codex:
    """A repository with a linked worktree, an account, and a script for the model."""

    fleet: FleetEnv
    server: ModelServer
    clis: Clis
    script: str = "work"
    agent: CodexAgent = field(default_factory=CodexAgent)
    repo: Path = field(init=False)
    tree: Path = field(init=False)
    assignment: Assignment = field(init=False)

    def __post_init__(self) -> None:
        """Make everything but the script."""
        root = self.fleet.root
        self.repo, self.tree = self.fleet.repo(), root / "trees" / "one"
        self.fleet.git("worktree", "add", "-q", "-b", "fleet/s/work", self.tree, cwd=self.repo)
        for name in ("home", "tmp", "codex", "attempt"):
            (root / name).mkdir(exist_ok=True)
        prompt = root / "attempt" / "prompt.md"
        prompt.write_text("Do the work.")
        self.assignment = Assignment(
            task=Task(id="work", scope=("work.txt",)),
            session="s-abcdef",
            instance="fleet-s-abcdef-w1-a1",
            wave=1,
            worktree=self.tree,
            prompt_file=prompt,
            handoff_file=root / "attempt" / "handoff.json",
            port_base=20000,
            git_dirs=(self.repo / ".git" / "worktrees" / "one", self.repo / ".git"),
            access=Access(
                ref="codex",
                home=root / "codex",
                endpoint=self.server.url(self.script),
                secrets={"OPENAI_API_KEY": KEY},
                settings=QUICK,
            ),
        )

    def says(self, *steps: Step) -> Codex:
        """Give the model its script."""
        self.server.script(self.script, *steps)
        return self

    def run(
        self,
        before: Tokens | None = None,
        act: Callable[[subprocess.Popen[bytes]], object] | None = None,
        env: dict[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
        **changed: Any,  # noqa: ANN401 - fields of an assignment
    ) -> Ran:
        """Run the program to its end, with ``act`` once it runs."""
        assignment, root = replace(self.assignment, **changed), self.fleet.root
        launch = self.agent.launch(assignment)
        assert not launch.files
        for path in launch.directories:
            path.mkdir(exist_ok=True)
        known = {
            "PATH": f"{self.clis.codex.parent}{os.pathsep}{self.fleet.environ['PATH']}",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "LANG": "C.UTF-8",
            **{name: os.environ[name] for name in ("GITFLEET_TEST_MARK",) if name in os.environ},
            **{name: value for name, value in self.fleet.environ.items() if name.startswith("GIT_")},
            **(env or {}),
        }
        out, begun = root / "attempt" / "out.log", time.monotonic()
        assert launch.stdin is not None
        with launch.stdin.open("rb") as prompt, out.open("wb") as log:
            process = subprocess.Popen(
                (*wrapper, *launch.argv),
                cwd=assignment.worktree,
                env={**known, **launch.env},
                stdin=prompt,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            if act is not None:
                act(process)
            returned = process.wait(SECONDS)
        ended = Exit(
            code=None if returned < 0 else returned,
            signal=-returned if returned < 0 else None,
            seconds=time.monotonic() - begun,
        )
        data = out.read_bytes()
        reader = self.agent.reader(resumed=bool(assignment.resume), before=before)
        told = read_whole(reader, lambda offset, size: (offset, data[offset : offset + size]))
        return Ran(ended, told, self.agent.outcome(ended, told), data)

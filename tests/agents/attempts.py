"""One attempt of a real agent without a session: started as its backend says, read as its backend reads.

What gitfleet's own environment, warden and books add is left out; the matrix has all of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitfleet.agents.base import Access, Assignment
from gitfleet.agents.transcript import read_whole
from gitfleet.model.evidence import Exit
from gitfleet.model.plan import Task
from gitfleet.model.usage import Tokens
from gitfleet.runtime.environment import temporary_directory
from gitfleet.store.files import write_private
from tests.agents.matrix import usage_of

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.agents.base import Agent
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.run import Failure
    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import Usage

SECONDS = 60.0
KEY = "no-key-at-all"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an attempt."""

    ended: Exit
    told: Transcript
    failure: Failure | None
    log: str

    @property
    def tokens(self) -> Tokens:
        """What its rows add up to."""
        total = Tokens()
        for used in self.told.used.values():
            total = total.plus(used.tokens)
        return total

    @property
    def usage(self) -> Usage:
        """The same, as the model server counts."""
        return usage_of(self.tokens)

    @property
    def exact(self) -> bool:
        """Whether nothing of it says otherwise."""
        return self.told.ended is not None and all(used.exact for used in self.told.used.values())


@dataclass(slots=True)
class Running:
    """An attempt under way."""

    process: subprocess.Popen[bytes]
    agent: Agent
    log: Path
    resumed: bool
    before: Tokens | None

    def finish(self, seconds: float = SECONDS) -> Told:
        """Wait for its end."""
        code = self.process.wait(seconds)
        exit_ = Exit(code=code) if code >= 0 else Exit(signal=-code)
        data = self.log.read_bytes()
        reader = self.agent.reader(resumed=self.resumed, before=self.before)
        assert reader is not None
        told = read_whole(reader, lambda offset, size: (offset, data[offset : offset + size]))
        return Told(exit_, told, self.agent.outcome(exit_, told), data.decode())


@dataclass(slots=True)
class Attempts:
    """A repository with a worktree, and an account on the scripted model."""

    fleet: FleetEnv
    clis: Clis
    home: Path = field(init=False)
    tree: Path = field(init=False)
    account: Path = field(init=False)
    _number: int = 0
    _made: list[Path] = field(default_factory=list)
    _begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make them."""
        self.home, self.tree = self.fleet.root / "person", self.fleet.root / "tree"
        self.account = self.fleet.root / "account"
        self.home.mkdir()
        self.account.mkdir()
        self.fleet.git("worktree", "add", "-q", "-b", "work", self.tree, cwd=self.fleet.repo())

    def begin(
        self,
        agent: Agent,
        url: str,
        *,
        prompt: str = "Do the work.",
        key: str = KEY,
        before: Tokens | None = None,
        settings: dict[str, str] | None = None,
        **facts: Any,  # noqa: ANN401 - as the fields are
    ) -> Running:
        """Start an attempt; ``facts`` are fields of its assignment."""
        self._number += 1
        directory = self.fleet.root / f"attempt {self._number}"
        directory.mkdir()
        (directory / "prompt.md").write_text(prompt)
        access = Access(
            ref=agent.name,
            home=self.account,
            endpoint=url,
            secrets={"ANTHROPIC_API_KEY": key} if key else {},
            settings=settings or {},
        )
        known: dict[str, Any] = {
            "task": Task(id="work", instructions=prompt),
            "session": "s-abcdef",
            "instance": "fleet-s-abcdef-w1-a1",
            "wave": 1,
            "worktree": self.tree,
            "prompt_file": directory / "prompt.md",
            "handoff_file": directory / "handoff.json",
            "port_base": 20000,
            "access": access,
        }
        assignment = Assignment(**{**known, **facts})
        launch = agent.launch(assignment)
        for path, data in launch.files.items():
            write_private(path, data)
        temporary = temporary_directory(directory)
        temporary.mkdir(exist_ok=True)
        self._made.append(temporary)
        env = {
            "PATH": f"{self.clis.claude.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "GITFLEET_HANDOFF": str(assignment.handoff_file),
            **{name: os.environ[name] for name in ("GITFLEET_TEST_MARK",) if name in os.environ},
            **launch.env,
        }
        assert launch.stdin is not None
        with launch.stdin.open("rb") as given, (directory / "out.log").open("wb") as log:
            process = subprocess.Popen(
                launch.argv, cwd=self.tree, env=env, stdin=given, stdout=log, stderr=log, start_new_session=True
            )
        self._begun.append(process)
        return Running(process, agent, directory / "out.log", bool(assignment.resume), before)

    def close(self) -> None:
        """End what is left and remove what was made outside of the test's directory."""

        for process in self._begun:
            if process.poll() is None:
                process.kill()
                process.wait()
        for path in self._made:
            shutil.rmtree(path, ignore_errors=True)

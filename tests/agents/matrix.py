"""Puts a real agent into a situation: a repository, an account on the scripted model, and gitfleet's own command line.

Each cell has a state directory, a model server and a repository of its own, so cells run in parallel. What a cell
came to is written to a file of its own below ``build/agents``; ``tests.agents.record`` makes the table of them.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from gitfleet.model.base import decode
from gitfleet.model.run import RunState
from gitfleet.model.usage import Tokens, Truth, UsageRows
from tests.agents.situations import FILE, TEXT, Act, Rows
from tests.support.model_server import Usage, UsageLimit
from tests.support.sessions import common_dir, config_of, plan_of, state_runs

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from gitfleet.model.run import Run
    from tests.agents.situations import Expected, Situation
    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv, Outcome
    from tests.support.model_server import ModelServer

RESULTS = Path(__file__).parents[2] / "build" / "agents"
SECONDS = 90.0
LIMIT_SECONDS = 12
"""How long a scripted limit lasts: longer than an agent takes to start and to give up."""
KEY = "TESTS_MODEL_KEY"
VALUE = "sk-ant-oat01-no-token-at-all"
"""Begins as a token of a claude subscription: with a plain key that program does not say when a limit ends."""
TASK = "work"

# The vendors' own settings that make their retries short, as the account's owner would set them.
SETTINGS = {
    "claude": {"CLAUDE_CODE_MAX_RETRIES": "1"},
    "codex": {},
    "opencode": {},
}


@dataclass(slots=True)
class Cell:
    """One agent in one situation."""

    situation: Situation
    agent: str
    fleet: FleetEnv
    server: ModelServer
    clis: Clis
    repo: Path = field(init=False)
    plan: Path = field(init=False)
    _script: str = "cell"

    def prepare(self) -> None:
        """Make the repository, the plan and the account."""
        settings = SETTINGS[self.agent]
        surround(self.fleet, self.clis, settings)
        self.repo = self.fleet.repo()
        config: dict[str, object] = {
            "agent": self.agent,
            "agents": {self.agent: {"kind": self.agent, "env": {"allow": sorted(settings)}}},
            "retry": {"max_attempts": 1},
            **self.situation.config,
        }
        self.fleet.config(self.repo, config_of(**config))  # type: ignore[arg-type]
        task = {"id": TASK, "instructions": "Do the work.", "scope": [FILE], **self.situation.task}
        self.plan = self.fleet.plan(plan_of(task))
        self.server.script(self._script, *self.situation.script(self.agent))
        connect(self.fleet, self.agent, self.server.url(self._script))

    def play(self) -> Outcome:
        """Run the session and do what is done from outside; the last command's outcome."""
        match self.situation.act:
            case Act.NOTHING:
                return self.fleet.run("wave", self.plan, "--yes", seconds=SECONDS)
            case Act.LIMIT:
                resets = int(time.time()) + LIMIT_SECONDS
                self.server.script(self._script, UsageLimit(resets), *self.situation.script(self.agent))
                ended = self.fleet.run("wave", self.plan, "--yes", seconds=SECONDS)
                assert time.time() >= resets
                return ended
            case Act.INTERRUPT:
                wave = self._working()
                self.fleet.run("interrupt", TASK).ok()
                return self.fleet.finish(wave, SECONDS)
            case Act.STOP:
                wave = self._working()
                self.fleet.run("stop").ok()
                assert self.processes() == []
                return self.fleet.finish(wave, SECONDS)
            case Act.CRASH:
                wave = self._working()
                wave.kill()
                self.fleet.finish(wave)
                (self.fleet.root / "go").touch()
                return self.fleet.run("continue", seconds=SECONDS)
            case Act.RESTART:
                wave = self._working()
                self.fleet.run("stop").ok()
                self.fleet.finish(wave, SECONDS).ok(130)
                (self.fleet.root / "go").touch()
                ended = self.fleet.run("continue", seconds=SECONDS)
                one, other = self.run().attempts
                assert one.cli_session == other.cli_session != ""
                return ended

    def _working(self) -> subprocess.Popen[str]:
        """Start the session and wait until the agent's tool runs."""
        wave = self.fleet.start("wave", self.plan, "--yes")
        until(lambda: list(self.fleet.root.glob(f"repo.fleet/*/{FILE}")) or wave.poll() is not None, "no tool ran")
        if wave.poll() is not None:
            self.fleet.finish(wave).ok(-1)  # shows what it said
        return wave

    def run(self) -> Run:
        """The run of the one task."""
        return state_runs(self.fleet, self.repo)[TASK]

    def check(self, ended: Outcome) -> dict[str, object]:
        """Hold everything against what is expected; gives the cell's result."""
        expected = self.situation.expects(self.agent)
        ended.ok(expected.exit)
        assert self.processes() == []
        run = self.run()
        assert (run.state, run.failure.code if run.failure else "") == (expected.state, expected.code), run.failure
        if expected.first:
            assert run.attempts[0].outcome == expected.first, run.attempts[0]
        self._check_work(expected, run)
        truth = self._check_rows(expected, run)
        return {
            "situation": self.situation.name,
            "agent": self.agent,
            "outcome": expected.text,
            "rows": expected.rows.value,
            "told": truth.value,
        }

    def _check_work(self, expected: Expected, run: Run) -> None:
        landed = self.fleet.git("ls-tree", "--name-only", "main", "--", FILE, cwd=self.repo) == FILE
        assert landed == (expected.state == RunState.LANDED)
        if landed:
            assert self.fleet.git("show", f"main:{FILE}", cwd=self.repo) + "\n" == TEXT
            assert run.merge is not None
        if expected.said:
            assert run.handoff is not None
            assert run.handoff.built == (expected.said,)
            assert run.handoff_source == expected.handoff
        if self.situation.act is Act.STOP:
            assert any(attempt.snapshots for attempt in run.attempts), run.attempts

    def _check_rows(self, expected: Expected, run: Run) -> Truth:
        """Hold the usage rows against the server's own count."""
        files = sorted((common_dir(self.fleet, self.repo) / "gitfleet/state/usage").rglob("*.json"))
        found = [decode(path.read_bytes(), UsageRows) for path in files]
        assert len(found) == len([attempt for attempt in run.attempts if attempt.ended])
        rows = [row for one in found for row in one.rows]
        assert len({row.key for row in rows}) == len(rows)
        counted = sum((usage_of(row.tokens) for row in rows), Usage())
        server = self.server.usage(self._script)
        exact = all(one.truth is Truth.EXACT for one in found)
        if exact or expected.rows is Rows.TOLD:
            assert counted == server, rows
        else:
            assert expected.rows is Rows.HONEST, rows
            assert all(one <= other for one, other in zip(astuple(counted), astuple(server), strict=True)), rows
        return Truth.EXACT if exact else Truth.NOT_MEASURED

    def processes(self) -> list[str]:
        """The living processes that work in a worktree of this cell: agents, their tools, and what those started."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(
                    self.fleet.root.resolve() / "repo.fleet"
                ):
                    found.append(" ".join(process.cmdline())[:200])
            except (psutil.Error, OSError):
                continue
        return found


def surround(fleet: FleetEnv, clis: Clis, settings: Mapping[str, str]) -> None:
    """Give gitfleet the agents' programs, a state directory of the test's own, and a key that opens nothing."""
    path = f"{clis.claude.parent}{os.pathsep}{fleet.environ['PATH']}"
    state = str(fleet.root / "state")
    fleet.variables.update({"PATH": path, "XDG_STATE_HOME": state, KEY: VALUE, **settings})


def connect(fleet: FleetEnv, agent: str, endpoint: str) -> None:
    """Connect an account that reaches the scripted model and nothing else."""
    fleet.run("accounts", "connect", agent, "--api-key-env", KEY, "--endpoint", endpoint).ok()


def usage_of(tokens: Tokens) -> Usage:
    return Usage(
        input=tokens.input,
        cache_read=tokens.cache_read,
        cache_write=tokens.cache_write,
        output=tokens.output,
        reasoning=tokens.reasoning or 0,
    )


def until(holds: Callable[[], object], otherwise: str, seconds: float = SECONDS) -> None:
    """Look again and again until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


def result_file(situation: str, agent: str) -> Path:
    """Where a cell writes what it came to."""
    return RESULTS / f"{situation}.{agent}.json"


def write_result(result: dict[str, object]) -> None:
    """Write what a cell came to."""
    path = result_file(str(result["situation"]), str(result["agent"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")

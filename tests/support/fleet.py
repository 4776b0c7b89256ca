"""Whole sessions with real processes: a directory of its own, real repositories, and the real command line.

``FleetEnv.run`` is what a person types; its ``Outcome`` is what they see. Nothing is patched and nothing is mocked.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.warm import STARTUP, keeper, startup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.warm import Warm

ROOT = Path(__file__).parents[2]
SECONDS = 60.0

# What tests of the suite itself may pass on to the commands they start; all else is set here.
INHERITED = ("PATH", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
MEASURING = ("GITFLEET_TEST_MARK", "COVERAGE_PROCESS_START", "COVERAGE_FILE", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left a person with: its exit code and what it printed."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str
    root: Path

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document; each test knows its shape
        """Standard output as the one document that ``--json`` promises."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """Both outputs with paths, session ids, commits and times made equal from run to run."""
        return normalise(self.out + self.err, self.root)

    def ok(self, code: int = 0) -> Outcome:
        """This outcome, after checking its exit code; shows everything when it is another one."""
        assert self.code == code, f"{' '.join(self.args)}: exit {self.code}\n{self.out}\n{self.err}"
        return self


def normalise(text: str, root: Path) -> str:
    """Replace what differs from run to run."""
    text = text.replace(str(root.resolve()), "<tmp>").replace(str(root), "<tmp>")
    text = re.sub(r"\b([a-z0-9][a-z0-9-]*)-[a-z2-7]{6}(?=-w\d|\b/| wave)", r"\1-<id>", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "<commit>", text)
    return re.sub(r"\b\d+(\.\d+)? ?(ms|s)\b", "<time>", text)


class SyncPoint:
    """A named place at which a scripted agent waits for the test, without polling and without sleeping."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make the two pipes; the test holds both open so that neither side blocks on opening."""
        self.name = name
        self._arrived, self._go = directory / f"{name}.arrived", directory / f"{name}.go"
        for pipe in (self._arrived, self._go):
            os.mkfifo(pipe)
        self._arrived_fd = os.open(self._arrived, os.O_RDWR)
        self._go_fd = os.open(self._go, os.O_RDWR)

    @property
    def shell(self) -> str:
        """The line of an agent's script that arrives here and waits for ``release``."""
        return f"echo {self.name} >'{self._arrived}'; read -r _ <'{self._go}'"

    def wait(self, seconds: float = SECONDS) -> None:
        """Wait until an agent is here."""
        ready, _, _ = select.select([self._arrived_fd], [], [], seconds)
        assert ready, f"no agent arrived at {self.name} within {seconds} s"
        os.read(self._arrived_fd, 4096)

    def release(self) -> None:
        """Let the agent that is here, or the next one to come, go on."""
        os.write(self._go_fd, b"go\n")

    def close(self) -> None:
        """Give the pipes back."""
        os.close(self._arrived_fd)
        os.close(self._go_fd)


@dataclass
class FleetEnv:
    """A directory with repositories, plans and sync points of one test."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ()
    """What stands before every command line of gitfleet's: see ``tests.support.lowered``."""
    program: tuple[str, ...] = ("-m", "gitfleet")
    """What Python runs; a test may let something stand in that becomes gitfleet."""
    _points: list[SyncPoint] = field(default_factory=list)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every command: a person's, without anything of theirs."""
        kept = {name: os.environ[name] for name in (*INHERITED, *MEASURING) if name in os.environ}
        return {
            **kept,
            **STARTUP,
            "TERM": "dumb",
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": str(ROOT),
            # Where accounts would lie: of one test alone.
            "XDG_STATE_HOME": str(self.root / "state"),
            **self.variables,
        }

    def repo(self, files: Mapping[str, str | bytes] | None = None, name: str = "repo") -> Path:
        """A repository on branch main with one commit of these files and an identity of its own."""
        path = self.root / name
        path.mkdir()
        self.git("init", "-q", "-b", "main", cwd=path)
        self.identify(path)
        write(path, files or {"README.md": "A project.\n"})
        self.git("add", "-A", cwd=path)
        self.git("commit", "-q", "--allow-empty", "-m", "Begin", cwd=path)
        return path

    def identify(self, repo: Path) -> None:
        """Give a repository an identity that agents see too, since only its own config reaches them."""
        self.git("config", "user.name", "Ada Example", cwd=repo)
        self.git("config", "user.email", "ada@example.org", cwd=repo)

    def plan(self, text: str, name: str = "plan.yaml") -> Path:
        """A plan beside the repositories, so that it is no file of theirs."""
        path = self.root / name
        path.write_text(text)
        return path

    def config(self, repo: Path, text: str) -> None:
        """Commit a config to a repository."""
        write(repo, {".planning/config.yaml": text})
        self.git("add", ".planning/config.yaml", cwd=repo)
        self.git("commit", "-q", "-m", "Configure gitfleet", cwd=repo)

    def argv(self, *args: str | Path) -> list[str]:
        """The command line that runs gitfleet as this test suite's Python sees it."""
        return [*self.launcher, sys.executable, *self.program, *map(str, args)]

    def run(self, *args: str | Path, cwd: Path | None = None, stdin: str = "", seconds: float = SECONDS) -> Outcome:
        """Run gitfleet to its end in ``cwd`` (the repository ``repo`` unless given)."""
        environ, place = self.environ, cwd or self.root / "repo"
        warm = self._warm(environ)
        if warm is not None:
            words = [*self.program[2:], *map(str, args)]
            done = warm.run(self.program[1], words, cwd=place, env=environ, stdin=stdin, seconds=seconds)
        else:
            done = subprocess.run(
                self.argv(*args),
                cwd=place,
                env=environ,
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        return Outcome(tuple(map(str, args)), done.returncode, done.stdout, done.stderr, self.root)

    def _warm(self, environ: Mapping[str, str]) -> Warm | None:
        """The keeper of commands of this process, where one would do what a command does that is started plainly."""
        if self.launcher or self.program[0] != "-m" or startup(environ) != {**STARTUP, "PYTHONPATH": str(ROOT)}:
            return None
        return keeper(ROOT)

    def start(
        self, *args: str | Path, cwd: Path | None = None, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start gitfleet and leave it running; ``finish`` waits for it."""
        process = subprocess.Popen(
            self.argv(*args),
            cwd=cwd or self.root / "repo",
            env=self.environ,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], seconds: float = SECONDS) -> Outcome:
        """Wait for a started command."""
        out, err = process.communicate(timeout=seconds)
        self._running.remove(process)
        assert isinstance(process.args, list)
        return Outcome(tuple(map(str, process.args[len(self.argv()) :])), process.returncode, out, err, self.root)

    def point(self, name: str) -> SyncPoint:
        """A named sync point of this test."""
        point = SyncPoint(self.root, name)
        self._points.append(point)
        return point

    def git(self, *args: str | Path, cwd: Path | None = None, ok: tuple[int, ...] = (0,)) -> str:
        """Run git as the person does; the output without its last newline."""
        done = self.git_raw(*args, cwd=cwd)
        assert done.returncode in ok, f"git {args}: exit {done.returncode}\n{done.stderr.decode()}"
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def git_raw(self, *args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run git as the person does, for exit codes and bytes."""
        return subprocess.run(
            ["git", *map(str, args)], cwd=cwd or self.root / "repo", env=self.environ, capture_output=True, check=False
        )

    def shell(self, script: str, cwd: Path) -> None:
        """Run a person's shell script."""
        subprocess.run(["sh", "-c", script], cwd=cwd, env=self.environ, check=True)

    def close(self) -> None:
        """End what the test left waiting, so that the guards see only what gitfleet left."""
        for point in self._points:
            for _ in range(4):
                point.release()
        for process in self._running:
            process.terminate()
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        for point in self._points:
            point.close()


def write(directory: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a directory."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def records(repo: Path, pattern: str) -> Iterator[Any]:
    """The JSON records below ``.planning`` in a checkout."""
    for path in sorted((repo / ".planning").glob(pattern)):
        yield json.loads(path.read_text())

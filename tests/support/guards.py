"""What holds for every test: nothing outlives it, and nothing of the person who runs it is touched.

A pytest plugin. Each worker gets a home of its own, empty, and a mark in its environment that every process it starts
inherits. After each test (fixtures torn down) the guards look for: a file in a home, a changed environment, a process
that still carries the mark, a worktree left in a pool. A finding is an error of the test that caused it.

Not promised: a process that cleared its environment *and* works outside of the test's directories is not seen.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

MARK = "GITFLEET_TEST_MARK"
GRACE_SECONDS = 3.0  # a warden that wrote its last file may need a moment to leave a busy machine

EXEC_SECONDS = 0.02

# Names in a home that git or gitfleet could write; watched in the person's real home, which other programs use too.
WATCHED = (
    ".gitconfig",
    ".gitfleet",
    ".config/git",
    ".config/gitfleet",
    ".cache/gitfleet",
    ".local/share/gitfleet",
    ".local/state/gitfleet",
)
# pytest and its timeout plugin write these themselves.
VOLATILE = frozenset({"PYTEST_CURRENT_TEST", "PYTEST_VERSION"})


@dataclass(frozen=True, slots=True)
class Before:
    """What was true when a test began."""

    environ: dict[str, str]
    directory: str
    pids: frozenset[int]
    home: tuple[tuple[str, int], ...]


def watch(home: Path) -> tuple[tuple[str, int], ...]:
    """The watched names in the person's home that exist, with their times of change in nanoseconds."""
    found = []
    for name in WATCHED:
        try:
            found.append((name, (home / name).lstat().st_mtime_ns))
        except OSError:
            continue
    return tuple(found)


def is_marked(process: psutil.Process, mark: str, below: Sequence[Path]) -> bool:
    """Whether a process is ours: it inherited the mark, or it works below one of our directories."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return False
        # Between exec's closing of files, for which the parent waits, and its end a process shows no environment yet.
        environ = process.environ()
        if not environ:
            time.sleep(EXEC_SECONDS)
            environ = process.environ()
        if environ.get(MARK) == mark:
            return True
        directory = Path(process.cwd())
        return any(directory.is_relative_to(root) for root in below)
    except (psutil.Error, OSError):
        return False  # it ended while we looked, or belongs to somebody else


def leftovers(pids: Iterable[int], mark: str, below: Sequence[Path]) -> list[psutil.Process]:
    """The processes of this worker among ``pids``."""
    found = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
        except psutil.Error:
            continue
        if is_marked(process, mark, below):
            found.append(process)
    return found


def describe(process: psutil.Process) -> str:
    """One process for a message."""
    try:
        return f"{process.pid}: {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid}: (ended meanwhile)"


def worktrees_in_pools(directory: Path) -> list[Path]:
    """Worktrees in a pool (`<repository>.fleet`) up to three levels below a directory, but for slots that are free."""
    found: list[Path] = []
    for pattern in ("*.fleet", "*/*.fleet", "*/*/*.fleet"):
        for pool in directory.glob(pattern):
            found += [tree.parent for tree in pool.glob("*/.git") if not is_free_slot(tree.parent)]
    return found


def is_free_slot(tree: Path) -> bool:
    """Whether a tree is one of the pool that waits for its next attempt: no lease names it."""
    if not re.fullmatch(r"tree-\d+", tree.name):
        return False
    try:
        common = Path((tree / ".git").read_text().removeprefix("gitdir: ").rstrip("\n")).parents[1]
    except OSError:
        return False
    return common.is_dir() and not (common / "gitfleet" / "pool" / f"{tree.name}.json").exists()


class Guards:
    """The plugin; one per worker."""

    def __init__(self, real_home: Path) -> None:
        """Make the worker's own home and put it, with the mark, into the environment."""
        self.real_home = real_home
        self.mark = uuid.uuid4().hex
        self.root = Path(tempfile.mkdtemp(prefix="gitfleet-tests-")).resolve()
        self.home = self.root / "home"
        self.home.mkdir()
        self._before: Before | None = None
        os.environ.update(self.variables())
        for name in [name for name in os.environ if name.startswith("XDG_")]:
            if name not in self.variables():
                del os.environ[name]

    def variables(self) -> Mapping[str, str]:
        """What the environment of every test holds."""
        return {
            MARK: self.mark,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def begin(self) -> None:
        """Remember how things are."""
        self._before = Before(
            environ={name: value for name, value in os.environ.items() if name not in VOLATILE},
            directory=str(Path.cwd()),
            pids=frozenset(psutil.pids()),
            home=watch(self.real_home),
        )

    def end(self, directory: Path | None, *, keeps_worktrees: bool) -> None:
        """Compare, put right what can be put right, and fail with everything that was found."""
        before = self._before
        assert before is not None
        findings = [
            *self._environment(before),
            *self._homes(before),
            *self._processes(before, (self.root, directory.resolve()) if directory else (self.root,)),
        ]
        if directory is not None and not keeps_worktrees:
            findings += [f"a worktree is left in a pool: {tree}" for tree in worktrees_in_pools(directory)]
        if findings:
            pytest.fail("the test left something behind:\n- " + "\n- ".join(findings), pytrace=False)

    def _environment(self, before: Before) -> list[str]:
        now = {name: value for name, value in os.environ.items() if name not in VOLATILE}
        findings = []
        for name in sorted(now.keys() | before.environ.keys()):
            if now.get(name) != before.environ.get(name):
                findings.append(f"environ[{name!r}]: {before.environ.get(name)!r} became {now.get(name)!r}")
                if name in before.environ:
                    os.environ[name] = before.environ[name]
                else:
                    del os.environ[name]
        if str(Path.cwd()) != before.directory:
            findings.append(f"the working directory became {Path.cwd()}")
            os.chdir(before.directory)
        return findings

    def _homes(self, before: Before) -> list[str]:
        findings = []
        for entry in sorted(self.home.iterdir()):
            findings.append(f"~/{entry.name} was written")
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if (now := watch(self.real_home)) != before.home:
            findings.append(f"the real home {self.real_home} changed: {before.home} became {now}")
        return findings

    def _processes(self, before: Before, below: Sequence[Path]) -> list[str]:
        new = set(psutil.pids()) - before.pids
        deadline = time.monotonic() + GRACE_SECONDS
        while found := leftovers(new, self.mark, below):
            if time.monotonic() > deadline:
                findings = [f"a process still runs: {describe(process)}" for process in found]
                for process in found:
                    process.kill()
                return findings
            time.sleep(0.01)
        return []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Remember before any fixture runs."""
        del item
        self.begin()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Compare after the last fixture of the test is gone."""
        arguments: Mapping[str, object] = getattr(item, "funcargs", {}) or {}
        directory = arguments.get("tmp_path")
        yield
        self.end(
            directory if isinstance(directory, Path) else None,
            keeps_worktrees=item.get_closest_marker("leaves_worktrees") is not None,
        )

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        """Take the worker's directory away."""
        shutil.rmtree(self.root, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    """Install the guards once per worker, with temporary directories below the worker's own."""
    if not config.pluginmanager.has_plugin("gitfleet-guards"):
        real_home = Path(pwd.getpwuid(os.getuid()).pw_dir)
        config.pluginmanager.register(Guards(real_home), "gitfleet-guards")

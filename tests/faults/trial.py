"""One session that something happens to: the same three tasks, a moment, and what must be true afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    merge_commits,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.fleet import FleetEnv, Outcome, SyncPoint

SLOW = pytest.mark.slow
BEFORE: Final = "before"
AGENTS: Final = "agents"
CHECK: Final = "check"
CONTINUE: Final = "continue"
"""Moments: before the session, when both agents did their work, while the candidate is checked, after a kill."""

LOOKS = (["status"], ["claims"], ["events"], ["doctor"], ["clean", "--dry-run"])
LANDED = {"a": "landed", "b": "landed", "c": "landed"}


@dataclass
class Trial:
    """A repository with a session of three tasks in two waves, of which the first leaves its work uncommitted."""

    fleet: FleetEnv
    moment: str
    config: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=lambda: {"README.md": "A project.\n"})
    repo: Path = field(init=False)
    one: SyncPoint = field(init=False)
    two: SyncPoint = field(init=False)
    checking: SyncPoint = field(init=False)

    def __post_init__(self) -> None:
        """Make the repository, its config and the plan."""
        self.one, self.two = self.fleet.point("one"), self.fleet.point("two")
        self.checking = self.fleet.point("checking")
        self.repo = self.fleet.repo(self.files)
        check = self.checking.shell if self.moment == CHECK else "true"
        self.fleet.config(self.repo, config_of([check], **self.config))
        waits = self.moment in {AGENTS, CONTINUE}
        one, two = (self.one.shell, self.two.shell) if waits else ("true", "true")
        self.fleet.plan(
            plan_of(
                task("a", f"echo a > a.txt; {one}", ["a.txt"]),
                task("b", f"echo b > b.txt; git add -A; git commit -qm b; {two}", ["b.txt"]),
                task("c", "cat a.txt > c.txt", ["c.txt"], "a"),
            )
        )

    @property
    def ours(self) -> Path:
        """Where everything of gitfleet lies."""
        return self.repo / ".git/gitfleet"

    @property
    def pool(self) -> Path:
        """Where the worktrees are."""
        return self.repo.with_name("repo.fleet")

    def tree_of(self, name: str) -> Path:
        """The worktree of a task."""
        run = state_runs(self.fleet, self.repo)[name]
        assert run.attempts[-1].worktree
        return self.pool / run.attempts[-1].worktree

    def branch_of(self, name: str) -> str:
        """The branch of a task."""
        (session,) = session_ids(self.fleet, self.repo)
        return f"refs/heads/fleet/{session}/{name}"

    def go(self, fault: Callable[[Trial], object]) -> Outcome:
        """Run the session, let ``fault`` happen at its moment, and give what the command that met it came to."""
        plan = self.fleet.root / "plan.yaml"
        if self.moment == BEFORE:
            fault(self)
            return self.fleet.run("wave", plan, "--yes", cwd=self.repo)
        session = self.fleet.start("wave", plan, "--yes", cwd=self.repo)
        self.arrive()
        if self.moment == CONTINUE:
            self.kill(session)
            fault(self)
            self.release()
            return self.fleet.run("continue", cwd=self.repo)
        fault(self)
        self.release()
        return self.fleet.finish(session)

    def kill(self, session: subprocess.Popen[str]) -> None:
        """Kill the coordinator."""
        session.kill()
        self.fleet.finish(session)

    def arrive(self) -> None:
        """Wait until the moment is there."""
        if self.moment == CHECK:
            self.checking.wait()
            return
        self.one.wait()
        self.two.wait()

    def release(self) -> None:
        """Let everything go on that waits or will wait."""
        for point in (self.one, self.two, self.checking):
            for _ in range(6):
                point.release()

    def look(self) -> None:
        """Every command that looks ends with a sentence."""
        for command in LOOKS:
            told(self.fleet.run(*command, cwd=self.repo), 0, 2, 3, 4)

    def land(self) -> None:
        """Go on: all lands, once, and nothing is left."""
        if session_ids(self.fleet, self.repo) and states(self.fleet, self.repo):
            self.fleet.run("continue", cwd=self.repo).ok()
        else:
            self.fleet.run("wave", self.fleet.root / "plan.yaml", "--yes", cwd=self.repo).ok()
        self.landed()

    def landed(self, *, tidy: bool = True) -> None:
        """All landed, once, and nothing is left but, where it is not ``tidy``, what `clean` takes away."""
        assert states(self.fleet, self.repo) == LANDED
        assert len(merge_commits(self.fleet, self.repo)) == len(LANDED)
        for name, content in (("a.txt", "a"), ("b.txt", "b"), ("c.txt", "a")):
            assert self.fleet.git("show", f"main:{name}", cwd=self.repo) == content
        if not tidy:
            self.fleet.run("clean", cwd=self.repo).ok()
            assert not list((self.ours / "pool").glob("*.json"))
            return
        assert_nothing_remains(self.fleet, self.repo)


def told(outcome: Outcome, *codes: int) -> Outcome:
    """What is wrong is told as what it is, and never as a defect."""
    assert outcome.code in (codes or (0, 1, 3, 4)), outcome.text
    assert "defect" not in outcome.text, outcome.text
    assert "Traceback" not in outcome.text, outcome.text
    assert outcome.code == 0 or outcome.text.strip()
    return outcome

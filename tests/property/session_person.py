"""The person of random sessions: starts them, continues them, does what they ask for, and works meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.model.run import Run, RunState
from tests.property.session_cases import PERSON
from tests.property.session_oracle import over
from tests.support.sessions import session_ids, state_runs

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.property.session_cases import Case
    from tests.support.fleet import FleetEnv, Outcome

ROUNDS = 16
"""How often a person continues a session before it counts as one that gets nowhere."""
PATIENCE = 3
"""After how many of these a run that is still held is given up."""
DEADLINE = 120.0


@contextmanager
def acting(case: Case, fleet: FleetEnv, repo: Path) -> Iterator[None]:
    """Do, one at a time, what agents ask the person for: an agent that is stopped meanwhile stops nothing of it."""
    doings = dict(case.numbered())
    asks = os.open(fleet.root / "asks", os.O_RDWR)
    answered = []

    def act() -> None:
        with os.fdopen(os.dup(asks)) as lines:
            while words := lines.readline().split():
                deed = PERSON[doings[int(words[0])].person].replace("{n}", words[0])
                # A landing may hold the index for a moment; they try again.
                again = f"for try in $(seq 200); do ({deed}) 2>/dev/null && break; done; true"
                fleet.shell(again, repo)
                answered.append(os.open(words[1], os.O_RDWR))
                os.write(answered[-1], b"go\n")

    person = threading.Thread(target=act)
    person.start()
    try:
        yield
    finally:
        os.write(asks, b"\n")
        person.join()
        for one in (asks, *answered):
            os.close(one)


@dataclass
class Conduct:
    """A person with one session: starts it, continues it, and does in between what it asks for."""

    case: Case
    fleet: FleetEnv
    repo: Path
    name: str
    plan: Path
    outcomes: list[Outcome] = field(default_factory=list)

    def through(self) -> None:
        """To the session's end."""
        for number in range(ROUNDS):
            session = next(iter(one for one in session_ids(self.fleet, self.repo) if one.startswith(self.name)), "")
            if session and over(self.fleet, self.repo, session):
                return
            if self.outcomes and self.outcomes[-1].code == 3:
                self._help(number)
            rolling = ["--rolling"] if self.case.rolling else []
            words = ["continue", session] if session else ["wave", str(self.plan), "--yes", *rolling]
            outcome = self._do(words)
            self.outcomes.append(outcome)
            # Python dies of an interrupt that was handled where it met an import's `exec` of a string.
            ends = {0, 1, 3} | ({130, -signal.SIGINT, -signal.SIGKILL} if self.case.strike else set())
            assert outcome.code in ends, f"{outcome.args}: {outcome.code}\n{outcome.out}{outcome.err}"
            assert "Traceback" not in outcome.out + outcome.err, outcome.out + outcome.err
        told = "\n".join(f"{one.code}: {one.out}{one.err}" for one in self.outcomes[-2:])
        message = f"{self.name} does not come to an end\n{told}"
        raise AssertionError(message)

    def _do(self, words: list[str]) -> Outcome:
        process = self.fleet.start(*words)
        if self.name == "one":
            pid = self.fleet.root / "pid.new"
            pid.write_text(str(process.pid))
            pid.replace(pid.with_name("pid"))
            if self.case.strike and self.case.strike[0].isdigit() and not self.outcomes:
                self._strike(process, int(self.case.strike[0]), self.case.strike[1])
        return self.fleet.finish(process, DEADLINE)

    def _strike(self, process: subprocess.Popen[str], lines: int, how: str) -> None:
        """Once it said so many lines; what it is about to say is lost with it."""
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        if process.poll() is None:
            process.send_signal(signal.Signals[f"SIG{how}"])

    def _help(self, number: int) -> None:
        """What a session that stopped may need: a target that passes, nothing in the way, an end of conflicts."""
        self.out_of_the_way()
        if not self.case.allows:
            self._git("git rm -q rotten.txt; git commit -qm Mended rotten.txt", "test -e rotten.txt")
        for held in state_runs(self.fleet, self.repo).values():
            if held.session.startswith(f"{self.name}-") and held.state is RunState.CONFLICTED:
                self._settle(held, self.case.holds if number <= PATIENCE else "cancel")

    def _settle(self, held: Run, how: str) -> None:
        words = {"resolve": ["resolve", held.instance, "--print"]}.get(how, [how, held.task])
        outcome = self.fleet.run(*words, "--session", held.session)
        self.outcomes.append(outcome)
        assert outcome.code == 0, f"{outcome.args}: {outcome.code}\n{outcome.out}{outcome.err}"
        if how == "resolve":
            tree = Path(outcome.out.strip())
            for name in set(self.fleet.git("diff", "--name-only", "--diff-filter=U", cwd=tree).splitlines()):
                if (tree / name).is_file():
                    lines = (tree / name).read_text().splitlines(keepends=True)
                    kept = [line for line in lines if line[:7] not in {"<<<<<<<", "=======", ">>>>>>>", "|||||||"}]
                    (tree / name).write_text("".join(kept))
            self.fleet.git("add", "-A", cwd=tree)
            self.fleet.git("commit", "-qm", "Resolved", cwd=tree, ok=(0, 1))

    def out_of_the_way(self) -> None:
        """Take away what the person put where others work."""
        for name in ["gone.txt", *(f"d{number}/a" for number, _ in self.case.numbered())]:
            if (self.repo / name).exists() and self.fleet.git_raw("ls-files", "--error-unmatch", name).returncode:
                (self.repo / name).unlink()

    def _git(self, act: str, when: str) -> None:
        """As the person, who tries again where another one holds the index."""
        self.fleet.shell(f"for try in $(seq 200); do {when} || break; {{ {act}; }} 2>/dev/null; done", self.repo)

"""One replay: a throw-away clone, the plan, the session through the command line, and the comparison."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.measure import environ
from bench.replay.cutting import Cutting, Edit, Piece, Step, cut, nameable
from gitfleet.planner.scopes import entry_for

if TYPE_CHECKING:
    from pathlib import Path

# Each commit becomes a tree over what the worktree holds, and a commit of it: exactly history's files, whatever
# filters, patches with fuzz or line endings would make of them.
APPLY = """\
set -e
edits=$1; shift
before=$(git rev-parse "HEAD^{tree}")
for commit in "$@"; do
    GIT_INDEX_FILE="$(git rev-parse --absolute-git-dir)/replay-index"; export GIT_INDEX_FILE
    git read-tree HEAD
    git update-index -z --index-info <"$edits/$commit"
    tree=$(git write-tree)
    rm "$GIT_INDEX_FILE"; unset GIT_INDEX_FILE
    git reset -q --hard "$(git commit-tree "$tree" -p HEAD -m "Replay $commit")"
done
if [ "$before" = "$(git rev-parse "HEAD^{tree}")" ]; then
    echo '{"no_change": "history takes back what it does"}' >"$GITFLEET_HANDOFF"
fi
"""

SUBMODULE = 0o160000
SYMLINK = 0o120000


class Unplayable(Exception):  # noqa: N818 - reads as the sentence it is
    """The repository has nothing that could be replayed; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: at most so many tasks and agents, and the piece of history."""

    tasks: int = 20
    agents: int = 4
    span: str = ""
    rolling: bool = False


@dataclass
class Result:
    """What a replay came to; ``differing`` are paths whose mode or content is not history's."""

    base: str
    last: str
    commits: int
    tasks: int
    waves: int = 0
    chained: int = 0
    landed: int = 0
    exit_code: int = 0
    plan_seconds: float = 0.0
    wave_seconds: float = 0.0
    stopped: str = ""
    left_out: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    untidy: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether history came out."""
        return self.exit_code == 0 and not (self.differing or self.untidy or self.failed)


class Replay:
    """A replay of one repository in a directory of its own."""

    def __init__(self, repository: Path, place: Path, wanted: Wanted) -> None:
        self.source = repository.resolve()
        self.place = place
        self.clone = place / "clone"
        self.wanted = wanted
        self.environ = {
            **environ(place),
            # Nothing is fetched but from the path that was given, and what that clone lacks is not asked for.
            "GIT_ALLOW_PROTOCOL": "file",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": str(place / "gitconfig"),
        }

    def run(self) -> Result:
        """Do it; raises ``Unplayable``."""
        self._clone()
        base, commits = self._line()
        steps = [self._step(old, new) for old, new in zip([base, *commits], commits, strict=False)]
        tree = self._tree(base)
        links = frozenset(path for path, (mode, _) in tree.items() if mode == SYMLINK)
        cutting = cut(steps, links, self.wanted.tasks)
        if not cutting.pieces:
            raise Unplayable(cutting.stopped or "no commit changes a path that a task could have")
        result = Result(
            base,
            cutting.last,
            cutting.commits,
            len(cutting.pieces),
            chained=sum(bool(piece.after) for piece in cutting.pieces),
            stopped=cutting.stopped,
            left_out=sorted(path.decode("utf-8", "backslashreplace") for path in cutting.refused),
        )
        self._start(base, tree)
        self._session(cutting, result)
        self._compare(cutting, result)
        return result

    def git(self, *args: str | bytes, stdin: bytes | None = None, at: Path | None = None) -> bytes:
        """Run git in the clone; raises ``Unplayable`` with its words."""
        done = subprocess.run(
            ["git", *args], cwd=at or self.clone, env=self.environ, input=stdin or b"", capture_output=True, check=False
        )
        if done.returncode:
            msg = f"git {args[0]!s}: {done.stderr.decode(errors='replace').strip()}"
            raise Unplayable(msg)
        return done.stdout

    def _clone(self) -> None:
        settings = '[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n[protocol "file"]\n\tallow = always\n'
        (self.place / "gitconfig").write_text(settings + "[user]\n\tname = Replay\n\temail = replay@example.org\n")
        for part in ("edits", "template"):
            (self.place / part).mkdir()
        self.git(
            *("clone", "-q", "--no-checkout", "--no-hardlinks", f"--template={self.place / 'template'}"),
            *(self.source.as_uri(), str(self.clone)),
            at=self.place,
        )
        self.git("config", "user.name", "Replay")
        self.git("config", "user.email", "replay@example.org")

    def _line(self) -> tuple[str, list[str]]:
        """The longest row of commits with one parent on the first-parent line, newest if there are several."""
        span = self.wanted.span or "HEAD"
        lines = self.git("rev-list", "--first-parent", "--parents", "--reverse", "--end-of-options", span).decode()
        rows: list[list[str]] = []
        ended = True
        for commit, *parents in (line.split() for line in lines.splitlines()):
            if len(parents) == 1:
                if ended:
                    rows.append([parents[0]])
                rows[-1].append(commit)
            ended = len(parents) != 1
        if not rows:
            raise Unplayable("its history has no commit with one parent")
        row = max(reversed(rows), key=len) if not self.wanted.span else max(rows, key=len)
        # As many of the newest as may be needed: more commits than tasks, since some share one.
        row = row if self.wanted.span else row[-(3 * self.wanted.tasks + 1) :]
        return row[0], row[1:]

    def _step(self, old: str, new: str) -> Step:
        fields = self.git("diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", "--ignore-submodules=none", old, new)
        words = fields.split(b"\0")[:-1]
        edits = []
        for facts, path in zip(words[::2], words[1::2], strict=True):
            _, mode, _, oid, _ = facts.split(b" ")
            edits.append(Edit(path, int(mode, 8), oid.decode()))
        return Step(new, tuple(edits))

    def _tree(self, commit: str) -> dict[bytes, tuple[int, str]]:
        found = {}
        for line in self.git("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
            facts, _, path = line.partition(b"\t")
            mode, _, oid = facts.split(b" ")
            found[path] = (int(mode, 8), oid.decode())
        return found

    def _start(self, base: str, tree: dict[bytes, tuple[int, str]]) -> None:
        """The base without ``.planning`` and such: its settings run commands, and its records are not ours."""
        self.git("update-ref", "--no-deref", "HEAD", base)
        self.git("read-tree", base)
        ours = [path for path in tree if not nameable(path)]
        self.git("update-index", "-z", "--index-info", stdin=b"".join(_line_of(Edit(path, 0, base)) for path in ours))
        start = (
            self.git("commit-tree", self.git("write-tree").decode().strip(), "-m", "Start", "-p", base).decode().strip()
        )
        self.git("branch", "-f", "replay", start)
        self.git("symbolic-ref", "HEAD", "refs/heads/replay")
        self.git("remote", "remove", "origin")
        self.git("reset", "-q", "--hard")

    def _session(self, cutting: Cutting, result: Result) -> None:
        script = self.place / "apply.sh"
        script.write_text(APPLY)
        for step in (step for piece in cutting.pieces for step in piece.steps):
            # What goes away first: a file may make place for a directory of its name.
            edits = sorted(step.edits, key=lambda edit: edit.mode != 0)
            (self.place / "edits" / step.commit).write_bytes(b"".join(_line_of(edit) for edit in edits))
        plan = self.place / "plan.json"
        tasks = [self._task(piece) for piece in cutting.pieces]
        plan.write_text(json.dumps({"schema": "gitfleet/plan/v1", "name": "replay", "tasks": tasks}))
        style = ("--max-agents", str(self.wanted.agents), *(["--rolling"] if self.wanted.rolling else []))
        _, shown, result.plan_seconds = self._gitfleet("plan", str(plan), *style, "--json")
        result.waves = len(shown.get("waves", ()))
        result.exit_code, report, result.wave_seconds = self._gitfleet("wave", str(plan), *style, "--yes", "--json")
        for run in report.get("runs", ()):
            if run["state"] == "landed":
                result.landed += 1
            else:
                result.failed.append(f"{run['task']} {run['state']}: {run.get('reason') or run.get('message', '')}")
        if "error" in report:
            result.failed.append(report["error"]["message"])

    def _task(self, piece: Piece) -> dict[str, object]:
        commits = " ".join(step.commit for step in piece.steps)
        return {
            "id": piece.id,
            "command": f"sh '{self.place}/apply.sh' '{self.place}/edits' {commits}",
            "scope": sorted(entry_for(path) for path in piece.paths),
            "depends_on": [f"t{number:03}" for number in sorted(piece.after)],
            "retry_policy": {"max_attempts": 1},
        }

    def _gitfleet(self, *args: str) -> tuple[int, Any, float]:
        began = time.perf_counter()
        # -P: a repository may have a directory of the name `gitfleet`, or of a library's.
        argv = [sys.executable, "-P", "-m", "gitfleet", *args]
        done = subprocess.run(argv, cwd=self.clone, env=self.environ, capture_output=True, check=False)
        seconds = time.perf_counter() - began
        try:
            report = json.loads(done.stdout)
        except ValueError:
            words = done.stderr.decode(errors="replace")[-2000:]
            report = {"error": {"message": f"gitfleet {args[0]} gave no document: {words}"}}
        return done.returncode, report, seconds

    def _compare(self, cutting: Cutting, result: Result) -> None:
        ours, theirs = self._tree("refs/heads/replay"), self._tree(cutting.last)
        wrong = [
            path
            for path in sorted(ours.keys() | theirs.keys())
            if nameable(path) and ours.get(path) != theirs.get(path)
        ]
        result.differing = [path.decode("utf-8", "backslashreplace") for path in wrong]
        # Files that no checkout gives back as they were committed (line endings, mostly) are modified in a new one too.
        self.git("worktree", "add", "-q", "--detach", str(self.place / "fresh"), "refs/heads/replay")
        fresh, here = (self._status(at) for at in (self.place / "fresh", self.clone))
        result.untidy = [line.decode("utf-8", "backslashreplace") for line in sorted(here - fresh)]

    def _status(self, at: Path) -> set[bytes]:
        return set(
            self.git("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all", at=at).split(b"\0")
        )


def _line_of(edit: Edit) -> bytes:
    """A line of ``update-index --index-info``."""
    oid = edit.oid if edit.mode else "0" * len(edit.oid)
    return b"%06o %s 0\t%s\0" % (edit.mode, oid.encode(), edit.path)

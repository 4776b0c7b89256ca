"""Repositories to land in, and what of a person's must be the same before and after."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitfleet.git.command import Git
from gitfleet.integrate.landing import LandingOutcome, LandingRequest, RecoveryOutcome, land, pending, recover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERMETIC = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.com",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.com",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    "LC_ALL": "C",
}

TARGET = "refs/heads/main"


def person_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a person's git command in tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, **HERMETIC, **(extra or {})}


@dataclass
class Clock:
    """Time that passes only while somebody sleeps; ``on_sleep`` happens then."""

    now: float = 0.0
    on_sleep: Callable[[], None] | None = None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.on_sleep is not None:
            self.on_sleep()


@dataclass
class Place:
    """A checkout of a repository, driven as a person would."""

    path: Path
    common: Path
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    number: int = 0

    def git(self, *args: str, code: int = 0, stdin: bytes | None = None, **env: str) -> str:
        """A person's git command; ``code`` is the exit code it must have."""
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=person_env(env), input=stdin, capture_output=True, check=False
        )
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return os.fsdecode(done.stdout).rstrip("\n")

    def write(self, name: str | bytes, content: str | bytes, *, executable: bool = False) -> None:
        """Write a file, with its directories."""
        place = self.path / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        if executable:
            place.chmod(0o755)

    def commit(self, message: str = "work") -> str:
        """Commit everything there is."""
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def build(self, changes: Mapping[Any, bytes | str | None], base: str = "HEAD") -> str:
        """Make a commit on ``base`` without touching checkout or index; ``None`` removes, ``-> x`` is a link.

        ``x:`` before a content makes the file executable.
        """
        index = str(self.common / "build-index")
        self.git("read-tree", base, GIT_INDEX_FILE=index)
        lines = b""
        zero = "0" * 40
        for name, content in sorted(changes.items(), key=lambda item: item[1] is not None):
            path = os.fsencode(name)
            if content is None:
                lines += f"0 {zero}\t".encode() + path + b"\0"
                continue
            data = content.encode() if isinstance(content, str) else content
            mode = "100644"
            if data.startswith(b"-> "):
                mode, data = "120000", data[3:]
            elif data.startswith(b"x:"):
                mode, data = "100755", data[2:]
            if data.startswith(b"gitlink "):
                mode, oid = "160000", data[8:].decode()
            else:
                oid = self.git("hash-object", "-w", "--stdin", stdin=data)
            lines += f"{mode} {oid}\t".encode() + path + b"\0"
        self.git("update-index", "-z", "--index-info", stdin=lines, GIT_INDEX_FILE=index)
        tree = self.git("write-tree", GIT_INDEX_FILE=index)
        (self.common / "build-index").unlink()
        return self.git("commit-tree", tree, "-p", base, "-m", "landing")

    def request(self, new: str, **changed: object) -> LandingRequest:
        """A landing of ``new`` on main."""
        self.number += 1
        facts: dict[str, object] = {
            "git": Git(self.path),
            "common_dir": self.common,
            "target": TARGET,
            "old": changed["old"] if "old" in changed else self.git("rev-parse", TARGET),
            "new": new,
            "intents": self.common / "gitfleet" / "landings",
            "id": f"s-w{self.number}",
            "clock": self.clock,
            "sleep": self.clock.sleep,
            "say": self.said.append,
            "refs": {f"refs/gitfleet/landed/s/w{self.number}": new},
            **changed,
        }
        return LandingRequest(**facts)  # type: ignore[arg-type]

    def land(self, new: str, **changed: object) -> LandingOutcome:
        """Land ``new`` on main."""
        return land(self.request(new, **changed))

    def recover(self) -> RecoveryOutcome:
        """Finish the one landing that did not."""
        (directory,) = pending(self.common / "gitfleet" / "landings")
        return recover(directory, Git(self.path), self.common, clock=self.clock, sleep=self.clock.sleep)

    def status(self) -> str:
        """A person's view, ignored files included."""
        return self.git("status", "--porcelain", "--ignored", "-uall", "-z")

    def locks(self) -> list[str]:
        """Every lock file and unfinished landing in the git directory."""
        found = [str(path.relative_to(self.common)) for path in self.common.rglob("*.lock")]
        return found + [path.name for path in pending(self.common / "gitfleet" / "landings")]

    def others(self) -> str:
        """Refs that are not the target's, the stash and the configuration."""
        refs = self.git("for-each-ref", "--format=%(refname) %(objectname)").split("\n")
        kept = [ref for ref in refs if not ref.startswith((TARGET + " ", "refs/gitfleet/"))]
        return "\n".join([*kept, self.git("stash", "list"), (self.common / "config").read_text()])


def transplant(source: Path, copy: Path) -> Place:
    """Copy a repository as it is, hard links and a dead landing's intent included, to another path."""
    subprocess.run(["cp", "-a", str(source), str(copy)], check=True)
    for intent in (copy / ".git/gitfleet/landings").glob("*/intent.json"):
        intent.write_text(intent.read_text().replace(f"{source}/", f"{copy}/").replace(f'{source}"', f'{copy}"'))
    return Place(copy, copy / ".git")


def files(root: Path) -> dict[str, tuple[str, bytes]]:
    """Every file below a directory but git's own: kind and mode, and bytes."""
    found: dict[str, tuple[str, bytes]] = {}
    for directory, names, leaves in os.walk(root):
        if ".git" in names:
            names.remove(".git")
        for name in [*leaves, *(name for name in names if (Path(directory) / name).is_symlink())]:
            path = Path(directory) / name
            if name == ".git":
                continue
            info = path.lstat()
            if stat.S_ISLNK(info.st_mode):
                found[str(path.relative_to(root))] = ("link", os.fsencode(path.readlink()))
            else:
                found[str(path.relative_to(root))] = (oct(info.st_mode & 0o111), path.read_bytes())
    return found


def new_place(root: Path, content: Mapping[str, str] | None = None) -> Place:
    """A repository with one commit on main, checked out."""
    path = root / "repo"
    path.mkdir()
    place = Place(path, path / ".git")
    place.git("init", "-q", "-b", "main")
    for name, text in (content or {"a.txt": "a1\n", "b.txt": "b1\n", "dir/c.txt": "c1\n", "gone.txt": "g1\n"}).items():
        place.write(name, text)
    place.commit("base")
    return place

"""Real repositories in temporary directories, with dated commits and calls that must succeed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Content = str | bytes | None
Files = Mapping[str, str] | Mapping[str, Content] | Mapping[bytes, bytes] | Mapping[str | bytes, Content]


class Repo:
    """A repository for tests; every call runs in its directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = 1_767_323_045

    @classmethod
    def init(cls, path: Path, *options: str, branch: str = "main") -> Repo:
        """Make a repository without commits."""
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        repo.git("init", "-q", "-b", branch, *options)
        return repo

    @classmethod
    def with_files(cls, path: Path, files: Files | None = None) -> Repo:
        """Make a repository with one commit."""
        repo = cls.init(path)
        repo.commit({"README": "hello\n"} if files is None else files, "first")
        return repo

    def git(
        self, *args: str | bytes, code: int = 0, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Run git here; any exit code but the expected fails the test. Gives stdout without the last newline."""
        return self.raw(*args, code=code, stdin=stdin, env=env).decode("utf-8", "surrogateescape").rstrip("\n")

    def raw(
        self, *args: str | bytes, code: int = 0, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        """As ``git``, with the bytes of stdout."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            check=False,
            env={**os.environ, **(env or {})},
        )
        words = " ".join(os.fsdecode(word) for word in args)
        assert done.returncode == code, f"git {words}: {done.returncode}\n{done.stderr.decode(errors='replace')}"
        return done.stdout

    def write(self, name: str | bytes, content: str | bytes) -> None:
        """Write a file below the root, with its directories; the name may be any bytes."""
        place = self.path / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Files, message: str = "change") -> str:
        """Write (or with None delete) files and commit everything, a second later than the last; gives the id."""
        for name, content in files.items():
            if content is None:
                (self.path / os.fsdecode(name)).unlink()
            else:
                self.write(name, content)
        self.git("add", "-A")
        self._clock += 1
        date = f"{self._clock} +0000"
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        self.git("commit", "-q", "--allow-empty", "-m", message, env=dates)
        return self.oid()

    def oid(self, rev: str = "HEAD") -> str:
        """The id of a revision."""
        return self.git("rev-parse", "--verify", rev)

    def files(self, rev: str = "HEAD") -> dict[bytes, bytes]:
        """Every path of a commit or tree with its content (a submodule has its commit's id)."""
        found = {}
        for line in self.raw("ls-tree", "-r", "-z", rev).split(b"\0")[:-1]:
            facts, _, path = line.partition(b"\t")
            _, kind, oid = facts.split(b" ")
            found[path] = oid if kind == b"commit" else self.raw("cat-file", "blob", oid.decode())
        return found

    def status(self) -> str:
        """``git status --porcelain`` with untracked files."""
        return self.git("status", "--porcelain", "--untracked-files=all")

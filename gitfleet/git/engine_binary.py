"""The engine that works wherever git works: one ``cat-file --batch`` process for reads, plumbing for the rest.

Used for partial clones (git fetches what is missing), reftable, SHA-256, and whatever else libgit2 cannot open.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed
from gitfleet.git.engine import MissingObject
from gitfleet.git.trees import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitfleet.git.command import Git, Server


class BinaryEngine:
    """Objects through the git binary; threads take turns on its reader."""

    name = "git"

    def __init__(self, git: Git) -> None:
        """Nothing is started until the first read."""
        self._git = git
        self._width: int | None = None
        self._reader: Server | None = None
        self._turn = threading.Lock()

    def read(self, oid: str) -> tuple[str, bytes]:
        """See ``Engine``."""
        with self._turn:
            if self._reader is None or self._reader.poll() is not None:
                self._end()
                self._reader = self._git.serve("cat-file", "--batch")
            requests, answers = self._reader.stdin, self._reader.stdout
            assert requests is not None  # noqa: S101 - `serve` opens both pipes
            assert answers is not None  # noqa: S101
            requests.write(oid.encode("ascii") + b"\n")
            requests.flush()
            header = answers.readline().split()
            if len(header) != 3:
                if not header:
                    self._end()
                raise MissingObject(oid)
            size = int(header[2])
            data = answers.read(size + 1)
            if len(data) != size + 1:
                self._end()
                raise MissingObject(oid)
            return header[1].decode("ascii"), data[:-1]

    def write(self, kind: str, contents: Sequence[bytes]) -> list[str]:
        """See ``Engine``."""
        if kind == "tree":
            return self._write_trees(contents)
        return [self._git.run("hash-object", "-t", kind, "-w", "--stdin", stdin=data).text for data in contents]

    def ref(self, name: str) -> str | None:  # noqa: ARG002 - the protocol's shape
        """See ``Engine``."""
        return None

    def merge_base(self, a: str, b: str) -> str | None:
        """See ``Engine``."""
        return self._git.run("merge-base", a, b, ok=(0, 1)).text or None

    def is_ancestor(self, a: str, b: str) -> bool:
        """See ``Engine``."""
        return self._git.run("merge-base", "--is-ancestor", a, b, ok=(0, 1)).code == 0

    def walk(self, tip: str, hide: Iterable[str]) -> list[str]:
        """See ``Engine``."""
        revisions = "\n".join([tip, *("^" + oid for oid in hide)]) + "\n"
        return self._git.run("rev-list", "--topo-order", "--reverse", "--stdin", stdin=revisions.encode()).text.split()

    def move_private_ref(self, ref: str, new: str, old: str | None) -> bool:
        """See ``Engine``."""
        try:
            self._git.run("update-ref", "--no-deref", ref, new, old or "0" * len(new))
        except GitFailed:
            return False
        return True

    def close(self) -> None:
        """See ``Engine``."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        if self._reader is not None:
            for pipe in (self._reader.stdin, self._reader.stdout):
                if pipe is not None:
                    pipe.close()
            self._reader.wait()
            self._reader = None

    def _write_trees(self, contents: Sequence[bytes]) -> list[str]:
        if not contents:
            return []
        if len(contents) == 1 and not contents[0]:
            return [self._git.run("mktree", "-z", stdin=b"").text]
        oid_bytes = self._oid_bytes()
        lines = []
        for data in contents:
            for name, entry in parse(data, oid_bytes).items():
                kind = {0o040000: "tree", 0o160000: "commit"}.get(entry.mode, "blob")
                lines.append(b"%06o %s %s\t%s\0" % (entry.mode, kind.encode(), entry.oid.encode(), name))
            lines.append(b"\0")
        # A partial clone need not have the blobs that an unchanged neighbour names.
        return self._git.run("mktree", "-z", "--batch", "--missing", stdin=b"".join(lines)).text.split()

    def _oid_bytes(self) -> int:
        if self._width is None:
            name = self._git.run("rev-parse", "--show-object-format").text
            self._width = 32 if name == "sha256" else 20
        return self._width

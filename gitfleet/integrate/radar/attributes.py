"""The attributes that merges are predicted with: those of the target's commit, as the train will find them.

git's merge reads attributes from files in its worktree, and the train merges in a worktree that is clean at the
target. So every ``.gitattributes`` of the target is written into the scratch, and nothing else but files that a merge
driver's command line names (``./tools/merge.sh %A %O %B``). A driver that needs further files of the repository is not
served, and told as a conflict. ``info/attributes`` and the user's own attributes are read by git itself.
"""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

from gitfleet.git.trees import EXECUTABLE, FILE

if TYPE_CHECKING:
    from gitfleet.git.command import Git
    from gitfleet.integrate.radar.scratch import Scratch

_NAME = b".gitattributes"


def lay_out(scratch: Scratch, target: str) -> None:
    """Give the scratch the attributes of a commit, unless it has them; at most four git calls."""
    if scratch.attributes_of == target:
        return
    shutil.rmtree(scratch.files)
    scratch.files.mkdir()
    # A deleted directory under git's feet is nobody's: the new one has the same name.
    wanted = _commands(scratch.git)
    chosen: list[tuple[bytes, int, str]] = []
    for line in scratch.git.run("ls-tree", "-r", "-z", "--full-tree", target).stdout.split(b"\0"):
        meta, _, path = line.partition(b"\t")
        if path in wanted or path == _NAME or path.endswith(b"/" + _NAME):
            mode, _, oid = meta.decode("ascii").split()
            # git does not follow a link by this name.
            if int(mode, 8) in (FILE, EXECUTABLE):
                chosen.append((path, int(mode, 8), oid))
    if chosen:
        _write(scratch, chosen)
    scratch.attributes_of = target


def _write(scratch: Scratch, chosen: list[tuple[bytes, int, str]]) -> None:
    lines = "".join(f"{oid}\n" for _, _, oid in chosen).encode("ascii")
    output = scratch.git.run("cat-file", "--batch", stdin=lines).stdout
    at = 0
    for path, mode, _ in chosen:
        end = output.index(b"\n", at)
        size = int(output[at:end].split()[2])
        place = os.fsencode(scratch.files) + b"/" + path
        os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120 - a path of bytes
        with open(place, "wb") as file:  # noqa: PTH123 - a path of bytes
            file.write(output[end + 1 : end + 1 + size])
        if mode == EXECUTABLE:
            os.chmod(place, 0o700)  # noqa: PTH101 - a path of bytes
        at = end + 1 + size + 1


def _commands(git: Git) -> frozenset[bytes]:
    """Words of the commands of merge drivers, as paths they might be."""
    words: set[bytes] = set()
    values = git.run("config", "-z", "--get-regexp", r"^merge\..*\.driver$", ok=(0, 1)).stdout.split(b"\0")
    for value in values:
        command = value.partition(b"\n")[2]
        try:
            words.update(os.fsencode(word.removeprefix("./")) for word in shlex.split(os.fsdecode(command)))
        except ValueError:
            continue
    return frozenset(words)

"""Putting commits on disk before a ref names them.

By default git syncs packs but neither loose objects nor refs, so after a power cut a durable ref could name blobs that
an agent's git never synced. Packing what is loose costs one sync for everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.index import sync_directory

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.command import Git


def pack_range(git: Git, common_dir: Path, old: str | None, new: str) -> str | None:
    """Write every loose object that ``new`` has and ``old`` has not into one synced pack; gives the pack's id.

    None when there is nothing to write. What ``old`` reaches is taken to be durable, as are packs. The loose copies
    stay for the user's own ``git gc``.
    """
    revisions = f"{new}\n" + (f"^{old}\n" if old else "")
    packs = common_dir / "objects" / "pack"
    packs.mkdir(exist_ok=True)
    # What a partial clone left at its remote is not fetched for this; without such a remote the option changes nothing.
    options = ("--revs", "--unpacked", "--exclude-promisor-objects", "--non-empty", "--delta-base-offset")
    door = git.having("core.fsync=objects,derived-metadata", "pack.writeBitmaps=false")
    done = door.run("pack-objects", *options, "--window=0", "-q", str(packs / "pack"), stdin=revisions.encode())
    if not done.text:
        return None
    sync_directory(packs)
    return done.text

"""Putting commits on disk before a ref names them.

By default git syncs packs but neither loose objects nor refs, so after a power cut a durable ref could name blobs that
an agent's git never synced. Packing the whole range costs one sync for everything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitfleet.git.engines import is_partial

if TYPE_CHECKING:
    from gitfleet.git.repository import Repository


def pack_range(repo: Repository, old: str | None, new: str) -> str | None:
    """Write every object that ``new`` has and ``old`` has not into one synced pack; gives the pack's id.

    None when there is nothing to write. What ``old`` reaches is taken to be durable. The loose copies stay for the
    user's own ``git gc``.
    """
    revisions = f"{new}\n" + (f"^{old}\n" if old else "")
    packs = repo.common_dir / "objects" / "pack"
    packs.mkdir(exist_ok=True)
    options = ["--revs", "--non-empty", "--delta-base-offset", "--window=0", "-q"]
    if is_partial(repo):
        options.append("--exclude-promisor-objects")
    git = repo.git.having("core.fsync=objects,derived-metadata", "pack.writeBitmaps=false")
    done = git.run("pack-objects", *options, str(packs / "pack"), stdin=revisions.encode())
    if not done.text:
        return None
    descriptor = os.open(packs, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return done.text

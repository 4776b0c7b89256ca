"""What was seen in a worktree held against commits, written as one, and read back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitfleet.git import snapshot_facts

if TYPE_CHECKING:
    from gitfleet.git.objects import Objects
    from gitfleet.git.repository import Repository
    from gitfleet.git.seen import Seen
    from gitfleet.git.snapshot_facts import Facts


def holds(objects: Objects, held: str, seen: Seen) -> bool:
    """Whether a commit that a lasting ref holds, empty for none, has it all."""
    if seen.index_tree or seen.ignored_tree:
        return False
    tips = [tip for tip in (seen.head, *seen.others) if tip]
    if not held:
        return bool(seen.head) and not seen.others and objects.commit(seen.head or "").tree == seen.tree
    if not all(objects.is_ancestor(tip, held) for tip in tips):
        return False
    trees = {objects.commit(tip).tree for tip in (held, seen.under) if tip}
    return seen.tree in trees


def same(objects: Objects, newest: str, seen: Seen) -> bool:
    """Whether a snapshot holds all of this already."""
    commit = objects.commit(newest)
    facts = snapshot_facts.parse(commit.message)
    if commit.tree != seen.tree:
        return False
    for side, tree in ((facts.index, seen.index_tree), (facts.ignored, seen.ignored_tree)):
        if tree and (not side or objects.commit(side).tree != tree):
            return False
    return all(objects.is_ancestor(tip, newest) for tip in (seen.head, *seen.others) if tip)


def measure(repository: Repository, objects: Objects, seen: Seen, base: str) -> tuple[int, int]:
    """How many paths differ from the base (or where the worktree was), and the bytes of what they hold."""
    start = base or seen.under
    changes = objects.diff(objects.commit(start).tree if start else None, seen.tree)
    blobs = [change.new.oid for change in changes if change.new is not None and change.new.mode != 0o160000]
    if not blobs:
        return len(changes), 0
    lines = "".join(f"{oid}\n" for oid in blobs).encode()
    sizes = repository.git.run("cat-file", "--batch-check=%(objectsize)", stdin=lines).text.split("\n")
    return len(changes), sum(int(size) for size in sizes if size.isdecimal())


def write(objects: Objects, seen: Seen, facts: Facts) -> str:
    """The commit of a snapshot, with what was staged and what is ignored on its sides."""
    under = [seen.under] if seen.under else []
    sides = {}
    for name, tree in (("index", seen.index_tree), ("ignored", seen.ignored_tree)):
        if tree:
            words = f"gitfleet: {name} files of {facts.instance}\n"
            sides[name] = objects.create_commit(tree, under, words, sign=False, anyone=True)
    facts = replace(facts, **sides)  # type: ignore[arg-type]
    parents = list(dict.fromkeys([*under, *sides.values(), *seen.others]))
    return objects.create_commit(seen.tree, parents, snapshot_facts.message(facts), sign=False, anyone=True)


def broken(repository: Repository, commit: str, base: str) -> str:
    """What is missing of a snapshot, in git's words; empty when all is there."""
    hidden = [f"^{base}"] if base else []
    done = repository.git.run(
        "rev-list", "--objects", "--quiet", "--exclude-promisor-objects", commit, *hidden, ok=range(-64, 256)
    )
    return (done.error or f"exit code {done.code}") if done.code else ""

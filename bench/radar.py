"""Predicting conflicts among many live branches, against one ``git merge-tree --stdin`` over all of their pairs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from bench.measure import Row, Section, alternating
from bench.pool import repository
from gitfleet.git.command import Leash
from gitfleet.git.merging_pairs import merge_pairs
from gitfleet.integrate.radar.predicting import Radar
from gitfleet.integrate.radar.scratch import open_scratch
from gitfleet.store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.repository import Repository

CHANGED = 5
CLASHING = 6


def branches(repo: Repository, files: int, number: int) -> list[str]:
    """So many branches off one commit, each with some files of its own; the first ones share a file by twos."""
    base = repo.git.run("rev-parse", "HEAD").text
    lines: list[str] = []
    for branch in range(number):
        lines += [f"commit refs/heads/live/{branch}", "committer Bench <bench@example.org> 1767323045 +0000"]
        lines += ["data 4", "live", f"from {base}"]
        own = [(branch * CHANGED + n) * 7 % files for n in range(CHANGED)]
        own += [files - 1 - branch // 2] * (branch < CLASHING)
        for n in own:
            text = f"branch {branch}\n" * 20
            lines += [f"M 100644 inline d{n % 100}/{n}.txt", f"data {len(text)}", text]
    repo.git.run("fast-import", "--quiet", stdin="\n".join(lines).encode() + b"\n")
    listed = repo.git.run("for-each-ref", "--format=%(objectname)", "refs/heads/live/").text
    return listed.split("\n")


def bench(place: Path, files: int = 10_000, number: int = 50, repeats: int = 3) -> Section:
    """The radar beside every pair in one git process; both find the same conflicts."""
    repo = repository(place, "radar", files)
    tips = branches(repo, files, number)
    pairs = list(combinations(tips, 2))
    layout = Layout(repo.common_dir)
    base = repo.git.run("rev-parse", "HEAD").text
    leash = Leash()

    def every() -> set[tuple[str, str]]:
        with open_scratch(repo, layout, leash) as scratch:
            merges = merge_pairs(scratch.git, pairs)
        return {pair for pair, merge in zip(pairs, merges, strict=True) if merge is not None and not merge.clean}

    def predicted() -> set[tuple[str, str]]:
        with open_scratch(repo, layout, leash) as scratch:
            return set(Radar(scratch, fold=False).predict(pairs, base))

    expected, before = every(), leash.calls
    assert predicted() == expected, "the radar and git disagree"
    note = f"{len(expected)} conflicts, {leash.calls - before} git processes"
    all_pairs, radar_time = alternating([every, predicted], repeats)
    return Section(
        f"{number} live branches ({len(pairs)} pairs) on {files} files",
        [
            Row("git merge-tree --stdin over all pairs", all_pairs, all_pairs),
            Row("the radar", radar_time, all_pairs, note),
        ],
    )

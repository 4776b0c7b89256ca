"""Predicting conflicts among many live branches, against one ``git merge-tree --stdin`` over all of their pairs."""

from __future__ import annotations


from itertools import combinations
from typing import TYPE_CHECKING

from bench.measure import Row, Section, stopwatch
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
    repo = repository(place, files)
    tips = branches(repo, files, number)
    pairs = list(combinations(tips, 2))
    layout = Layout(repo.common_dir)
    base = repo.git.run("rev-parse", "HEAD").text
    all_pairs = radar_time = float("inf")
    leash, note = Leash(), ""
    for _ in range(repeats):
        with open_scratch(repo, layout, leash) as scratch:
            every: list[object] = []
            all_pairs = min(all_pairs, stopwatch(lambda: every.extend(merge_pairs(scratch.git, pairs))))
        with open_scratch(repo, layout, leash) as scratch:
            radar, calls = Radar(scratch, fold=False), leash.calls
            found: dict[tuple[str, str], object] = {}
            radar_time = min(radar_time, stopwatch(lambda: found.update(radar.predict(pairs, base))))
            expected = {pair for pair, merge in zip(pairs, every, strict=True) if not merge.clean}  # type: ignore[attr-defined]
            assert set(found) == expected, "the radar and git disagree"
            note = f"{len(found)} conflicts, {radar.counts.merged} merges, {leash.calls - calls} git processes"
    return Section(
        f"{number} live branches ({len(pairs)} pairs) on {files} files",
        [
            Row("git merge-tree --stdin over all pairs", all_pairs, all_pairs),
            Row("the radar", radar_time, all_pairs, note),
        ],
    )

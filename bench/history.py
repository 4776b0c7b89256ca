"""Reading history for coupling: the first time, with some new commits, and what a bare `git log` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measure import Row, Section, alternating, repository, run
from gitfleet.git.command import Git
from gitfleet.git.history import COMMITS, read_history
from gitfleet.store.history_cache import keep_history, load_history
from gitfleet.store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def bench(place: Path, commits: int, times: int) -> Section:
    """A long history of small commits to 1,000 files."""
    repo = repository(place, "history", 1_000)
    line = "commit refs/heads/main\ncommitter A <a@b> {0} +0000\ndata 1\nx\n{1}M 100644 inline d{2}/f{2}\ndata 1\n{3}\n"
    stream = (
        line.format(1_900_000_000 + n, "" if n else "from refs/heads/main^0\n", n % 997, n % 10) for n in range(commits)
    )
    (place / "stream").write_text("".join(stream))
    run(["sh", "-c", f"git fast-import --quiet <'{place / 'stream'}'"], place, repo)
    git, layout = Git(repo), Layout(repo / ".git")
    tip, old = (run(["git", "rev-parse", name], place, repo).strip() for name in ("main", "main~10"))
    keep_history(layout, read_history(git, old))
    plain, cold, new, warm = alternating(
        [
            lambda: git.run("log", "--format=%H", f"--max-count={COMMITS}", tip),
            lambda: read_history(git, tip),
            lambda: read_history(git, tip, load_history(layout)),
            lambda: read_history(git, old, load_history(layout)),
        ],
        times,
    )
    return Section(
        f"history of {commits} commits",
        [
            Row(f"git log of the newest {COMMITS}, ids only", plain, plain),
            Row("reading what they changed", cold, plain),
            Row("the same, all but ten known", new, plain),
            Row("the same, all known", warm, plain),
        ],
    )

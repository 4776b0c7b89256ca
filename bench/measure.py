"""What the benchmarks share: a place to work in, a clean environment, a stopwatch, and a table."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what was measured, in seconds, and what it is compared with."""

    name: str
    seconds: float
    against: float | None = None
    note: str = ""


@contextmanager
def workplace() -> Iterator[Path]:
    """A temporary directory, in memory where there is such a place: a disk without a journal wobbles tenfold."""
    memory = Path("/dev/shm")  # noqa: S108 - the place is the point, and mkdtemp makes the directory ours
    parent = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="gitfleet-bench-", dir=parent) as directory:
        (Path(directory) / "home").mkdir()
        yield Path(directory).resolve()


def environ(place: Path) -> dict[str, str]:
    """The environment of everything that is measured: no home, no configuration, no coverage."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place / "home"),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONPATH": str(ROOT),
    }


def gitfleet(*args: str) -> list[str]:
    """The command line of gitfleet with this interpreter."""
    return [sys.executable, "-m", "gitfleet", *args]


def run(argv: Sequence[str], place: Path, directory: Path) -> str:
    """Run a command that must succeed; its standard output."""
    done = subprocess.run(argv, cwd=directory, env=environ(place), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)[:200]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def repository(place: Path, name: str, files: int = 1) -> Path:
    """A repository with one commit of some small files."""
    path = place / name
    path.mkdir()
    run(["git", "init", "-q", "-b", "main"], place, path)
    run(["git", "config", "user.name", "Bench"], place, path)
    run(["git", "config", "user.email", "bench@example.org"], place, path)
    for number in range(files):
        directory = path / f"d{number % 50}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}.txt").write_text(f"{number}\n")
    run(["git", "add", "-A"], place, path)
    run(["git", "commit", "-qm", "Begin"], place, path)
    return path


def stopwatch(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def typical(work: Callable[[], object], times: int) -> float:
    """Median seconds of several calls, after one to warm caches."""
    work()
    return statistics.median(stopwatch(work) for _ in range(times))


def alternating(works: Sequence[Callable[[], object]], times: int) -> list[float]:
    """Median seconds of each, measured in turns, so that a machine that slows down slows all of them."""
    for work in works:
        work()
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for place, work in enumerate(works):
            taken[place].append(stopwatch(work))
    return [statistics.median(each) for each in taken]


# The peak of a child counts the size of the one that started it: a small process starts what is metered.
_METER = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss]))
sys.exit(done.returncode)
"""


@dataclass(frozen=True, slots=True)
class Metered:
    """What a command and all that it waited for took: seconds, seconds of CPU, MiB of its largest process."""

    seconds: float
    cpu: float
    peak: int


def metered(argv: Sequence[str], place: Path, directory: Path) -> Metered:
    """Run a command that must succeed."""
    seconds, cpu, peak = json.loads(run([sys.executable, "-c", _METER, *argv], place, directory))
    return Metered(seconds, cpu, peak // (2**20 if sys.platform == "darwin" else 2**10))


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of the table that belong together."""

    title: str
    rows: Sequence[Row]


def show(sections: Sequence[Section]) -> None:
    """Print the table: name, time, times as long as what it is compared with, and a note."""
    width = max(len(row.name) for section in sections for row in section.rows)
    for section in sections:
        print(f"\n{section.title}")
        for row in section.rows:
            ratio = f"{row.seconds / row.against:8.2f} x" if row.against else " " * 10
            scale = f"{row.seconds * 1000:10.1f} ms" if row.seconds < 1 else f"{row.seconds:10.2f} s "
            print(f"  {row.name:<{width}}  {scale}  {ratio}  {row.note}".rstrip())

"""``python -m bench``: everything, side by side; ``--quick`` for a minute's worth."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess

from bench import history, integration, pool, radar, scopes, startup, wave
from bench.measure import show, workplace


def main() -> None:
    """Run the benchmarks and print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 tasks and few repetitions")
    parser.add_argument("--tasks", type=int, help="tasks of the wave (200, or 20 with --quick)")
    options = parser.parse_args()
    tasks = options.tasks or (20 if options.quick else 200)
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    with workplace() as place:
        print(f"Python {platform.python_version()}, {git}, {os.cpu_count()} cores, in {place.parent}")
        sections = [
            startup.bench(place, 5 if options.quick else 15),
            scopes.bench([100] if options.quick else [100, 200, 400]),
            pool.bench(place, [1_000] if options.quick else [1_000, 10_000], 3 if options.quick else 7),
            history.bench(place, 6_000 if options.quick else 20_000, 3 if options.quick else 7),
            integration.bench(place, 1_000, 20, 3) if options.quick else integration.bench(place, 10_000, 100, 5),
            radar.bench(place, 1_000 if options.quick else 10_000),
            wave.bench(place, tasks),
        ]
        show(sections)


if __name__ == "__main__":
    main()

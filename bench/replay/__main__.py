"""The command line of a replay; exits 0 when history came out, 1 when it did not, 2 when there was nothing to do."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import bench.replay
from bench.measure import workplace
from bench.replay.running import Replay, Result, Unplayable, Wanted


def main() -> int:
    """Replay one repository and say what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.replay", description=bench.replay.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("repository", type=Path)
    parser.add_argument("--tasks", type=int, default=20, help="tasks at most")
    parser.add_argument("--agents", type=int, default=4, help="agents at the same time")
    parser.add_argument("--range", default="", metavar="A..B", help="the piece of history; its longest row else")
    parser.add_argument("--rolling", action="store_true", help="start tasks as soon as they can")
    parser.add_argument("--json", action="store_true", help="one document instead of the table")
    options = parser.parse_args()
    wanted = Wanted(options.tasks, options.agents, options.range, rolling=options.rolling)
    with workplace() as place:
        try:
            result = Replay(options.repository, place, wanted).run()
        except Unplayable as error:
            print(f"{options.repository}: {error}", file=sys.stderr)
            return 2
    if options.json:
        print(json.dumps({"same": result.same, **dataclasses.asdict(result)}, indent=2))
    else:
        show(options.repository, result)
    return 0 if result.same else 1


def show(repository: Path, result: Result) -> None:
    """Print the table."""
    rows = [
        ("history", f"{result.commits} commits, {result.base[:12]}..{result.last[:12]}"),
        ("tasks", f"{result.tasks} in {result.waves} waves, {result.chained} of them after others"),
        ("ended before", result.stopped),
        ("landed", f"{result.landed} of {result.tasks}, exit code {result.exit_code}"),
        ("gitfleet plan", f"{result.plan_seconds:.2f} s"),
        ("gitfleet wave", f"{result.wave_seconds:.2f} s"),
        ("left out", ", ".join(result.left_out)),
        ("final tree", "differs" if result.differing else "is history's"),
    ]
    print(repository)
    for name, value in rows:
        if value:
            print(f"  {name:<14} {value}")
    for title, names in (("differs", result.differing), ("untidy", result.untidy), ("failed", result.failed)):
        for name in names[:20]:
            print(f"  {title}: {name}")
        if len(names) > 20:
            print(f"  {title}: and {len(names) - 20} more")


if __name__ == "__main__":
    sys.exit(main())

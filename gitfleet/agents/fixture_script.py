"""What the fixture runs: ``python fixture_script.py HANDOFF REASON`` with the prompt on standard input.

Standard library only: it is started by itself, in a worktree, without gitfleet on its path.
"""

import json
import os
import sys


def main(handoff: str, reason: str) -> None:
    """Read the prompt, say so, and report that nothing was changed."""
    size = len(sys.stdin.buffer.read())
    for event in (
        {"began": f"fixture-{os.environ.get('GITFLEET_INSTANCE', '')}"},
        {"said": f"Read a prompt of {size} bytes; {reason}."},
        {"turn": "1"},
    ):
        print(json.dumps(event), flush=True)  # noqa: T201 - its output is its stream
    with open(handoff, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would cost half of its life
        json.dump({"no_change": reason}, file)
    print(json.dumps({"ended": True}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

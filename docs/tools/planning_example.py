"""Write ``.planning-example/`` again: what one run of the demo leaves on the branch. Session id, times and port differ each time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".planning-example"


def main() -> None:
    """Run the demo in a temporary directory and unpack its branch's ``.planning``."""
    with tempfile.TemporaryDirectory() as directory:
        repo = Path(directory) / "demo"
        subprocess.run([sys.executable, "-m", "gitfleet", "demo", str(repo)], cwd=ROOT, check=True)
        # Not `git archive`, which leaves out what is marked export-ignore.
        names = subprocess.run(
            ["git", "ls-tree", "-r", "-z", "--name-only", "main", "--", ".planning"],
            cwd=repo,
            check=True,
            capture_output=True,
        ).stdout
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        for name in filter(None, names.decode().split("\0")):
            content = subprocess.run(["git", "show", f"main:{name}"], cwd=repo, check=True, capture_output=True).stdout
            path = EXAMPLE / Path(name).relative_to(".planning")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    print(f"{EXAMPLE.name}/ written")


if __name__ == "__main__":
    main()

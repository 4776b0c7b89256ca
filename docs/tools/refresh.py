"""Run the demo once; from it, write ``.planning-example/`` and the terminal output in the README.

Session id, times and port differ from run to run, so nothing checks that a second run gives the same; tests check that
what is here is valid.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".planning-example"
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- demo: [^\n]*-->\n).*?(<!-- /demo -->)", re.DOTALL)


def git(repo: Path, *args: str) -> bytes:
    """Run git in the demo's repository."""
    return subprocess.run(["git", *args], cwd=repo, check=True, capture_output=True).stdout


def write_example(repo: Path) -> None:
    """Unpack the branch's ``.planning``; not by `git archive`, which leaves out what is marked export-ignore."""
    shutil.rmtree(EXAMPLE, ignore_errors=True)
    for name in filter(None, git(repo, "ls-tree", "-r", "-z", "--name-only", "main", "--", ".planning").split(b"\0")):
        path = EXAMPLE / Path(name.decode()).relative_to(".planning")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(git(repo, "show", f"main:{name.decode()}"))


def write_readme(output: str, place: Path) -> None:
    """Put the demo's output between the README's marks, with the person's directory instead of a temporary one."""
    text = output.replace(str(place.resolve()), "~/work").replace(str(place), "~/work").strip()
    text = f"```text\n$ gitfleet demo\n{text}\n```\n"
    README.write_text(BLOCK.sub(lambda match: match[1] + text + match[2], README.read_text(encoding="utf-8")))


def main() -> None:
    """Run the demo in a temporary directory and write both."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        run = [sys.executable, "-m", "gitfleet", "demo", str(place / "gitfleet-demo")]
        done = subprocess.run(run, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        write_example(place / "gitfleet-demo")
        write_readme(done.stdout, place)
    print(f"{EXAMPLE.name}/ and {README.name} written")


if __name__ == "__main__":
    main()

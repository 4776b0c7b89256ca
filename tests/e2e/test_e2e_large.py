"""A real tree of thousands of files, and a session of two hundred tasks."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.support.fleet import FleetEnv, write
from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    merge_commits,
    plan_of,
    record_commits,
    state_runs,
    task,
    trailers,
    tree_without_planning,
)

SDIST = "django==5.2.4"
CACHE = Path(tempfile.gettempdir()) / f"gitfleet-test-cache-{os.getuid()}"


def sdist() -> Path:
    """The unpacked release, downloaded by pip once a machine."""
    tree = CACHE / SDIST
    if not tree.is_dir():
        CACHE.mkdir(mode=0o700, exist_ok=True)
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        environ = {**os.environ, "HOME": str(CACHE), "PIP_CACHE_DIR": str(CACHE / "pip")}
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            subprocess.run([*download, "--dest", scratch, SDIST], check=True, env=environ)
            (archive,) = Path(scratch).glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            (unpacked,) = (path for path in Path(scratch).iterdir() if path.is_dir())
            unpacked.rename(tree)
    return tree


EDITS = {
    # name: (command, scope, dependencies); a directory, a file or a glob each
    "docs-intro": ("for f in docs/intro/*.txt; do echo reviewed >> $f; done", ["docs/intro/"], ()),
    "docs-howto": ("for f in docs/howto/*.txt; do echo reviewed >> $f; done", ["docs/howto/"], ()),
    "license": ("echo reviewed >> LICENSE", ["LICENSE"], ()),
    "css": ("find django -name '*.css' | while read -r f; do echo '/* r */' >> \"$f\"; done", ["django/**/*.css"], ()),
    "po": ("for f in django/conf/locale/de*/*/*.po; do echo '# r' >> $f; done", ["django/conf/locale/de*/*/*.po"], ()),
    "readme": ("cat LICENSE >> README.rst", ["README.rst"], ("license",)),
    "http": ("printf '\\n# reviewed\\n' >> django/http/request.py", ["django/http/"], ("docs-intro",)),
    "utils": ("git mv django/utils/autoreload.py django/utils/reloading.py", ["django/utils/*.py"], ("docs-howto",)),
    "remove": ("git rm -qr docs/man", ["docs/man/"], ("css",)),
    "authors": ("sort -o AUTHORS AUTHORS", ["AUTHORS"], ("readme", "http")),
    "summary": ("find django -name '*.py' | wc -l > SUMMARY", ["SUMMARY"], ("utils", "remove")),
    "script": ("printf '#!/bin/sh\\n' > run.sh; chmod +x run.sh", ["run.sh"], ("po", "authors")),
}


@pytest.mark.slow
@pytest.mark.share(2)
@pytest.mark.timeout(600)
def test_a_plan_of_twelve_tasks_on_a_real_tree(fleet: FleetEnv) -> None:
    repo, by_hand = fleet.root / "repo", fleet.root / "by-hand"
    for path in (repo, by_hand):
        subprocess.run(["cp", "-R", str(sdist()), str(path)], check=True)
        fleet.git("init", "-q", "-b", "main", cwd=path)
        fleet.identify(path)
        fleet.git("add", "-A", "-f", cwd=path)
        fleet.git("commit", "-qm", "The release", cwd=path)
    assert len(fleet.git("ls-files").splitlines()) >= 5000
    config = config_of(["python3 -m compileall -q django/http", "test -s LICENSE"], waves={"max_agents": 4})
    fleet.config(repo, config)
    plan = plan_of(*(task(name, command, scope, *after) for name, (command, scope, after) in EDITS.items()))

    fleet.run("wave", fleet.plan(plan), "--yes", seconds=500).ok()

    runs = state_runs(fleet, repo)
    assert {run.state for run in runs.values()} == {"landed"}
    waves = max(run.wave for run in runs.values())
    assert waves >= 3
    for number in range(1, waves + 1):
        for name, run in runs.items():
            if run.wave == number:
                subprocess.run(["sh", "-c", EDITS[name][0]], cwd=by_hand, env=fleet.environ, check=True)
        fleet.git("add", "-A", "-f", cwd=by_hand)
        fleet.git("commit", "-qm", f"wave {number}", cwd=by_hand)
    assert tree_without_planning(fleet, repo, "main") == tree_without_planning(fleet, by_hand, "main")
    merges = merge_commits(fleet, repo)
    assert len(merges) == len(EDITS)
    assert {trailers(fleet, repo, commit)["Gitfleet-Instance"] for commit in merges} == {
        r.instance for r in runs.values()
    }
    assert len(record_commits(fleet, repo)) == waves
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
@pytest.mark.share(4)
@pytest.mark.timeout(900)
def test_two_hundred_tasks_in_little_memory(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    write(repo, {})
    plan = plan_of(*(task(f"t{n}", f"echo {n} > f{n}.txt", [f"f{n}.txt"]) for n in range(200)))

    session = subprocess.Popen(
        fleet.argv("wave", fleet.plan(plan), "--yes", "--max-agents", "8"),
        cwd=repo,
        env=fleet.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(session.pid, 0)
    session.returncode = os.waitstatus_to_exitcode(status)

    assert session.returncode == 0
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert peak < 150 * 2**20
    assert {str(run.state) for run in state_runs(fleet, repo).values()} == {"landed"}
    assert len(list(repo.glob("f*.txt"))) == 200
    assert_nothing_remains(fleet, repo)

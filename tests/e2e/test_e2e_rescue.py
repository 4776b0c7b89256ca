"""Work that did not land: it is in a snapshot, a person sees it, and it comes back byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tests.cli.test_cli_usage import ROOT
from tests.support.sessions import plan_of, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

WORK = (
    "printf 'a\\r\\nb\\n' > one.txt; mkdir -p out; printf 'made\\000' > out/made.log; printf new > 'new file';"
    " printf staged > both; git add both; printf file > both; chmod +x one.txt; exit 7"
)


pytestmark = pytest.mark.leaves_worktrees("trees of runs that failed stay for people")


def failed_session(fleet: FleetEnv) -> tuple[Path, str]:
    """A session whose one attempt left work of every sort: the repository and the instance."""
    repo = fleet.repo({"README": "hello\n", ".gitignore": "*.log\n", ".gitattributes": "*.txt text\n"})
    fleet.run("wave", fleet.plan(plan_of(task("one", WORK, ["one.txt", "out/", "new file", "both"]))), "--yes").ok(1)
    report = fleet.run("rescue", "--json").ok().json
    return repo, str(report["snapshots"][-1]["instance"])


def test_rescue_lists_shows_and_brings_back(fleet: FleetEnv) -> None:
    repo, instance = failed_session(fleet)
    report = fleet.run("rescue", "--json").json
    newest = report["snapshots"][-1]
    assert report["schema"] == "gitfleet/report/rescue/v1"
    assert report["bytes"] == sum(row["bytes"] for row in report["snapshots"])
    assert (newest["task"], newest["attempt"], newest["reason"], newest["files"]) == ("one", "1", "exit-code", 4)
    assert newest["ref"] == f"refs/gitfleet/wip/{instance}/{newest['number']}"
    assert newest["commit"] == fleet.git("rev-parse", newest["ref"])
    assert newest["age_seconds"] >= 0
    assert newest["taken"].endswith("Z")
    assert newest["session"] in instance
    assert newest["base"] == fleet.git("rev-parse", "main")
    assert newest["head"] == fleet.git("rev-parse", f"fleet/{newest['session']}/one")
    assert (newest["cut"], newest["gaps"], newest["nested"]) == ([], [], [])
    # The state of the index before the work was committed is kept by itself.
    first = report["snapshots"][0]
    assert first["reason"] == "half staged"
    shown = fleet.run("rescue", "show", f"{instance}/1", "--json").json
    assert shown["schema"] == "gitfleet/report/rescue-show/v1"
    assert shown["snapshot"]["number"] == 1
    assert [(file["path"], file["change"], file["bytes"]) for file in shown["files"]] == [
        ("both", "added", 4),
        ("both", "staged", 6),
        ("new file", "added", 3),
        ("one.txt", "added", 5),
        ("out/made.log", "ignored", 5),
    ]
    assert shown["patch"] is None
    assert "+file" in fleet.run("rescue", "show", f"{instance}/1", "--patch", "--json").json["patch"]
    patch = fleet.run("rescue", "show", instance, "--patch").ok()
    assert "new file mode 100755" in patch.out

    applied = fleet.run("rescue", "apply", instance, "--to", "saved", "--into", fleet.root / "back", "--json").ok().json
    assert applied["schema"] == "gitfleet/report/rescue-apply/v1"
    assert (applied["branch"], applied["directory"], applied["files"]) == ("saved", str(fleet.root / "back"), 7)
    assert applied["commit"] == fleet.git("rev-parse", "saved")
    assert applied["snapshot"]["instance"] == instance
    back = fleet.root / "back"
    assert (back / "one.txt").read_bytes() == b"a\r\nb\n"
    assert os.access(back / "one.txt", os.X_OK)
    assert (back / "out/made.log").read_bytes() == b"made\0"
    assert (back / "README").read_text() == "hello\n"
    blob = subprocess.run(
        ["git", "cat-file", "blob", "saved:one.txt"], cwd=repo, capture_output=True, check=True
    ).stdout
    assert blob == b"a\r\nb\n"
    assert fleet.git("status", "--porcelain") == ""
    assert fleet.git("branch", "--show-current") == "main"
    for name in ("rescue", "rescue-show", "rescue-apply"):
        schema = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text())
        document = {"rescue": report, "rescue-show": shown, "rescue-apply": applied}[name]
        jsonschema.Draft202012Validator(schema).validate(document)


def test_prune_is_the_only_thing_that_deletes_and_asks_first(fleet: FleetEnv) -> None:
    _, instance = failed_session(fleet)
    session = instance.removeprefix("fleet-").rpartition("-w")[0]
    before = fleet.git("for-each-ref", "refs/gitfleet/wip")
    fleet.run("clean").ok()
    fleet.run("clean").ok()
    assert fleet.git("for-each-ref", "refs/gitfleet/wip") == before
    young = fleet.run("rescue", "prune", "--older-than", "1h", "--yes", "--json").ok().json
    assert (young["removed"], young["kept"], young["dry_run"], young["bytes"]) == ([], 2, False, 0)
    refused = fleet.run("rescue", "prune", "--older-than", "0m").ok(3)
    assert "nothing was deleted" in refused.err
    assert fleet.run("rescue", "prune", "--older-than", "soon", "--yes").ok(2).err.startswith("gitfleet: soon is not")
    dry = fleet.run("rescue", "prune", "--older-than", "0m", "--session", session, "--dry-run", "--json").ok().json
    assert dry["schema"] == "gitfleet/report/rescue-prune/v1"
    assert (len(dry["removed"]), dry["kept"], dry["dry_run"]) == (2, 0, True)
    assert fleet.git("for-each-ref", "refs/gitfleet/wip") == before
    other = fleet.run("rescue", "prune", "--older-than", "0m", "--session", "other-aaaaaa", "--yes", "--json").ok().json
    assert other["removed"] == []
    assert fleet.run("rescue", "--session", session, "--json").ok().json["snapshots"]
    assert not fleet.run("rescue", "--session", "other-aaaaaa", "--json").ok().json["snapshots"]
    for words in ((), ("--session", session), ("--session", "other-aaaaaa")):
        by_name, plain = (
            [
                row["ref"]
                for row in fleet.run(*line, *words, "--json", "--repo", fleet.root / "repo").ok().json["snapshots"]
            ]
            for line in (("rescue", "list"), ("rescue",))
        )
        assert by_name == plain
        assert bool(by_name) == ("other-aaaaaa" not in words)
    fleet.run("rescue", "prune", "--older-than", "0m", "--yes").ok()
    assert fleet.git("for-each-ref", "refs/gitfleet/wip") == ""
    assert fleet.run("rescue").ok().out == "No snapshots: no attempt left work that did not land.\n"


def test_a_branch_or_a_directory_that_exists_is_never_touched(fleet: FleetEnv) -> None:
    repo, instance = failed_session(fleet)
    main = fleet.git("rev-parse", "main")
    assert "exists already" in fleet.run("rescue", "apply", instance, "--to", "main").ok(2).err
    assert fleet.git("rev-parse", "main") == main
    assert "not an empty directory" in fleet.run("rescue", "apply", instance, "--into", repo).ok(2).err
    assert "git's own directory" in fleet.run("rescue", "apply", instance, "--into", repo / ".git" / "x").ok(2).err
    assert "Say where" in fleet.run("rescue", "apply", instance).ok(2).err
    assert "no branch called" in fleet.run("rescue", "apply", instance, "--to", "x..y").ok(2).err
    missing = fleet.run("rescue", "show", f"{instance}/9", "--json", "--repo", repo).ok(2).json
    assert missing["error"]["code"] == "unknown-snapshot"
    assert "it has 1, 2" in missing["error"]["hint"]
    # What stands before the name of the command below counts as what stands behind it.
    assert fleet.run("rescue", "--json", "--repo", repo, "show", "one").ok().json["snapshot"]["number"] == 2
    applied = fleet.run("rescue", "apply", "one", "--to", "saved", "--repo", repo).ok()
    assert "look at it: git switch saved" in applied.out
    fleet.run("rescue", "prune", "--older-than", "1d", "--yes", "--repo", repo).ok()


def test_a_failure_says_where_its_work_is(fleet: FleetEnv) -> None:
    repo, instance = failed_session(fleet)
    inspected = fleet.run("inspect", "one").ok()
    assert f"kept:       gitfleet rescue show {instance}/2" in inspected.out
    assert f"next: gitfleet rescue show {instance}/2" in inspected.out
    run = fleet.run("inspect", "one", "--json").json["run"]
    assert run["attempts"][0]["snapshots"] == [f"refs/gitfleet/wip/{instance}/2"]
    assert "unkept" not in run["attempts"][0]
    report = next((repo / ".git" / "gitfleet" / "state" / "sessions").glob("*/session.md")).read_text()
    assert f"`gitfleet rescue show {instance}/2`" in report

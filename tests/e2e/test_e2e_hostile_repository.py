"""Repository config, hooks, and the caller's environment as an attack; and repositories of unusual make.

What git itself runs for a checkout or a merge of the user's (filters, merge drivers) runs for ours as well: without
them the files would be wrong. Nothing else that a config names may run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import FleetEnv, write
from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    merge_commits,
    plan_of,
    record_commits,
    states,
    task,
    trailers,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ONE = plan_of(task("one", "echo x > one", ["one"]))
PROGRAMS = (
    "core.fsmonitor",
    "core.sshCommand",
    "core.editor",
    "core.pager",
    "core.askPass",
    "sequence.editor",
    "diff.external",
    "diff.odd.command",
    "diff.odd.textconv",
    "credential.helper",
    "gpg.program",
    "interactive.diffFilter",
)
HOOKS = (
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "prepare-commit-msg",
    "reference-transaction",
)


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def ran(log: Path) -> set[str]:
    return set(log.read_text().split("\n")) - {""} if log.exists() else set()


def test_nothing_that_the_config_names_runs_but_filters_and_merge_drivers(fleet: FleetEnv) -> None:
    log = fleet.root / "log"
    repo = fleet.repo({"a.txt": "1\n2\n3\n4\n5\n", ".gitattributes": "*.txt diff=odd filter=odd merge=odd\n"})
    for name in PROGRAMS:
        fleet.git("config", name, script(fleet.root / "bin" / name, f"echo {name} >> '{log}'; cat"))
    for name in ("status", "merge-tree", "commit-tree", "worktree", "update-ref"):
        fleet.git("config", f"alias.{name}", f"!echo alias.{name} >> '{log}'")
    for name in ("clean", "smudge"):
        fleet.git("config", f"filter.odd.{name}", script(fleet.root / "bin" / name, f"echo {name} >> '{log}'; cat"))
    fleet.git("config", "merge.odd.driver", f"echo driver >> '{log}'; git merge-file -p %A %O %B > %A.m; mv %A.m %A")
    log.unlink(missing_ok=True)
    plan = plan_of(
        task("one", "sed -i s/1/one/ a.txt", ["a.txt"]),
        task("two", "sed -i s/5/two/ a.txt", ["a.txt"], "one"),
    )
    fleet.config(repo, config_of(["grep one a.txt || grep two a.txt"]))
    log.unlink(missing_ok=True)

    fleet.run("wave", fleet.plan(plan), "--yes").ok()

    seen = ran(log)
    assert seen <= {"clean", "smudge", "driver"}
    assert "smudge" in seen


@pytest.mark.parametrize("place", ["hooks", "core.hooksPath"])
def test_hooks_run_for_the_agents_own_commits_and_not_for_ours(place: str, fleet: FleetEnv) -> None:
    log = fleet.root / "log"
    repo = fleet.repo()
    directory = repo / ".git/hooks" if place == "hooks" else fleet.root / "hooks"
    for name in HOOKS:
        # Git gives a hook of an agent's commit the agent's environment.
        script(directory / name, f'echo "{name} ${{GITFLEET_TASK:-ours}}" >> "{log}"')
    if place != "hooks":
        fleet.git("config", "core.hooksPath", directory)
    log.unlink(missing_ok=True)
    plan = plan_of(
        task("left", "echo x > left", ["left"]),
        task("own", "echo x > own; git add own; git commit -qm Own", ["own"], "left"),
    )

    fleet.run("wave", fleet.plan(plan), "--yes").ok()

    seen = ran(log)
    assert {"pre-commit own", "commit-msg own", "post-commit own"} <= seen
    assert {line.split()[1] for line in seen} == {"own"}


def test_the_callers_git_variables_do_not_mislead(fleet: FleetEnv) -> None:
    other, repo = fleet.repo(name="other"), fleet.repo()
    before = fleet.git("for-each-ref", cwd=other)
    misled = FleetEnv(
        fleet.root,
        {
            "GIT_DIR": str(other / ".git"),
            "GIT_WORK_TREE": str(other),
            "GIT_COMMON_DIR": str(other / ".git"),
            "GIT_INDEX_FILE": str(fleet.root / "index"),
            "GIT_OBJECT_DIRECTORY": str(other / ".git/objects"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.bare",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
            "GIT_NAMESPACE": "other",
            "GIT_EXTERNAL_DIFF": "false",
            "GIT_EDITOR": "false",
            "GIT_PAGER": "false",
            "GIT_ICASE_PATHSPECS": "1",
            "GIT_SHALLOW_FILE": str(fleet.root / "shallow"),
            "GIT_GRAFT_FILE": str(fleet.root / "graft"),
            "GIT_DEFAULT_HASH": "sha256",
            "GIT_ATTR_SOURCE": "HEAD~99",
            "GIT_OPTIONAL_LOCKS": "1",
        },
    )

    misled.run(
        "wave", fleet.plan(plan_of(task("one", "echo x > one; git add one; git commit -qm One", ["one"]))), "--yes"
    ).ok()

    assert fleet.git("for-each-ref", cwd=other) == before
    assert (repo / "one").exists()
    assert not (other / "one").exists()
    assert not (fleet.root / "index").exists()
    assert_nothing_remains(fleet, repo)


def test_an_identity_in_the_environment_is_the_agents_too(fleet: FleetEnv) -> None:
    fleet.repo()
    for key in ("user.name", "user.email"):
        fleet.git("config", "--unset", key)
    fleet.git("config", "user.useConfigOnly", "true")
    plan = fleet.plan(plan_of(task("one", "echo x > one; git add one; git commit -qm One", ["one"])))
    assert "user.email" in fleet.run("wave", plan, "--yes").ok(4).err
    for role in ("AUTHOR", "COMMITTER"):
        fleet.variables |= {f"GIT_{role}_NAME": "Grace", f"GIT_{role}_EMAIL": "grace@example.org"}

    fleet.run("wave", plan, "--yes").ok()

    people = fleet.git("log", "main", "--not", "main~2", "--format=%an %ce").splitlines()
    assert people == ["Grace grace@example.org"] * 3


def test_a_task_name_forges_no_trailer_and_breaks_no_table(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    name = "a | b `c` <!-- \U0001f600 Gitfleet-Verified: all # [x](y) \u00fc"
    check = {"run": "true\n\n# Gitfleet-Verified: all", "name": "Gitfleet-Instance: x, # y"}
    fleet.config(repo, config_of([], verify={"commands": [check]}))

    plan = fleet.plan(plan_of(task("one", "echo x > one", ["one"], name=name), name=name), "plan.json")
    fleet.run("wave", plan, "--yes").ok()

    (merge,) = merge_commits(fleet, repo)
    found = trailers(fleet, repo, merge)
    assert set(found) == {"Gitfleet-Instance", "Gitfleet-Verified"}
    assert found["Gitfleet-Verified"] == check["name"]
    assert name in fleet.git("log", "-1", "--format=%s", merge)
    (record,) = record_commits(fleet, repo)
    assert len(record) < 200
    (wave,) = (repo / ".planning").glob("sessions/*/waves/w1.md")
    rows = [line.replace("\\|", "") for line in wave.read_text().splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) <= 1
    assert "<!--" not in wave.read_text()


def test_a_sparse_checkout_of_the_users_hides_nothing_from_agents_and_checks(fleet: FleetEnv) -> None:
    repo = fleet.repo({"in/a": "1\n", "out/b": "2\n"})
    fleet.config(repo, config_of(["grep 2 out/b && grep 3 out/b"]))
    fleet.git("sparse-checkout", "set", "in")

    fleet.run("wave", fleet.plan(plan_of(task("one", "echo 3 >> out/b", ["out/"]))), "--yes").ok()

    assert fleet.git("show", "HEAD:out/b") == "2\n3"
    assert not (repo / "out").exists()
    assert fleet.git("status", "--porcelain") == ""


def test_line_endings_and_filters_are_the_repositorys(fleet: FleetEnv) -> None:
    repo = fleet.repo({"a.txt": "1\n", ".gitattributes": "*.bat eol=crlf\n*.up filter=up\n", "b.bat": "1\n"})
    fleet.git("config", "core.autocrlf", "true")
    fleet.git("config", "filter.up.clean", "tr a-z A-Z")
    fleet.git("config", "filter.up.smudge", "tr A-Z a-z")
    for name in ("a.txt", "b.bat"):
        (repo / name).unlink()
    fleet.git("checkout", ".")
    line = "printf '2\\r\\n' >> a.txt; printf '2\\r\\n' >> b.bat; echo word > c.up"

    fleet.run("wave", fleet.plan(plan_of(task("one", line, ["a.txt", "b.bat", "c.up"]))), "--yes").ok()

    assert [fleet.git_raw("show", f"HEAD:{name}").stdout for name in ("a.txt", "b.bat", "c.up")] == [
        b"1\n2\n",
        b"1\n2\n",
        b"WORD\n",
    ]
    assert [(repo / name).read_bytes() for name in ("a.txt", "b.bat", "c.up")] == [
        b"1\r\n2\r\n",
        b"1\r\n2\r\n",
        b"word\r\n",
    ]
    assert_nothing_remains(fleet, repo)


def test_refs_that_look_like_something_else(fleet: FleetEnv) -> None:
    repo = fleet.repo({"HEAD": "x\n", "main": "x\n", "refs": "x\n", "-x": "x\n"})
    fleet.git("commit", "-q", "--allow-empty", "-m", "Second")
    fleet.git("tag", "main", "HEAD~1")
    fleet.git("tag", "HEAD", "HEAD~1")
    for name in ("-x", "--all", "a\u2028b", "a\x85b"):
        fleet.git("update-ref", f"refs/heads/{name}", "HEAD~1")
        fleet.git("update-ref", f"refs/remotes/origin/{name}", "HEAD~1")
    fleet.git("replace", "HEAD~1", fleet.git("commit-tree", "HEAD~1^{tree}", "-m", "Fake"))
    line = "echo y > HEAD; echo y > ./-x; echo y > main"

    for target in ("main", "-x"):
        fleet.git("symbolic-ref", "HEAD", f"refs/heads/{target}")
        fleet.git("reset", "-q", "--hard")
        plan = plan_of(task("one", line, ["HEAD", "-x", "main"]))
        fleet.run("wave", fleet.plan(plan), "--yes").ok()
        assert fleet.git("show", f"refs/heads/{target}:HEAD") == "y"

    assert fleet.git("rev-parse", "refs/tags/main") == fleet.git("rev-parse", "refs/heads/--all")
    assert_nothing_remains(fleet, repo)


@pytest.mark.parametrize("name", ["new\nline", "-x 'y' \"z\" $(touch pwned) \x1b[31m", "latin-\udce9"])
def test_a_repository_with_a_name_like_that(name: str, fleet: FleetEnv) -> None:
    repo = fleet.repo(name=name)
    fleet.config(repo, config_of(["test -e README.md"]))

    fleet.run("wave", fleet.plan(ONE), "--yes", cwd=repo).ok()

    assert states(fleet, repo) == {"one": "landed"}
    for arguments in (["status"], ["check"], ["inspect", "one"], ["clean"]):
        told = fleet.run(*arguments, cwd=repo).ok()
        assert not [char for char in told.out + told.err if char < " " and char != "\n"]
    assert not list(fleet.root.rglob("pwned"))


def test_sha256_and_a_partial_clone(fleet: FleetEnv) -> None:
    repo = fleet.root / "repo"
    repo.mkdir()
    fleet.git("init", "-q", "-b", "main", "--object-format=sha256")
    fleet.identify(repo)
    write(repo, {"README.md": "x\n"})
    fleet.git("add", "-A")
    fleet.git("commit", "-qm", "Begin")
    fleet.run("wave", fleet.plan(ONE), "--yes").ok()
    assert len(fleet.git("rev-parse", "main")) == 64
    assert_nothing_remains(fleet, repo)

    fleet.repo({"big": "x" * 1000, "README.md": "x\n"}, name="origin")
    fleet.git("config", "uploadpack.allowFilter", "true", cwd=fleet.root / "origin")
    url = f"file://{fleet.root}/origin"
    fleet.git("clone", "-q", "--filter=blob:none", "--no-checkout", url, "clone", cwd=fleet.root)
    clone = fleet.root / "clone"
    fleet.identify(clone)
    fleet.git("checkout", "-q", "-b", "work", cwd=clone)
    fleet.run("wave", fleet.plan(plan_of(task("one", "cat big > one", ["one"]))), "--yes", cwd=clone).ok()
    assert fleet.git("show", "work:one", cwd=clone) == "x" * 1000

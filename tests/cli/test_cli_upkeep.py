"""init, doctor, clean, check: setting up, examining, tidying."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from gitfleet.app.init import detect
from gitfleet.app.load import load_config
from gitfleet.errors import ExitCode
from gitfleet.git.repository import discover
from gitfleet.git.worktrees import Worktree, add
from gitfleet.model.reports import CheckReport, CleanReport, DoctorReport, InitReport
from gitfleet.model.run import MergeRecord, RunState
from gitfleet.model.session import SessionState
from gitfleet.store import records
from gitfleet.store.claims import Claims
from gitfleet.store.locks import hold, worktrees_lock
from gitfleet.store.state import State
from tests.cli.test_cli_looking import claim
from tests.cli.test_cli_usage import validate
from tests.support.commands import a_run, a_session, attempt_files, call, lease, place, run

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.model.run import Run
    from gitfleet.store.layout import Layout
    from tests.support.repo import Repo


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({}, []),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, ["pytest -q"]),
        ({"pyproject.toml": "not toml ["}, []),
        ({"pyproject.toml": "[tool.ruff]\n[tool.pytest]\n"}, ["ruff check .", "pytest -q"]),
        (
            {"package.json": '{"scripts": {"test": "jest", "lint": "eslint ."}}', "yarn.lock": ""},
            ["yarn run lint", "yarn test"],
        ),
        ({"package.json": '{"scripts": ["test"]}'}, []),
        ({"pytest.ini": ""}, ["pytest -q"]),
        ({"tox.ini": ""}, ["tox -q"]),
        ({"package.json": '{"scripts": {"test": "jest"}}'}, ["npm test"]),
        ({"package.json": '{"scripts": {"test": "jest"}}', "pnpm-lock.yaml": ""}, ["pnpm test"]),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, []),
        ({"package.json": "[1]"}, []),
        ({"Cargo.toml": "", "go.mod": ""}, ["cargo test --quiet", "go test ./..."]),
        ({"Makefile": "all:\n\ntest: all\n\t./t\n"}, ["make test"]),
        ({"Makefile": "test := 1\n"}, []),
        ({"Makefile": "test:\n", "go.mod": ""}, ["go test ./..."]),
    ],
)
def test_checks_are_found_by_what_is_there(tmp_path: Path, files: dict[str, str], commands: list[str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert [found.run for found in detect(tmp_path)] == commands


def test_init_writes_a_valid_config_and_commits_nothing(repo: Repo) -> None:
    repo.commit({"pyproject.toml": "[tool.pytest]\n", ".gitignore": ".env\n", "uv.lock": ""})
    repo.write(".env", "SECRET=1")
    before = repo.oid()
    answer = run("init", "--repo", repo.path)
    assert answer.code == 0
    assert answer.out.startswith("gitfleet is set up: wrote .planning/config.yaml")
    assert "pyproject.toml has [tool.pytest]" in answer.out
    assert ".env is ignored by git" in answer.out
    assert "uv.lock" in answer.out
    config = load_config((repo.path / ".planning" / "config.yaml").read_bytes(), "config.yaml")
    assert [check.run for check in config.verify.commands] == ["pytest -q"]
    assert repo.oid() == before
    assert repo.status() == "?? .planning/config.yaml"
    assert (repo.path / ".planning" / "live").is_symlink()


def test_the_config_of_init_is_valid_without_a_check_too(repo: Repo) -> None:
    document = run("init", "--repo", repo.path, "--json").json
    validate(document, InitReport)
    assert load_config(document["config"].encode(), "config.yaml").verify.commands == ()
    assert "unverified" in document["notes"][0]


def test_the_comments_in_the_config_of_init_are_settings_that_hold(repo: Repo) -> None:
    text = run("init", "--repo", repo.path, "--json").json["config"]
    plain = re.sub(r"^(\s*)# ?(?=[ a-z_]+:|\s+- )", r"\1", text, flags=re.MULTILINE)
    config = load_config(plain.replace("# target", "target").encode(), "config.yaml")
    assert (config.agent, config.target) == ("claude", "main")
    assert config.agents["careful"].fallback == ("codex",)
    assert config.verify.commands


def test_init_and_doctor_lead_to_an_account_where_an_agent_is_installed(repo: Repo, tmp_path: Path) -> None:
    claude = tmp_path / "bin/claude"
    claude.parent.mkdir()
    claude.write_text("#!/bin/sh\n")
    claude.chmod(0o755)
    variables = {"PATH": f"{claude.parent}:{os.environ['PATH']}", "XDG_STATE_HOME": str(tmp_path / "state")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert "`gitfleet accounts connect claude` connects" in run("init", "--repo", repo.path).out
        findings = run("doctor", "--repo", repo.path, "--json").json["findings"]
    said = [finding for finding in findings if finding["name"] == "account-none"]
    assert [finding["hint"] for finding in said] == ["gitfleet accounts connect claude"]


def test_init_overwrites_nothing(repo: Repo) -> None:
    repo.write(".planning/config.yaml", "mine\n")
    answer = run("init", "--yes", "--repo", repo.path)
    assert answer.code == ExitCode.USAGE
    assert answer.err == (
        "gitfleet: .planning/config.yaml exists and is not overwritten.\n"
        "Edit it, and let `gitfleet check` validate it.\n"
    )
    assert (repo.path / ".planning" / "config.yaml").read_text() == "mine\n"


def test_the_doctor_finds_a_healthy_repository_healthy(repo: Repo) -> None:
    repo.write("pytest.ini", "")
    assert run("init", "--repo", repo.path).code == 0
    answer = run("doctor", "--repo", repo.path)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "Nothing needs you: gitfleet can work here.")
    validate(run("doctor", "--repo", repo.path, "--json").json, DoctorReport)


def test_the_doctor_names_each_illness_and_what_to_do(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = place(repo.path, a_session("auth-k3f9qm"), a_run("api", RunState.RUNNING))
    claim(layout, "gone-aaaaaa", "old", "fleet-gone-aaaaaa-w1-a1")
    layout.root.chmod(0o755)
    repo.write(".planning/config.yaml", "verify: 3\nwaves: {max_agents: 0}\n")
    repo.write(".planning/live", "a file")
    repo.git("worktree", "add", "-q", "--detach", "../lost")
    (repo.path.parent / "lost").rename(repo.path.parent / "moved")
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    repo.git("config", "user.useConfigOnly", "true")
    answer = run("doctor", "--repo", repo.path, "--json")
    assert answer.code == ExitCode.ENVIRONMENT
    found = {(row["name"], row["level"]) for row in answer.json["findings"]}
    assert {
        ("identity", "fail"),
        ("config", "fail"),
        ("state", "warn"),
        ("live link", "warn"),
        ("exclude", "warn"),
        ("sessions", "warn"),
        ("claims", "warn"),
        ("worktrees", "warn"),
    } <= found
    for row in answer.json["findings"]:
        assert row["level"] == "ok" or row["hint"], row
    problems = next(row["message"] for row in answer.json["findings"] if row["name"] == "config")
    assert "verify" in problems
    assert "max_agents" in problems


def test_the_doctor_works_where_there_is_no_repository_and_no_git(tmp_path: Path) -> None:
    answer = run("doctor", "--repo", tmp_path)
    assert answer.code == ExitCode.ENVIRONMENT
    assert "not in a git repository" in answer.out
    (tmp_path / "empty").mkdir()
    import sys  # noqa: PLC0415

    without = call("doctor", "--repo", tmp_path, env={"PATH": str(tmp_path / "empty")})
    assert sys.executable
    assert without.code == ExitCode.ENVIRONMENT
    assert "no git" in without.out


def landed_session(repo: Repo, tmp_path: Path) -> tuple[Layout, Run, Path]:
    """A closed session whose one run landed, with its branch, worktree, log, claim and trash still there."""
    repo.git("switch", "-qc", "fleet/auth-k3f9qm/api")
    tip = repo.commit({"src/api/a.py": "1\n"})
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge api", "fleet/auth-k3f9qm/api")
    merge = MergeRecord(commit=repo.oid(), landing=1, target="refs/heads/main")
    landed = a_run("api", RunState.LANDED, tip=tip, merge=merge)
    layout = place(repo.path, a_session(state=SessionState.COMPLETED, ended="2026-01-02T03:05:00.000Z"), landed)
    attempt_files(layout, landed, b"x" * 1000)
    claim(layout)
    tree = tmp_path / "trees" / "one"
    repo.git("branch", "-q", "keep", tip)
    made = add(discover(repo.path), tree, tip, None, worktrees_lock(layout), instance=landed.instance)
    assert isinstance(made, Worktree)
    lease(layout, landed, tree)
    layout.trash.mkdir()
    (layout.trash / "old").write_bytes(b"y" * 500)
    return layout, landed, tree


def publish(repo: Repo, layout: Layout) -> None:
    """Commit every record of the session, as a landing would."""
    for path, data in records.pending(State(layout), "auth-k3f9qm", ()).items():
        repo.write(f".planning/{path}", data)
    repo.git("add", ".planning")
    repo.git("commit", "-qm", "records")


def test_clean_removes_what_is_landed_and_published(repo: Repo, tmp_path: Path) -> None:
    layout, landed, tree = landed_session(repo, tmp_path)
    publish(repo, layout)
    files = {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}
    assert layout.lease(tree.name) in files
    dry = run("clean", "--dry-run", "--repo", repo.path, "--json").json
    validate(dry, CleanReport)
    assert {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()} == files
    assert tree.exists()
    answer = run("clean", "--repo", repo.path, "--json").json
    assert {(item["kind"], item["removed"]) for item in answer["items"]} == {
        (kind, True) for kind in ("claim", "worktree", "branch", "log", "session", "trash")
    }
    assert [(item["kind"], item["name"], item["removed"]) for item in dry["items"]] == [
        (item["kind"], item["name"], item["removed"]) for item in answer["items"]
    ]
    assert answer["freed_bytes"] >= 1500
    assert not tree.exists()
    assert not layout.lease(tree.name).exists()
    assert not layout.session("auth-k3f9qm").exists()
    assert not layout.attempt(landed.instance, 1).exists()
    assert Claims(layout).live() == ()
    assert repo.git("for-each-ref", "--format=%(refname)", "refs/heads/fleet") == ""
    assert repo.git("worktree", "list", "--porcelain").count("worktree ") == 1
    again = run("clean", "--repo", repo.path)
    assert again.out == "Nothing to clean: no closed session left anything.\n"


def test_clean_keeps_what_it_cannot_prove_safe_and_says_why(repo: Repo, tmp_path: Path) -> None:
    layout, landed, tree = landed_session(repo, tmp_path)
    (tree / "notes.txt").write_text("mine")
    repo.git("update-ref", f"refs/heads/{landed.branch}", "keep~1")
    with hold(layout.attempt(landed.instance, 1) / "lock", timeout=1, what="the attempt"):
        (layout.attempt(landed.instance, 1) / "exit.json").unlink()
        items = run("clean", "--repo", repo.path, "--json").json["items"]
    kept = {item["kind"]: item["reason"] for item in items if not item["removed"]}
    assert set(kept) == {"worktree", "branch", "log", "session"}
    assert kept["branch"] == "it moved since its run landed"
    assert "is not on refs/heads/main" in kept["session"]
    assert (tree / "notes.txt").read_text() == "mine"
    assert repo.oid(landed.branch) == repo.oid("keep~1")
    assert layout.session("auth-k3f9qm").exists()


def test_clean_never_touches_an_open_session_or_work_that_did_not_land(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    repo.git("branch", "fleet/auth-k3f9qm/api")
    closed = a_run("ui", RunState.REJECTED, session="docs-aaaaaa")
    empty = a_run("none", RunState.FAILED, session="docs-aaaaaa")
    place(repo.path, a_session("docs-aaaaaa", SessionState.COMPLETED), closed, empty)
    repo.git("branch", "fleet/docs-aaaaaa/none")
    repo.git("switch", "-qc", "fleet/docs-aaaaaa/ui")
    repo.commit({"ui.txt": "work\n"})
    repo.git("switch", "-q", "main")
    answer = run("clean", "--repo", repo.path)
    assert answer.code == 0
    kept = next(line for line in answer.out.splitlines() if "fleet/docs-aaaaaa/ui" in line)
    assert "kept: its run is rejected, and it holds work that refs/heads/main does not" in kept
    assert layout.session("auth-k3f9qm").exists()
    assert repo.git("for-each-ref", "--format=%(refname:short)", "refs/heads/fleet").split() == [
        "fleet/auth-k3f9qm/api",
        "fleet/docs-aaaaaa/ui",
    ]


def test_a_branch_that_is_not_in_the_target_is_kept(repo: Repo) -> None:
    base = repo.oid()
    tip = repo.commit({"src/api/a.py": "1\n"})
    repo.git("branch", "fleet/auth-k3f9qm/api")
    repo.git("reset", "-q", "--hard", base)
    place(repo.path, a_session(state=SessionState.COMPLETED), a_run("api", RunState.LANDED, tip=tip))
    items = run("clean", "--repo", repo.path, "--json").json["items"]
    assert ("branch", False, "its tip is not reachable from the landing") in {
        (item["kind"], item["removed"], item["reason"]) for item in items
    }
    assert repo.oid("fleet/auth-k3f9qm/api") == tip


def test_check_validates_what_is_there(repo: Repo) -> None:
    answer = run("check", "--repo", repo.path)
    assert (answer.code, answer.out) == (
        0,
        "Nothing needs you: there is no document of gitfleet below .planning yet.\n",
    )
    repo.write(".planning/config.yaml", "waves:\n  max_agents: 0\nverfy: {}\n")
    answer = run("check", "--repo", repo.path)
    assert answer.code == ExitCode.USAGE
    assert len(answer.out.splitlines()) == 3
    assert ".planning/config.yaml:" in answer.out
    document = run("check", "--repo", repo.path, "--json")
    assert document.code == ExitCode.USAGE
    validate(document.json, CheckReport)
    assert len(document.json["problems"]) == 2


def test_clean_spares_what_is_younger_and_forgets_what_the_target_holds(repo: Repo, tmp_path: Path) -> None:
    layout, landed, _ = landed_session(repo, tmp_path)
    repo.git("update-ref", "refs/gitfleet/landed/auth-k3f9qm/w1", repo.oid())
    rewritten = repo.git("commit-tree", "-m", "rewritten since", "HEAD^{tree}").strip()
    repo.git("update-ref", "refs/gitfleet/landed/auth-k3f9qm/w2", rewritten)
    for name in records.pending(State(layout), "auth-k3f9qm", ()):
        repo.write(f".planning/{name}", "published\n")
    repo.git("add", "-A")
    repo.git("commit", "-qm", "records")
    young = run("clean", "--older-than", "9999w", "--json", "--repo", repo.path)
    assert (young.code, young.json["items"]) == (ExitCode.DONE, [])
    assert layout.attempt(landed.instance, 1).is_dir()
    assert (layout.trash / "old").exists()
    assert run("clean", "--older-than", "soon", "--repo", repo.path).code == ExitCode.USAGE
    assert run("clean", "--older-than", "1m", "--repo", repo.path).code == ExitCode.DONE
    assert not layout.attempt(landed.instance, 1).exists()
    assert not layout.session("auth-k3f9qm").exists()
    assert repo.git("for-each-ref", "--format=%(refname)", "refs/gitfleet/landed/").split() == [
        "refs/gitfleet/landed/auth-k3f9qm/w2"
    ]

"""Accounts as a person connects them, and what becomes of them in whole sessions; programs of vendors are scripts."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sessions import assert_nothing_remains, common_dir, config_of, plan_of, state_runs, states
from tests.support.told import BEGAN, END, turn

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.model.run import Run
    from tests.support.fleet import FleetEnv, Outcome

pytestmark = pytest.mark.leaves_worktrees

SECRET = "k-5up3r-s3cr3t-value"  # noqa: S105 - it opens nothing
LIMIT = """echo '{"limit": true, "resets": %d}'\n"""
CODE = """echo '{"end": "%s"}'\n"""

LOGIN = {
    # As the real ones, each has a home of the person's to fall back on.
    "codex": """#!/bin/sh
case "$1" in --version) echo codex 1; exit;; esac
place="${CODEX_HOME:-$HOME/.codex}"
env > "$place/seen-environment"
echo "open https://login.example in a browser"
[ -e "$HOME/refuse" ] && exit 7
echo '{"tokens": {"access_token": "tok-0123456789abcdef"}}' > "$place/auth.json"
""",
    "claude": """#!/bin/sh
place="${CLAUDE_CONFIG_DIR:-$HOME/.claude}"
echo "$@" > "$place/arguments"
echo '{"claudeAiOauth": {"accessToken": "tok-claude-0123456789"}}' > "$place/.credentials.json"
echo '{"oauthAccount": {"emailAddress": "ada@example.org"}}' > "${CLAUDE_CONFIG_DIR:-$HOME}/.claude.json"
""",
    "opencode": """#!/bin/sh
place="${XDG_DATA_HOME:-$HOME/.local/share}/opencode"
mkdir -p "$place" "${XDG_CONFIG_HOME:-$HOME/.config}/opencode" "${npm_config_cache:-$HOME/.npm}"
mkdir -p "${OPENCODE_TEST_HOME:-$HOME}/.opencode"
echo '{"zen": {"type": "api", "key": "tok-opencode-0123456789"}}' > "$place/auth.json"
""",
}


@pytest.fixture(autouse=True)
def person(fleet: FleetEnv) -> Path:
    """A person with homes of their own, programs of three vendors, and a key in a variable."""
    home, programs = fleet.root / "person", fleet.root / "bin"
    fleet.repo()
    programs.mkdir()
    for name, script in LOGIN.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    own = {
        ".claude/settings.json": '{"model": "large"}',
        ".claude/.credentials.json": '{"claudeAiOauth": {"accessToken": "tok-own-0123456789"}}',
        ".claude/commands/review.md": "Review it.",
        ".codex/config.toml": 'model = "big"\nexperimental_bearer_token = "tok-in-config-1234"\n',
        ".codex/auth.json": '{"tokens": {"access_token": "tok-own-codex-0123"}}',
        ".claude.json": '{"oauthAccount": {"emailAddress": "own@example.org"}}',
        ".local/share/opencode/auth.json": '{"own": {"type": "api", "key": "tok-own-opencode-0123"}}',
        ".config/opencode/opencode.json": '{"provider": {"x": {"options": {"apiKey": "tok-x-123456"}}}}',
    }
    for name, content in own.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    fleet.variables |= {
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "TEAM_KEY": SECRET,
        "TESTS_OWN_ACCOUNTS": "1",
        "XDG_CONFIG_HOME": "",
    }
    return home


def told(fleet: FleetEnv) -> None:
    """Let the agent `opencode` be the one that tells what it uses."""
    fleet.program = ("-m", "tests.support.told")


def accounts(fleet: FleetEnv) -> dict[str, Any]:
    """Every account as it stands, by name."""
    return {row["ref"]: row for row in fleet.run("accounts", "--json").json["accounts"]}


def connect(fleet: FleetEnv, kind: str, *more: str) -> None:
    fleet.run("accounts", "connect", kind, "--api-key-env", "TEAM_KEY", *more).ok()


def log_in(fleet: FleetEnv, kind: str, *more: str) -> Outcome:
    """Connect an account by the login of its program, in a terminal."""
    near, far = pty.openpty()
    try:
        return fleet.finish(fleet.start("accounts", "connect", kind, *more, stdin=far))
    finally:
        os.close(near)
        os.close(far)


def job(name: str, *lines: str, **more: object) -> dict[str, object]:
    """A task whose agent prints these lines and writes one file."""
    script = BEGAN + "".join(lines) + f"echo {name} > {name}.txt\n" + END
    return {"id": name, "instructions": script, "scope": [f"{name}.txt"], "agent": "opencode", **more}


def launched(fleet: FleetEnv, run: Run) -> dict[str, str]:
    """The environment that the first attempt of a run was started with."""
    found = json.loads((fleet.root / "repo/.git/gitfleet/attempts" / run.instance / "1/spec.json").read_text())["env"]
    assert isinstance(found, dict)
    return found


def digest(home: Path) -> dict[str, str]:
    """Every file below a directory with its content and when it was changed."""
    found = {}
    for path in sorted(home.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(home))] = f"{content} {path.lstat().st_mtime_ns} {path.lstat().st_mode:o}"
    return found


def everything(*roots: Path) -> bytes:
    """All bytes of all files below some directories."""
    return b"\n".join(path.read_bytes() for root in roots for path in sorted(root.rglob("*")) if path.is_file())


# -- connecting ----------------------------------------------------------------------------------------------------


def test_connect_gives_the_next_name_and_stores_no_key(fleet: FleetEnv) -> None:
    first = fleet.run("accounts", "connect", "codex", "--api-key-env", "TEAM_KEY", "--json").ok().json
    assert (first["action"], first["ref"], first["account"]["readiness"]) == ("connected", "codex", "ready")
    file = fleet.root / "key"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    more = ("--endpoint", "http://127.0.0.1:1/v1", "--setting", "MAX_RETRIES=2", "--capacity", "3")
    fleet.run("accounts", "connect", "codex", "--api-key-file", file, *more).ok()
    found = accounts(fleet)
    assert list(found) == ["codex", "codex-2"]
    second = found["codex-2"]
    assert (second["endpoint"], second["settings"], second["capacity"]) == ("http://127.0.0.1:1/v1", ["MAX_RETRIES"], 3)
    assert (second["available"], second["busy"], second["queued"], second["used"]) == (3, 0, 0, 0)
    assert found["codex"]["identity"] == "key in $TEAM_KEY"
    root = fleet.root / "state/gitfleet/accounts"
    assert all(not path.stat().st_mode & 0o077 for path in (root, *root.rglob("*")))
    assert SECRET.encode() not in everything(root)
    again = fleet.run("accounts", "connect", "codex", "--ref", "codex-2", "--api-key-env", "TEAM_KEY").ok()
    assert "codex-2 is connected" in again.out
    assert accounts(fleet)["codex-2"]["endpoint"] == "http://127.0.0.1:1/v1", "what is not said anew stays"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--api-key-env", "NOT_SET"), "no-key", "NOT_SET is not set"),
        (("--api-key-env", "sk-abcdefghijkl"), "no-variable", "was not stored"),
        (("--api-key-env", "TEAM_KEY", "--api-key-file", "x"), "two-keys", "give one"),
        (("--api-key-file", "../open"), "no-key", "can be read by others"),
        (("--api-key-env", "TEAM_KEY", "--setting", "MY_TOKEN=abcdef"), "secret-setting", "looks like a secret"),
        (("--api-key-env", "TEAM_KEY", "--setting", "CODEX_HOME=/x"), "own-setting", "gitfleet itself"),
        (("--api-key-env", "TEAM_KEY", "--endpoint", "http://u:passw0rd@h/v1"), "secret-endpoint", "stored and shown"),
        (("--api-key-env", "TEAM_KEY", "--endpoint", "file:///etc/passwd"), "no-endpoint", "http://HOST"),
        (("--api-key-env", "TEAM_KEY", "--setting", "nonsense"), "no-setting", "NAME=VALUE"),
        (("--api-key-env", "TEAM_KEY", "--ref", "claude"), "other-kind", "is an account of claude"),
        (("--api-key-env", "TEAM_KEY", "--ref", "codex-9"), "unknown-account", "no account codex-9"),
    ],
)
def test_what_cannot_be_connected_is_refused_and_leaves_nothing(
    fleet: FleetEnv, options: tuple[str, ...], code: str, says: str
) -> None:
    connect(fleet, "claude")
    (fleet.root / "open").write_text(SECRET)
    (fleet.root / "open").chmod(0o644)
    refused = fleet.run("accounts", "connect", "codex", *options, "--json").ok(2).json["error"]
    assert refused["code"] == code
    assert says in refused["message"]
    assert list(accounts(fleet)) == ["claude"]
    assert "sk-abcdefghijkl" not in everything(fleet.root / "state").decode()


def test_a_login_runs_inside_the_account_and_sees_no_key(fleet: FleetEnv) -> None:
    fleet.variables["OPENAI_API_KEY"] = "sk-the-persons-own"
    out = log_in(fleet, "codex", "--json").ok()
    assert out.json["ref"] == "codex", "what the login prints is not in the answer"
    assert "login.example" in out.err
    home = fleet.root / "state/gitfleet/accounts/codex/home"
    seen = (home / "seen-environment").read_text()
    assert f"CODEX_HOME={home}" in seen
    assert "sk-the-persons-own" not in seen
    log_in(fleet, "claude").ok()
    log_in(fleet, "opencode").ok()
    found = accounts(fleet)
    assert {ref: (row["readiness"], row["identity"]) for ref, row in found.items()} == {
        "claude": ("ready", "ada@example.org"),
        "codex": ("ready", ""),
        "opencode": ("ready", "zen"),
    }
    (home / "auth.json").unlink()
    gone = accounts(fleet)["codex"]
    assert (gone["readiness"], gone["next"]) == ("not-connected", "gitfleet accounts connect codex --ref codex")


def test_without_a_terminal_there_is_no_login(fleet: FleetEnv) -> None:
    (fleet.root / "bin/codex").write_text("#!/bin/sh\ntouch $HOME/asked\n")
    refused = fleet.run("accounts", "connect", "codex", "--json").ok(3).json["error"]
    assert refused["code"] == "no-terminal"
    assert "--api-key-env NAME" in refused["hint"]
    assert accounts(fleet) == {}
    connect(fleet, "codex")
    anew = fleet.run("accounts", "connect", "codex", "--ref", "codex", "--json").ok(3).json["error"]
    assert "gitfleet accounts connect codex --ref codex --api-key-env" in anew["hint"]
    assert not (fleet.root / "person/asked").exists()


def test_a_login_that_fails_connects_nothing(fleet: FleetEnv, person: Path) -> None:
    (person / "refuse").touch()
    failed = log_in(fleet, "codex").ok(3)
    assert "exit code 7" in failed.err
    assert accounts(fleet) == {}
    (person / "refuse").unlink()
    log_in(fleet, "codex").ok()
    (person / "refuse").touch()
    log_in(fleet, "codex", "--ref", "codex").ok(3)
    assert accounts(fleet)["codex"]["readiness"] == "ready", "the account that was there is as it was"


def test_a_login_that_was_killed_leaves_its_name_to_the_next(fleet: FleetEnv) -> None:
    point = fleet.point("login")
    (fleet.root / "bin/codex").write_text(f"#!/bin/sh\n{point.shell}\n")
    near, far = pty.openpty()
    process = fleet.start("accounts", "connect", "codex", stdin=far)
    point.wait()
    connect(fleet, "codex")
    assert list(accounts(fleet)) == ["codex", "codex-2"], "one that is logging in keeps its name"
    process.kill()
    process.wait()
    connect(fleet, "codex")
    assert {ref: row["readiness"] for ref, row in accounts(fleet).items()} == {"codex": "ready", "codex-2": "ready"}
    point.release()
    os.close(near)
    os.close(far)


def test_without_its_program_there_is_no_login(fleet: FleetEnv) -> None:
    (fleet.root / "bin/codex").unlink()
    refused = fleet.run("accounts", "connect", "codex", "--json").ok(4).json["error"]
    assert (refused["code"], refused["hint"]) == ("no-program", "npm install -g @openai/codex")
    connect(fleet, "codex")
    assert accounts(fleet)["codex"]["readiness"] == "no-program"


def test_settings_are_taken_over_and_credentials_never(fleet: FleetEnv) -> None:
    root = fleet.root / "state/gitfleet/accounts"
    claude = fleet.run("accounts", "connect", "claude", "--api-key-env", "TEAM_KEY", "--import-settings", "--json").json
    assert claude["imported"] == ["settings.json", "commands/review.md"]
    codex = fleet.run("accounts", "connect", "codex", "--api-key-env", "TEAM_KEY", "--import-settings", "--json").json
    assert (root / "codex/home/config.toml").read_text() == 'model = "big"\n'
    assert codex["left_out"] == ["config.toml: without 1 line that may hold a secret"]
    other = fleet.run(
        "accounts", "connect", "opencode", "--api-key-env", "TEAM_KEY", "--import-settings", "--json"
    ).json
    assert other["left_out"] == ["opencode.json: it holds what looks like a secret"]
    elsewhere = fleet.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "AGENTS.md").write_text("Be brief.")
    fleet.run(
        "accounts", "connect", "codex", "--ref", "codex", "--api-key-env", "TEAM_KEY", "--import-settings", elsewhere
    ).ok()
    assert (root / "codex/home/AGENTS.md").read_text() == "Be brief."
    assert b"tok-" not in everything(root)


def test_the_commands_of_accounts_say_the_same(fleet: FleetEnv) -> None:
    connect(fleet, "codex")
    connect(fleet, "codex", "--capacity", "2")
    said = fleet.run("accounts", "--json").json
    assert said["schema"] == "gitfleet/report/accounts/v1"
    assert said["directory"] == str(fleet.root / "state/gitfleet/accounts")
    assert fleet.run("accounts", "list", "--json").json == said == fleet.run("accounts", "status", "--json").json
    one = fleet.run("accounts", "status", "codex-2", "--json", "--repo", fleet.root).ok().json["accounts"]
    assert one == [said["accounts"][1]]
    drawn = fleet.run("accounts").ok().out
    assert drawn.splitlines()[0] == "2 of 2 accounts ready."
    assert drawn.splitlines()[1].split() == [
        *("account", "readiness", "busy", "queued", "available", "capacity", "identity"),
    ]
    assert "key in $TEAM_KEY" in fleet.run("accounts", "status", "codex").ok().out
    fleet.run("accounts", "status", "codex-3").ok(2)
    fleet.run("accounts", "remove", "codex-3", "--json", "--repo", fleet.root).ok(2)


def test_nothing_writes_to_the_persons_own_homes(fleet: FleetEnv, person: Path) -> None:
    before = digest(person)
    log_in(fleet, "claude", "--import-settings").ok()
    log_in(fleet, "codex").ok()
    log_in(fleet, "opencode", "--import-settings").ok()
    tasks = [{"id": kind, "instructions": "x", "scope": [f"{kind}/"], "agent": kind} for kind in LOGIN]
    fleet.run("wave", fleet.plan(plan_of(*tasks)), "--fixture", "--yes").ok()
    fleet.run("accounts", "status").ok()
    fleet.run("doctor")
    for ref in LOGIN:
        assert fleet.run("accounts", "remove", ref, "--json").ok().json == {
            "schema": "gitfleet/report/account/v1",
            "action": "removed",
            "account": None,
            "ref": ref,
            "imported": [],
            "left_out": [],
        }
    assert digest(person) == before
    assert accounts(fleet) == {}
    assert not list((fleet.root / "state/gitfleet/accounts/.removed").iterdir())


# -- before a wave -------------------------------------------------------------------------------------------------


def test_a_wave_without_an_account_is_refused_before_anything_starts(fleet: FleetEnv) -> None:
    repo = fleet.root / "repo"
    plan = fleet.plan(plan_of({"id": "a", "instructions": "x", "scope": ["a"], "agent": "codex"}))
    foretold = fleet.run("plan", plan, "--json").ok().json["notes"]
    assert foretold == ["a cannot start: no account of codex is connected; gitfleet accounts connect codex"]
    refused = fleet.run("wave", plan, "--yes", "--json").ok(4).json["error"]
    assert (refused["code"], refused["hint"]) == ("no-account", "gitfleet accounts connect codex")
    assert not list((common_dir(fleet, repo) / "gitfleet").glob("state/sessions/*"))
    connect(fleet, "codex")
    fleet.variables["TEAM_KEY"] = ""
    refused = fleet.run("wave", plan, "--yes", "--json").ok(4).json["error"]
    assert (refused["code"], refused["hint"]) == ("not-connected", "export TEAM_KEY=...")
    (fleet.root / "bin/codex").unlink()
    refused = fleet.run("wave", plan, "--yes", "--json").ok(4).json["error"]
    assert (refused["code"], refused["hint"]) == ("no-program", "npm install -g @openai/codex")
    fleet.config(repo, config_of(agents={"codex": {"kind": "codex", "fallback": ["claude"]}}))
    connect_with_value(fleet, "claude")
    fleet.run("wave", plan, "--yes", "--fixture", "--json").ok()


def connect_with_value(fleet: FleetEnv, kind: str) -> None:
    fleet.variables["OTHER_KEY"] = SECRET
    fleet.run("accounts", "connect", kind, "--api-key-env", "OTHER_KEY").ok()


def test_a_fixture_proves_the_way_and_spends_nothing(fleet: FleetEnv) -> None:
    repo = fleet.root / "repo"
    connect(fleet, "codex")
    connect(fleet, "claude")
    tasks = [{"id": kind, "instructions": "x", "scope": [f"{kind}/"], "agent": kind} for kind in ("claude", "codex")]
    command = {"id": "shell", "command": "touch shell.txt", "scope": ["shell.txt"]}
    plan = fleet.plan(plan_of(*tasks, command))
    report = fleet.run("wave", plan, "--fixture", "--yes", "--json").ok().json
    assert report["proof"] is True
    assert report["landings"] == []
    assert "It was a proof" in fleet.run("wave", plan, "--fixture", "--yes").ok().out
    runs = state_runs(fleet, repo)
    for task in ("claude", "codex"):
        attempt = runs[task].attempts[-1]
        assert attempt.usage is not None
        assert (attempt.account, attempt.model, attempt.usage.turns) == (task, "fixture", 1)
    totals = fleet.run("usage", "--by", "account", "--json").json
    assert {group["name"]: (group["total"], group["not_measured"]) for group in totals["groups"]} == {
        "": (0, 0),
        "claude": (0, 0),
        "codex": (0, 0),
    }
    assert {row["used"] for row in accounts(fleet).values()} == {2}
    assert all(not row["holders"] for row in accounts(fleet).values())


def test_a_plan_that_holds_a_secret_is_refused_before_it_is_kept(fleet: FleetEnv) -> None:
    connect(fleet, "opencode")
    plan = fleet.plan(plan_of({"id": SECRET, "instructions": f"use {SECRET}", "scope": ["a"], "agent": "opencode"}))
    refused = fleet.run("wave", plan, "--fixture", "--yes", "--json").ok(2).json["error"]
    assert (refused["code"], "<secret of opencode>" in refused["message"]) == ("secret-told", True)
    assert SECRET.encode() not in everything(fleet.root / "repo")


def test_a_key_that_is_a_word_spoils_nothing(fleet: FleetEnv) -> None:
    fleet.variables["TEAM_KEY"] = "opencode"
    connect(fleet, "opencode")
    plan = fleet.plan(plan_of({"id": "a", "instructions": "x", "scope": ["a"], "agent": "opencode"}))
    fleet.run("wave", plan, "--fixture", "--yes").ok()
    assert state_runs(fleet, fleet.root / "repo")["a"].attempts[0].account == "opencode"


# -- in a session --------------------------------------------------------------------------------------------------


def test_an_attempt_gets_the_key_and_no_file_holds_it(fleet: FleetEnv) -> None:
    told(fleet)
    repo, point = fleet.root / "repo", fleet.point("inside")
    connect(fleet, "opencode", "--setting", "TOLD_SETTING=yes")
    check = (
        f'[ ${{#TOLD_KEY}} = {len(SECRET)} ] && [ "$TOLD_SETTING" = yes ]\necho "my key is $TOLD_KEY"\n{point.shell}\n'
    )
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", f"set -e\n{check}"))), "--yes")
    point.wait()
    busy = accounts(fleet)["opencode"]
    assert (busy["readiness"], busy["busy"], busy["available"]) == ("busy", 1, 7)
    (holder,) = busy["holders"]
    assert holder["since"] >= state_runs(fleet, repo)["a"].attempts[0].started[:10]
    assert (holder["alive"], holder["attempt"], holder["repository"]) == (True, 1, str(common_dir(fleet, repo)))
    refused = fleet.run("accounts", "remove", "opencode", "--json").ok(5).json["error"]
    assert (refused["code"], holder["instance"] in refused["message"]) == ("account-leased", True)
    (attempt,) = common_dir(fleet, repo).glob("gitfleet/attempts/*/1")
    assert json.loads((attempt / "spec.json").read_text())["env"].get("TOLD_SETTING") == "yes"
    without_log = [path for path in attempt.iterdir() if path.is_file() and path.name != "out.log"]
    assert all(SECRET.encode() not in path.read_bytes() for path in without_log)
    point.release()
    fleet.finish(wave).ok()
    assert state_runs(fleet, repo)["a"].attempts[0].account == "opencode"
    assert accounts(fleet)["opencode"]["holders"] == []
    assert SECRET not in fleet.run("logs", "a", "--session", session(fleet, repo)).ok().out


def session(fleet: FleetEnv, repo: Path) -> str:
    return state_runs(fleet, repo)["a"].session


def test_an_account_at_capacity_is_waited_for(fleet: FleetEnv) -> None:
    told(fleet)
    point = fleet.point("inside")
    connect(fleet, "opencode", "--capacity", "1")
    plan = plan_of(job("a", f"{point.shell}\n"), job("b", f"{point.shell}\n"))
    wave = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    full = accounts(fleet)["opencode"]
    assert (full["readiness"], full["busy"], full["queued"], full["available"]) == ("at-capacity", 1, 1, 0)
    assert full["next"] == "gitfleet accounts connect opencode"
    waiting = [event for event in fleet.run("events", "--json").json["events"] if event["kind"] == "waiting"]
    assert [(event["status"], "at capacity: 1 of 1" in event["message"]) for event in waiting] == [("account", True)]
    point.release()
    point.wait()
    point.release()
    fleet.finish(wave).ok()
    assert accounts(fleet)["opencode"]["used"] == 2


@pytest.mark.slow
def test_a_limit_rests_its_account_and_another_takes_over(fleet: FleetEnv) -> None:
    told(fleet)
    repo = fleet.root / "repo"
    connect(fleet, "opencode", "--capacity", "4")
    connect(fleet, "opencode")
    once = f'[ "$GITFLEET_ATTEMPT" = 1 ] && {{ {LIMIT % 4102444800}{CODE % "usage-limit"}exit 0; }}\n'
    fleet.config(repo, config_of(retry={"max_attempts": 2, "initial_backoff_seconds": 1}))
    fleet.run("wave", fleet.plan(plan_of(job("a", once, turn(1, 5)))), "--yes").ok()
    assert [one.account for one in state_runs(fleet, repo)["a"].attempts] == ["opencode", "opencode-2"]
    found = accounts(fleet)
    assert (found["opencode"]["readiness"], found["opencode"]["until"]) == ("cooling", "2100-01-01T00:00:00.000Z")
    assert (found["opencode"]["allowed"], found["opencode"]["capacity"]) == (2, 4), "a refusal halves what may run"
    assert found["opencode"]["trouble"] == "Agent opencode ended: usage-limit."
    told_ = [event for event in fleet.run("events", "--json").json["events"] if event["kind"] == "account"]
    assert [event["status"] for event in told_] == ["cooling"]
    findings = {one["name"]: one for one in fleet.run("doctor", "--json").json["findings"]}
    assert findings["account-cooling"]["hint"] == "gitfleet accounts connect opencode"


def test_refused_credentials_stop_the_session_with_the_command_that_mends_it(fleet: FleetEnv) -> None:
    told(fleet)
    repo = fleet.root / "repo"
    connect(fleet, "opencode")
    fleet.config(repo, config_of(retry={"max_attempts": 2, "initial_backoff_seconds": 1}))
    refused = f"[ -e {fleet.root}/mended ] || {{ {CODE % 'auth'}exit 0; }}\n"
    stopped = fleet.run("wave", fleet.plan(plan_of(job("a", refused))), "--yes", "--json").ok(3).json
    assert "gitfleet accounts connect opencode --ref opencode" in stopped["reason"]
    found = accounts(fleet)["opencode"]
    assert (found["readiness"], found["trouble"]) == ("refused", "Agent opencode ended: auth."), "said once, not twice"
    (fleet.root / "mended").touch()
    connect(fleet, "opencode", "--ref", "opencode")
    fleet.run("continue", "--yes").ok()
    assert accounts(fleet)["opencode"]["readiness"] == "ready"


def test_auto_takes_the_readiest_a_pin_holds_and_each_is_started_as_asked(fleet: FleetEnv) -> None:
    told(fleet)
    repo = fleet.root / "repo"
    for _ in range(2):
        connect(fleet, "opencode")
    pinned = {"kind": "opencode", "account": "opencode-2", "model": "large", "effort": "low", "permissions": "bypass"}
    fleet.config(repo, config_of(agents={"opencode": {"kind": "opencode"}, "pinned": pinned}))
    fleet.variables |= {"SHOWN": "shown", "HIDDEN": "hidden"}
    own = {
        "worker": {"tool_profile": "full", "tools": ["gh"]},
        "workspace": {"environment": {"allowlist": ["SHOWN"]}},
    }
    tasks = (
        job("a", agent="pinned"),
        job("b", agent="auto", depends_on=["a"]),
        job("c", agent="pinned", depends_on=["b"], model="small", effort="medium", **own),
    )
    fleet.run("wave", fleet.plan(plan_of(*tasks)), "--yes").ok()
    runs = state_runs(fleet, repo)
    found = {task: (run.agent, run.attempts[0].agent, run.attempts[0].account) for task, run in runs.items()}
    assert found == {
        "a": ("pinned", "pinned", "opencode-2"),
        "b": ("opencode", "opencode", "opencode"),
        "c": ("pinned", "pinned", "opencode-2"),
    }
    started = {task: launched(fleet, run) for task, run in runs.items()}
    assert {task: env["TOLD_ASKED"] for task, env in started.items()} == {
        "a": "large low True edit",
        "b": " high False edit",
        "c": "small medium True full gh",
    }
    assert [env.get("SHOWN") for env in started.values()] == [None, None, "shown"]
    assert all("HIDDEN" not in env for env in started.values())


def test_a_fallback_steps_in_where_no_account_is_ready(fleet: FleetEnv) -> None:
    told(fleet)
    repo = fleet.root / "repo"
    connect(fleet, "opencode")
    agents = {"codex": {"kind": "codex", "fallback": ["opencode"]}}
    fleet.config(repo, config_of(agents=agents))
    fleet.run("wave", fleet.plan(plan_of(job("a", turn(1, 5), agent="codex", model="large"))), "--yes").ok()
    run = state_runs(fleet, repo)["a"]
    assert (run.agent, run.attempts[0].agent, run.attempts[0].account) == ("opencode",) * 3
    (event,) = [one for one in fleet.run("events", "--json").json["events"] if one["kind"] == "account"]
    assert event["status"] == "stepped-in"
    assert event["message"] == "opencode steps in for codex in a: no account of codex is ready"
    groups = fleet.run("usage", "--by", "agent", "--json").json["groups"]
    assert [group["name"] for group in groups] == ["opencode"]


def test_an_agent_that_outlives_its_coordinator_keeps_its_account(fleet: FleetEnv) -> None:
    told(fleet)
    repo, point = fleet.root / "repo", fleet.point("inside")
    connect(fleet, "opencode", "--capacity", "1")
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", f"{point.shell}\n"))), "--yes")
    point.wait()
    wave.send_signal(signal.SIGKILL)
    wave.wait()
    assert accounts(fleet)["opencode"]["readiness"] == "at-capacity", "its warden lives"
    point.release()
    fleet.run("continue", "--yes").ok()
    assert states(fleet, repo) == {"a": "landed"}
    found = accounts(fleet)["opencode"]
    assert (found["holders"], found["readiness"]) == ([], "ready")
    assert_nothing_remains(fleet, repo)


def test_the_lease_of_a_dead_run_is_told_and_taken_back(fleet: FleetEnv) -> None:
    told(fleet)
    point = fleet.point("inside")
    connect(fleet, "opencode", "--capacity", "1")
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", f"{point.shell}\n"))), "--yes")
    point.wait()
    wave.send_signal(signal.SIGKILL)
    wave.wait()
    (lease,) = (fleet.root / "state/gitfleet/accounts/opencode/leases").iterdir()
    left = lease.read_bytes()
    point.release()
    fleet.run("continue", "--yes").ok()
    lease.write_bytes(left)
    assert [holder["alive"] for holder in accounts(fleet)["opencode"]["holders"]] == [False]
    findings = {one["name"]: one for one in fleet.run("doctor", "--json").json["findings"]}
    assert findings["account-dead-lease"]["hint"] == "gitfleet doctor --fix"
    fleet.run("doctor", "--fix")
    assert accounts(fleet)["opencode"]["holders"] == []


def test_a_removed_repository_frees_its_leases(fleet: FleetEnv) -> None:
    told(fleet)
    point = fleet.point("inside")
    connect(fleet, "opencode", "--capacity", "1")
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", f"{point.shell}\n"))), "--yes")
    point.wait()
    fleet.run("stop", "--all")
    fleet.finish(wave)
    shutil.rmtree(fleet.root / "repo")
    found = fleet.run("accounts", "--json", cwd=fleet.root).ok().json["accounts"]
    assert [row["readiness"] for row in found] == ["ready"]


def test_a_secret_that_an_agent_tells_is_in_nothing_that_is_written(fleet: FleetEnv) -> None:
    told(fleet)
    repo = fleet.root / "repo"
    connect(fleet, "opencode")
    said = """printf '{"decisions": ["the key is %s"], "discoveries": [{"fact": "use %s", "paths": ["a.txt"]}]}'"""
    tells = f'{said} "$TOLD_KEY" "$TOLD_KEY" > "$GITFLEET_HANDOFF"\n'
    (fleet.root / "key").write_text(SECRET)
    check = {"run": f"cat {fleet.root}/key; false"}
    fleet.run("wave", fleet.plan(plan_of(job("a", tells), job("b", verify=[check]))), "--yes").ok(1)
    home = common_dir(fleet, repo) / "gitfleet"
    assert "<secret of opencode>" in state_runs(fleet, repo)["a"].handoff.decisions[0]  # type: ignore[union-attr]
    written = everything(home / "state", home / "journal", repo / ".planning")
    assert b"<secret of opencode>" in written
    assert SECRET.encode() not in written


@pytest.mark.slow
def test_a_planner_waits_for_an_account_until_it_is_free_or_it_is_interrupted(fleet: FleetEnv) -> None:
    told(fleet)
    repo, point = fleet.root / "repo", fleet.point("inside")
    connect(fleet, "opencode", "--capacity", "1")
    fleet.config(repo, config_of(planner={"agent": "opencode"}))
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", f"{point.shell}\n"))), "--yes")
    point.wait()
    planners = [fleet.start("plan", "Do it all", "--yes") for _ in range(2)]
    for planner in planners:
        assert planner.stderr is not None
        assert "the planner waits: no account for opencode is ready" in planner.stderr.readline()
    rows = fleet.run("status", "--json").ok().json["planners"]
    assert [(one["calling"], one["account"]) for one in rows] == [(False, ""), (False, "")]
    planners[0].send_signal(signal.SIGINT)
    assert "nothing was started" in fleet.finish(planners[0]).ok(130).err
    assert accounts(fleet)["opencode"]["queued"] == 1
    point.release()
    fleet.finish(wave).ok()
    fleet.finish(planners[1])
    assert accounts(fleet)["opencode"]["used"] > 1, "it was called"
    assert accounts(fleet)["opencode"]["queued"] == 0

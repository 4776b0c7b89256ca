"""An agent sees a short list of variables and its own, and an allowlist cannot pass on a secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitfleet.agents.base import Assignment
from gitfleet.errors import ExitCode, GitfleetError
from gitfleet.model.plan import Task
from gitfleet.runtime.environment import (
    agent_environment,
    check_environment,
    looks_secret,
    refuse_secrets,
    temporary_directory,
)

CALLER = {
    "PATH": "/bin",
    "HOME": "/home/x",
    "LANG": "C",
    "LC_TIME": "de_DE",
    "TERM": "dumb",
    "SHELL": "/bin/sh",
    "USER": "x",
    "TMPDIR": "/tmp/caller",
    "GIT_DIR": "/elsewhere",
    "GIT_AUTHOR_NAME": "caller",
    "GITFLEET_OPEN": "1",
    "GITFLEET_NONCE": "outer",
    "GITFLEET_TASK": "outer",
    "AWS_SECRET_ACCESS_KEY": "s",
    "EDITOR": "vi",
}


def test_an_agent_gets_the_short_list_and_its_assignment() -> None:
    assignment = Assignment(
        task=Task(id="a"),
        session="s-abcdef",
        instance="fleet-s-abcdef-w2-a1",
        wave=2,
        worktree=Path("/w/t"),
        prompt_file=Path("/a/prompt.md"),
        handoff_file=Path("/a/handoff.json"),
        port_base=20010,
    )
    directory = Path("/a")
    assert agent_environment(CALLER, assignment, directory=directory, allow=("EDITOR", "MISSING", "GITFLEET_OPEN")) == {
        "PATH": "/bin",
        "HOME": "/home/x",
        "LANG": "C",
        "LC_TIME": "de_DE",
        "TERM": "dumb",
        "SHELL": "/bin/sh",
        "USER": "x",
        "GIT_AUTHOR_NAME": "caller",
        "EDITOR": "vi",
        "TMPDIR": "/a/tmp",
        "GITFLEET_SESSION": "s-abcdef",
        "GITFLEET_INSTANCE": "fleet-s-abcdef-w2-a1",
        "GITFLEET_TASK": "a",
        "GITFLEET_WAVE": "2",
        "GITFLEET_PROMPT": "/a/prompt.md",
        "GITFLEET_HANDOFF": "/a/handoff.json",
        "GITFLEET_PORT_BASE": "20010",
        "GITFLEET_WORKTREE": "/w/t",
        "GITFLEET_ATTEMPT": "1",
    }


def test_a_check_gets_the_short_list() -> None:
    env = check_environment({"HOME": "/h", "EDITOR": "vi"}, "s-abcdef", directory=Path("/a"))
    assert env == {"HOME": "/h", "PATH": os.defpath, "TMPDIR": "/a/tmp", "GITFLEET_SESSION": "s-abcdef"}


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "my_secret",
        "DB_PASSWORD",
        "OPENAI_API_KEY",
        "APIKEY",
        "PRIVATE_KEY_FILE",
        "token",
        "DEPLOY_KEY",
        "DB_PASS",
        "AWS_ACCESS_KEY_ID",
    ],
)
def test_what_looks_like_a_secret_is_refused(name: str) -> None:
    assert looks_secret(name)
    with pytest.raises(GitfleetError) as refused:
        refuse_secrets(["CI", name], "agents.x.env.allow")
    assert refused.value.exit_code is ExitCode.USAGE
    assert refused.value.message == f"agents.x.env.allow passes on {name}, which looks like a secret."


def test_what_does_not_is_not() -> None:
    refuse_secrets(["CI", "JAVA_HOME", "KEYBOARD", "PASSAGE", "SSH_AUTH_SOCK", "XAUTHORITY"], "agents.x.env.allow")


def test_a_temporary_directory_leaves_room_for_a_socket() -> None:
    short, long = Path("/a"), Path("/a" * 60)
    assert temporary_directory(short) == Path("/a/tmp")
    assert temporary_directory(long) != temporary_directory(long / "b")
    assert temporary_directory(long) == temporary_directory(long)
    assert len(os.fsencode(temporary_directory(long))) < len(os.fsencode(long))
    assert not temporary_directory(long).is_relative_to(long)


def test_a_temporary_directory_can_stand_in_a_search_path() -> None:
    assert ":" not in str(temporary_directory(Path("/a:b")))

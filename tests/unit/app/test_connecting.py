"""Connecting accounts: what is taken for an endpoint, and what becomes of an account that could not be written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents.accounts.store import Accounts
from gitfleet.app.accounts import Connection, connect, listed
from gitfleet.errors import GitfleetError
from gitfleet.model.agent_config import AgentKind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    program = tmp_path / "bin/codex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    caller = {"XDG_STATE_HOME": str(tmp_path / "state"), "PATH": str(program.parent), "KEY": "a-key-of-nobody-0"}
    return Accounts.of(caller, time.time)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://127.0.0.1:8080/v1", ""),
        ("https://[::1]:8443", ""),
        ("https://gateway.example/v1/", ""),
        ("http://u:passw0rd@h/v1", "secret-endpoint"),
        ("http://token@h", "secret-endpoint"),
        ("http://h/\nX-Header: y", "no-endpoint"),
        ("http://h/v1?key=abc", "no-endpoint"),
        ("http://h/#x", "no-endpoint"),
        ("file:///etc/passwd", "no-endpoint"),
        ("gateway.example", "no-endpoint"),
        ("http://", "no-endpoint"),
        ("http://h:x/", "no-endpoint"),
        ("http://[::1/", "no-endpoint"),
    ],
)
def test_an_endpoint_is_an_address_and_nothing_else(accounts: Accounts, address: str, code: str) -> None:
    wanted = Connection(kind=AgentKind.CODEX, key_env="KEY", endpoint=address)
    if not code:
        connect(accounts, wanted)
        assert listed(accounts).accounts[0].endpoint == address
        return
    with pytest.raises(GitfleetError) as refused:
        connect(accounts, wanted)
    assert refused.value.code == code
    assert "passw0rd" not in refused.value.message
    assert accounts.refs() == []

"""Connecting accounts: what is taken for an endpoint, and what becomes of an account that could not be written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from jsonschema import Draft202012Validator

from gitfleet.agents.accounts import store
from gitfleet.agents.accounts.leasing import Leased, Wanted, take
from gitfleet.agents.accounts.store import Accounts
from gitfleet.app import accounts as connecting
from gitfleet.app.accounts import Connection, connect, listed, remove
from gitfleet.errors import GitfleetError
from gitfleet.model.account import AccountLease
from gitfleet.model.agent_config import AgentKind
from gitfleet.store.documents.schemas import schema_of
from gitfleet.store.documents.validation import validate

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


@pytest.mark.parametrize(
    ("endpoint", "then"), [(None, "http://h/v1"), ("", ""), ("http://other/v1", "http://other/v1")]
)
def test_connected_anew_an_endpoint_stays_unless_it_is_named_or_taken_away(
    accounts: Accounts, endpoint: str | None, then: str
) -> None:
    connect(accounts, Connection(kind=AgentKind.CODEX, key_env="KEY", endpoint="http://h/v1"))
    connect(accounts, Connection(kind=AgentKind.CODEX, ref="codex", key_env="KEY", endpoint=endpoint))
    assert accounts.read("codex").endpoint == then


def test_an_account_stays_as_it_was_and_there_while_its_program_logs_in(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(accounts, Connection(kind=AgentKind.CODEX, key_env="KEY", capacity=3))
    before = accounts.read("codex")
    seen = []

    def login(*_: object, **__: object) -> int:
        seen.append(accounts.read("codex"))
        with pytest.raises(GitfleetError) as refused:
            remove(accounts, "codex")
        assert refused.value.code == "logging-in"
        (accounts.home("codex") / "auth.json").write_text("{}")
        return len(seen) % 2

    monkeypatch.setattr(connecting, "run", login)
    again = Connection(kind=AgentKind.CODEX, ref="codex", endpoint="http://h/v1")
    with pytest.raises(GitfleetError, match="did not log in"):
        connect(accounts, again)
    assert accounts.read("codex") == before
    connect(accounts, again)
    assert seen == [before, before], "what a kill of gitfleet would leave"
    after = accounts.read("codex")
    assert (after.key, after.endpoint, after.capacity) == (None, "http://h/v1", 3)
    remove(accounts, "codex")


@pytest.mark.parametrize("number", ["TERM", "HUP"])
def test_a_login_that_is_terminated_leaves_no_account_and_no_process(
    accounts: Accounts, tmp_path: Path, number: str
) -> None:
    (tmp_path / "bin/codex").write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid\nkill -{number} $PPID\nexec /bin/sleep 60\n"
    )
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        connect(accounts, Connection(kind=AgentKind.CODEX))
    assert accounts.refs() == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == handlers


def test_a_connection_that_could_not_be_written_is_no_account(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        if path.name == "account.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    wanted = Connection(kind=AgentKind.CODEX, key_env="KEY")
    with monkeypatch.context() as patched:
        patched.setattr(store, "write_durable", full)
        with pytest.raises(OSError, match="No space"):
            connect(accounts, wanted)
    assert accounts.refs() == []
    assert connect(accounts, wanted).ref == "codex"
    assert accounts.refs() == ["codex"]


def test_an_account_that_cannot_be_read_says_so_and_can_be_removed(accounts: Accounts) -> None:
    wanted = Connection(kind=AgentKind.CODEX, key_env="KEY")
    refs = [connect(accounts, wanted).ref for _ in range(4)]
    files = [accounts.root / ref / "account.json" for ref in refs]
    files[0].write_text("{")
    files[1].write_text(files[1].read_text().replace('"codex-2"', '"codex-9"'))
    files[2].write_text(files[2].read_text().replace("account/v1", "account/v2"))
    (accounts.home(refs[3]) / "auth.json").touch()
    files[3].unlink()
    rows = listed(accounts).accounts
    assert [(row.ref, row.readiness) for row in rows] == [(ref, "damaged") for ref in refs]
    assert all("account.json cannot be read" in row.message and "accounts remove" in row.next for row in rows)
    assert connect(accounts, wanted).ref == "codex-5", "a login may still lie there"
    for ref in refs:
        remove(accounts, ref)
    assert accounts.refs() == ["codex-5"]


def test_others_get_accounts_while_a_home_is_deleted(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[str] = []

    def delete(path: Path, **_: object) -> None:
        with accounts.lock():
            deleted.append(path.name)

    connect(accounts, Connection(kind=AgentKind.CODEX, key_env="KEY"))
    monkeypatch.setattr(store, "_LOCK_SECONDS", 0.1)
    monkeypatch.setattr(shutil, "rmtree", delete)
    remove(accounts, "codex")
    connect(accounts, Connection(kind=AgentKind.CODEX, key_env="KEY"))
    assert deleted == ["codex.1", "codex.1"]


def test_a_home_that_somebody_removed_is_made_again(accounts: Accounts) -> None:
    connect(accounts, Connection(kind=AgentKind.CODEX, key_env="KEY"))
    accounts.home("codex").rmdir()
    lease = AccountLease(instance="i", attempt=1, session="s", repository="/r", over="/o", locks=(), since="")
    assert isinstance(take(accounts, [Wanted(AgentKind.CODEX)], lease), Leased)
    assert accounts.home("codex").is_dir()


def test_a_state_directory_that_leads_nowhere_is_told(accounts: Accounts, tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError) as refused:
        connect(accounts, Connection(kind=AgentKind.CODEX, key_env="KEY"))
    assert refused.value.filename == str(tmp_path / "state")


def test_what_is_written_of_an_account_answers_to_the_schemas(accounts: Accounts, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-key-of-nobody-0")
    (tmp_path / "key").chmod(0o600)
    connect(accounts, Connection(kind=AgentKind.CODEX, key_env="KEY", settings=["MAX_RETRIES=2"]))
    wanted = Connection(kind=AgentKind.CODEX, key_path=tmp_path / "key", endpoint="http://h/v1", capacity=2)
    connect(accounts, wanted)
    lease = AccountLease(instance="i", attempt=1, session="s", repository="/r", over="/o", locks=("/l",), since="now")
    for instance in "ab":
        take(accounts, [Wanted(AgentKind.CODEX)], msgspec.structs.replace(lease, instance=instance))
    written = {path.parent.name: json.loads(path.read_bytes()) for path in accounts.root.glob("*/account.json")}
    assert (written["codex"]["key"], written["codex-2"]["key"]) == ({"env": "KEY"}, {"path": str(tmp_path / "key")})
    assert (written["codex-2"]["endpoint"], written["codex-2"]["capacity"]) == ("http://h/v1", 2)
    assert written["codex"]["settings"] == {"MAX_RETRIES": "2"}
    held = [lease for ref in written for lease in accounts.leases(ref).values()]
    assert held == [msgspec.structs.replace(lease, instance="b")], "the other one was dead, and taken back"
    assert [accounts.state(ref).used for ref in sorted(written)] == [1, 1]
    assert all(accounts.read(ref).connected for ref in written)
    assert {facts["schema"] for facts in written.values()} == {"gitfleet/account/v1"}
    for kind, pattern in (("file", "*/account.json"), ("state", "*/state.json"), ("lease", "*/leases/*.json")):
        paths = list(accounts.root.glob(pattern))
        assert paths
        for path in paths:
            assert validate(f"account-{kind}", path.read_bytes(), path.name) == []
            Draft202012Validator(schema_of(f"account-{kind}")).validate(json.loads(path.read_bytes()))

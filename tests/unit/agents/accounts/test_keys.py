"""Keys of accounts: which files and values are taken for one, and which can be told from ordinary words."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents.accounts.keys import KEY_BYTES, NoKey, known_secrets, read_key, tellable
from gitfleet.model.account import Account, Key
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from pathlib import Path

WELL = "sk-0123456789abcdef"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (WELL, True),
        ("correct-horse-battery-staple", True),
        ("Password", True),
        ("sk-1234", False),
        ("lm-studio", False),
        ("no-key-required", False),
    ],
)
def test_a_key_that_is_a_word_is_no_secret(value: str, told: bool) -> None:  # noqa: FBT001
    assert tellable(value) is told


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"{WELL}\n".encode(), ""),
        (f"{WELL}\r\n".encode(), ""),
        (b"\xef\xbb\xbf" + WELL.encode(), "a key"),
        (b"", "a key"),
        (b"# key\nsk-0123", "a key"),
        (b"sk-\x1b[31m0123", "a key"),
        (b"sk-\x000123", "a key"),
        ("sk-\u00e4\u00f60123".encode(), "a key"),
        (b"\xff\xfe0123", "not text"),
        (b"a" * (KEY_BYTES + 1), "more than 8192 bytes"),
    ],
)
def test_a_file_holds_a_key_and_nothing_else(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    found = read_key(Key(path=quote_path(os.fsencode(path))), {})
    assert found == WELL if not why else isinstance(found, NoKey) and why in found.why


@pytest.mark.parametrize("value", ["", "  ", "two words", "a\nb", "k\u00e9y", "a" * (KEY_BYTES + 1)])
def test_a_variable_holds_a_key_and_nothing_else(value: str) -> None:
    assert isinstance(read_key(Key(env="KEY"), {"KEY": value}), NoKey)
    assert read_key(Key(env="KEY"), {"KEY": f" {WELL} "}) == WELL


def test_what_is_missing_names_the_command_that_brings_it_back(tmp_path: Path) -> None:
    path = tmp_path / "my key"
    path.write_text(WELL)
    path.chmod(0o640)
    open_ = read_key(Key(path=str(path)), {})
    assert isinstance(open_, NoKey)
    assert open_.mend == f"chmod 600 '{path}'"
    unset = read_key(Key(env="KEY"), {})
    assert isinstance(unset, NoKey)
    assert unset.mend == "export KEY=..."


def test_a_pipe_in_place_of_a_key_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    found = read_key(Key(path=str(tmp_path / "key")), {})
    assert isinstance(found, NoKey)
    assert "not a regular file" in found.why


def test_a_login_that_is_nested_as_deep_as_can_be_read_stops_nobody(tmp_path: Path) -> None:
    account = Account(ref="codex", kind=AgentKind.CODEX, connected="2026-01-02T03:04:05.000Z")
    for depth in (900, 1400):  # more than frames of Python may be nested; Python 3.12 reads that, 3.11 does not
        (tmp_path / "auth.json").write_text('{"tokens":' * depth + f'"{WELL}"' + "}" * depth)

        assert known_secrets(account, tmp_path, {}) <= {WELL}
    (tmp_path / "auth.json").write_text(json.dumps({"tokens": [{"a": WELL}], "auth_mode": "a-name-that-is-no-secret"}))
    assert known_secrets(account, tmp_path, {}) == {WELL}

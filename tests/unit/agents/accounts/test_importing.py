"""Settings that are taken over into an account: what is left out of them is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.agents.accounts import importing
from gitfleet.agents.accounts.importing import take_over
from gitfleet.model.account import Account
from gitfleet.model.agent_config import AgentKind

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CLAUDE = Account(ref="claude", kind=AgentKind.CLAUDE)


def test_a_link_is_left_out_and_named_wherever_it_leads(tmp_path: Path) -> None:
    own, elsewhere = tmp_path / "own", tmp_path / "elsewhere"
    (own / "skills/one").mkdir(parents=True)
    (own / "skills/one/SKILL.md").write_text("One.")
    elsewhere.mkdir()
    (elsewhere / "SKILL.md").write_text("Two.")
    (own / "skills/two").symlink_to(elsewhere)
    (own / "skills/one/more.md").symlink_to(elsewhere / "SKILL.md")
    found = take_over(CLAUDE, tmp_path / "home", {}, own)
    assert found.taken == ("skills/one/SKILL.md",)
    assert found.left_out == ("skills/one/more.md: a symbolic link", "skills/two: a symbolic link")


def test_too_many_files_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_FILES", 3)
    (tmp_path / "own/agents").mkdir(parents=True)
    for name in "abcde":
        (tmp_path / f"own/agents/{name}.md").write_text(name)
    found = take_over(CLAUDE, tmp_path / "home", {}, tmp_path / "own")
    assert len(found.taken) == 3
    assert found.left_out == ("agents: all but 3 files",)

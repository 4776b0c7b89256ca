"""What documents say of themselves in words: for people, and for a shell that people paste them into."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.model.agent_config import AgentConfig, AgentKind
from gitfleet.model.config import Config
from gitfleet.model.conflict import Conflict, ConflictKind, ConflictSide, SideChange, described, paths_of
from gitfleet.model.lease import Lease, SetAside, quoted
from gitfleet.model.parking import Parked, Permission, StandingGrant
from gitfleet.model.paths import quote_path, unquote_path
from gitfleet.model.run import Run, RunState, advance

CLAUDE, CODEX = AgentConfig(kind=AgentKind.CLAUDE), AgentConfig(kind=AgentKind.CODEX)
SCRIPT, AUTO = AgentConfig(argv=("x",)), AgentConfig(kind=AgentKind.AUTO)


def test_a_permission_is_named_with_what_it_is_for() -> None:
    asked = Parked(denied=(Permission(tool="Bash", argument="make deploy"), Permission(tool="WebFetch")))
    assert asked.words == "Bash(make deploy), WebFetch"
    assert Parked().words == "something that its agent does not name"
    grant = StandingGrant(agent="claude", tool="Bash", argument="make deploy")
    assert grant.permission == asked.denied[0]


@given(st.text(st.characters(exclude_characters="\0")))
def test_a_word_for_a_shell_is_read_back_whole(word: str) -> None:
    assert shlex.split(quoted(word)) == [word]


def test_a_plain_word_stays_as_it_is() -> None:
    assert quoted("/home/ada/shop.fleet/tree-1") == "/home/ada/shop.fleet/tree-1"
    assert quoted("") == "''"


def test_a_tree_is_found_by_its_path_and_let_go_by_a_command() -> None:
    path = quote_path(b"/tmp/it's \xff/tree-1")
    lease = Lease(slot="tree-1", path=path, instance="i", session="s", task="a", attempt=1, since="")
    assert lease.place.encode("utf-8", "surrogateescape") == unquote_path(path)
    aside = SetAside(path="/tmp/it's", why="w", since="")
    assert aside.place == "/tmp/it's"
    assert [shlex.split(part) for part in aside.let_go.split("; ")] == [
        ["git", "worktree", "unlock", "/tmp/it's"],
        ["git", "worktree", "remove", "--force", "/tmp/it's"],
    ]


def test_a_conflict_says_who_is_on_the_other_side_each_once() -> None:
    changes = (SideChange(commit="a" * 40), SideChange(commit="b" * 40, instance="i1"), SideChange(commit="a" * 40))
    met = Conflict(path="x.py", kind=ConflictKind.CONTENT, target=ConflictSide(changes=changes))
    alone = Conflict(path="y.py", kind=ConflictKind.ADD_ADD)
    assert described(met) == "x.py (content, with aaaaaaaaaaaa, i1)"
    assert described(alone) == "y.py (add/add)"
    assert paths_of([met, alone, met]) == ("x.py", "y.py")


@pytest.mark.parametrize(
    ("agents", "name", "stages"),
    [
        ({}, "gone", (("gone",),)),
        ({"one": AgentConfig(kind=AgentKind.CLAUDE, fallback=("codex", "one"))}, "one", (("one",), ("codex",))),
        ({"any": AUTO, "script": SCRIPT}, "any", (("claude", "codex", "opencode"),)),
        ({"any": AUTO, "script": SCRIPT, "a": CLAUDE, "b": CODEX}, "any", (("a", "b"),)),
        ({"b": CODEX, "one": AgentConfig(kind=AgentKind.CLAUDE, fallback=("auto",))}, "one", (("one",), ("b", "one"))),
    ],
)
def test_an_agent_is_tried_first_and_its_fallbacks_last(
    agents: dict[str, AgentConfig], name: str, stages: tuple[tuple[str, ...], ...]
) -> None:
    assert Config(agents=agents).stages(name) == stages


def test_a_wait_ends_with_the_queue() -> None:
    run = Run(session="s", task="a", name="a", wave=1, state=RunState.QUEUED, parked=Parked(), not_before="later")
    started = advance(run, RunState.PREPARING)
    assert (started.parked, started.not_before, started.backoff_seconds) == (None, "", None)


def test_a_path_with_control_characters_is_read_back_as_it_was() -> None:
    assert quote_path(b"a\x01\x7f") == '"a\\001\\177"'
    assert unquote_path(quote_path(b"a\x01\x7f")) == b"a\x01\x7f"

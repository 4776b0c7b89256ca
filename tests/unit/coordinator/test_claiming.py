from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gitfleet.coordinator.claiming import RETRY_SECONDS, Claiming, HeldElsewhere, Taken, clash
from gitfleet.model.claim import Claim, ExternalClaim
from gitfleet.model.config import Config
from gitfleet.model.trees_config import WorktreesConfig
from gitfleet.planner.scopes import Scope
from tests.support.stage import SESSION, session_on, task_of
from tests.unit.store.samples import make_claim

if TYPE_CHECKING:
    from tests.support.repo import Repo


def took(result: Taken | HeldElsewhere) -> Claim:
    assert isinstance(result, Taken)
    assert result.warnings == ()
    return result.claim


def test_each_claim_has_a_block_of_ports_of_its_own(repo: Repo) -> None:
    config = Config(worktrees=WorktreesConfig(ports=4000))
    with session_on(repo, task_of("a"), config=config) as stage:
        claiming = Claiming(stage.parts, stage.session)
        taken = [took(claiming.take(f"i{name}", name, Scope.parse([f"{name}.txt"]))) for name in "abc"]
        assert [claim.port_base for claim in taken] == [4000, 4010, 4020]
        assert stage.parts.claims.live() == tuple(taken)
        claiming.release(["ib"])
        again = took(claiming.take("id", "d", Scope.parse(["d.txt"])))
        assert again.port_base == 4010
        # Taking what one holds already keeps the block.
        same = took(claiming.take("ia", "a", Scope.parse(["a.txt"])))
        assert same.port_base == 4000
        claiming.release(["ia", "ib", "ic", "id", "never"])
        assert stage.parts.claims.live() == ()


def test_the_holder_and_a_path_are_named_and_time_must_pass(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        claiming = Claiming(stage.parts, stage.session)
        assert isinstance(claiming.take("ia", "a", Scope.parse(["src/"])), Taken)
        held = claiming.take("ib", "b", Scope.parse(["src/x.py"]))
        assert isinstance(held, HeldElsewhere)
        assert held.sentence == f"src/x.py is held by ia of {SESSION}"
        assert not held.worth_trying(held.at + RETRY_SECONDS / 2)
        assert held.worth_trying(held.at + RETRY_SECONDS)


def test_a_claim_of_another_tool_is_honoured_by_its_file(repo: Repo) -> None:
    path = ".planning/coordination/claims/x.json"
    repo.write(path, json.dumps({"instanceId": "other-1", "scope": ["docs/"]}))
    with session_on(repo, task_of("a")) as stage:
        claiming = Claiming(stage.parts, stage.session)
        held = claiming.take("ia", "a", Scope.parse(["docs/a.md"]))
        assert isinstance(held, HeldElsewhere)
        assert held.sentence.startswith("docs/a.md is held by other-1 (")
        assert held.sentence.endswith("x.json)")
        assert isinstance(claiming.take("ib", "b", Scope.parse(["src/"])), Taken)


def test_two_claims_clash_where_they_share_a_path() -> None:
    mine = make_claim("a", "src/", "!src/gen/")
    assert clash(mine, make_claim("b", "docs/")) is None
    assert clash(mine, make_claim("b", "src/gen/x")) is None
    assert clash(mine, make_claim("b", "src/x")) == b"src/x"


def test_names_are_folded_when_either_side_folds() -> None:
    plain, folded = (
        make_claim("a", "SRC/x"),
        Claim(instance="b", session="s", task="b", scope=("src/x",), folded=True, acquired="2026-01-02T03:04:05.000Z"),
    )
    assert clash(plain, make_claim("b", "src/x")) is None
    assert clash(plain, folded) is not None
    assert clash(folded, plain) is not None
    assert clash(folded, ExternalClaim(instance="x", scope=("SRC/",), file="f")) is not None


def test_a_scope_that_cannot_be_read_overlaps_all_that_is_written() -> None:
    strange = ExternalClaim(instance="x", scope=("a\\",), file="f")
    assert clash(make_claim("a", "src/"), strange) == b"(a scope that cannot be read)"
    assert clash(make_claim("a"), strange) is None


def test_what_another_tool_holds_outside_the_repository_holds_nothing_here() -> None:
    other = ExternalClaim(instance="x", scope=("docs/", "../up", "/etc", "a/../b"), file="f")
    assert clash(make_claim("a", "."), other) == b"docs"
    assert clash(make_claim("a", "src/"), other) is None

from __future__ import annotations

import json
import os
import resource
from typing import TYPE_CHECKING

import pytest

from gitfleet.errors import GitfleetError
from gitfleet.store.claims import Claims, Granted, Held, clone_id, external
from gitfleet.store.layout import Layout
from gitfleet.store.locks import claims_lock
from tests.unit.store.samples import every_name, make_claim

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.model.claim import Claim, ExternalClaim


def same_entry(ours: Claim, theirs: Claim | ExternalClaim) -> bytes | None:
    common = set(ours.scope) & set(theirs.scope)
    return min(common).encode() if common else None


def acquire(claims: Claims, *wanted: Claim, others: tuple[ExternalClaim, ...] = ()) -> Granted | Held:
    with claims_lock(claims.layout) as proof:
        return claims.acquire(proof, wanted, same_entry, others)


def test_apart_claims_are_granted_and_live(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    a, b = make_claim("a", "src"), make_claim("b", "docs")
    assert acquire(claims, a, b) == Granted((a, b))
    assert claims.live() == (a, b)


def test_an_overlap_names_the_holder_and_takes_nothing(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    held, apart, wanted = make_claim("held", "src"), make_claim("apart", "docs"), make_claim("wanted", "src")
    acquire(claims, held)
    assert acquire(claims, apart, wanted) == Held(wanted, held, b"src")
    assert claims.live() == (held,)


def test_wanted_claims_are_held_against_each_other(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    a, b = make_claim("a", "src"), make_claim("b", "src")
    assert acquire(claims, a, b) == Held(b, a, b"src")
    assert claims.live() == ()


def test_an_instance_may_claim_again(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    acquire(claims, make_claim("a", "src"))
    wider = make_claim("a", "src", "docs")
    assert acquire(claims, wider) == Granted((wider,))
    assert claims.live() == (wider,)


def test_another_clone_warns_and_never_blocks(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path), clone="mine")
    foreign = make_claim("foreign", "src", clone="other")
    acquire(Claims(Layout(tmp_path), clone="other"), foreign)
    wanted = make_claim("a", "src", clone="mine")
    assert acquire(claims, wanted) == Granted((wanted,), (foreign,))
    assert isinstance(acquire(claims, make_claim("b", "src", clone="mine")), Held)


def test_release_is_idempotent_and_needs_the_lock(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    acquire(claims, make_claim("a", "1"), make_claim("b", "2"), make_claim("c", "3", session="other"))
    with claims_lock(claims.layout) as proof:
        assert claims.release(proof, ["a", "ghost"]) == ("a",)
        assert claims.release(proof, ["a"]) == ()
        assert claims.release(proof, ["b"]) == ("b",)
    assert [claim.instance for claim in claims.live()] == ["c"]
    with pytest.raises(AssertionError):
        claims.release(proof, ["c"])


def test_a_damaged_claim_refuses_everything_by_name(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    acquire(claims, make_claim("a", "src"))
    claims.layout.claim("a").write_bytes(b'{"instance": "a')
    with pytest.raises(GitfleetError) as refused:
        acquire(claims, make_claim("b", "docs"))
    assert str(claims.layout.claim("a")) in refused.value.message


def test_a_write_that_fails_part_way_is_taken_back(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    first = make_claim("a", "old")
    acquire(claims, first)
    too_large = make_claim("c", "x" * 100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        with claims_lock(claims.layout) as proof, pytest.raises(OSError, match="File too large"):
            claims.acquire(proof, [make_claim("a", "new"), make_claim("b", "2"), too_large], same_entry)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert claims.live() == (first,)
    assert every_name(claims.layout.claims) == ["a.json"]


def test_unfinished_writes_are_no_claims_and_are_swept(tmp_path: Path) -> None:
    claims = Claims(Layout(tmp_path))
    acquire(claims, make_claim("a", "1"))
    (claims.layout.claims / ".tmp-1-1").write_bytes(b"{")
    assert len(claims.live()) == 1
    with claims_lock(claims.layout) as proof:
        assert claims.sweep(proof) == 1


def test_claims_of_other_tools_are_read_and_broken_ones_are_notes(tmp_path: Path) -> None:
    directory = tmp_path / ".planning" / "coordination" / "claims"
    assert external(tmp_path).claims == ()
    directory.mkdir(parents=True)
    contents: dict[str, object] = {
        "list": {"instanceId": "x-1", "scope": ["src/", "docs/ (read-only)", " lib "], "agent": "?"},
        "string": {"instanceId": "x-2", "scope": "a,b/"},
        "number": {"instanceId": "x-3", "scope": 7},
        "nameless": {"scope": "src"},
        "array": [],
    }
    for name, content in contents.items():
        (directory / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (directory / "torn.json").write_bytes(b'{"instanceId": ')
    (directory / "deep.json").write_bytes(b"[" * 100_000)
    (directory / "huge.json").write_bytes(b" " * (1 << 20) + b"{}")
    (directory / "link.json").symlink_to("/etc/passwd")
    (directory / "dir.json").mkdir()
    os.mkfifo(directory / "pipe.json")
    (directory / "README").write_text("not a claim", encoding="utf-8")
    found = external(tmp_path)
    assert {claim.instance: claim.scope for claim in found.claims} == {
        "x-1": ("src/", "lib"),
        "x-2": ("a,b/", "a", "b/"),
    }
    assert found.claims[0].file == ".planning/coordination/claims/list.json"
    assert len(found.notes) == 9
    assert all(".planning/coordination/claims/" in note for note in found.notes)


def test_external_claims_block(tmp_path: Path) -> None:
    directory = tmp_path / ".planning" / "coordination" / "claims"
    directory.mkdir(parents=True)
    (directory / "a.json").write_text('{"instanceId": "x", "scope": "src"}', encoding="utf-8")
    found = external(tmp_path).claims
    outcome = acquire(Claims(Layout(tmp_path / "git")), make_claim("a", "src"), others=found)
    assert outcome == Held(make_claim("a", "src"), found[0], b"src")


def test_the_first_clone_id_wins(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert clone_id(layout, lambda: "one") == "one"
    assert clone_id(layout, lambda: "two") == "one"
    layout.clone_id.write_bytes(b"\xff")
    with pytest.raises(GitfleetError, match="clone id"):
        clone_id(layout, lambda: "three")

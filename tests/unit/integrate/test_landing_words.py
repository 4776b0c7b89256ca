"""What a landing writes down and says."""

from __future__ import annotations

import os
from pathlib import Path

from gitfleet.integrate.landing.checkouts import Checkout
from gitfleet.integrate.landing.intent import Intent
from gitfleet.integrate.landing.outcome import InTheWay, Obstacle, Reason
from gitfleet.model.base import decode, encode

TREE = Path("/work/tree")


def test_intent_keeps_paths_that_are_not_text() -> None:
    checkout = Checkout(Path(os.fsdecode(b"/w\xff\n/tree")), Path("/w/.git"))
    intent = Intent(id="s-w1", target="refs/heads/main", old="1" * 40, new="2" * 40, refs={"refs/x": "2" * 40})
    intent = intent.holding([checkout]).joined_by(Checkout(TREE, TREE / ".git")).leaving(1, [b"a\xff", b"b c"])
    again = decode(encode(intent), Intent)
    assert again == intent
    assert again.checkouts[0].checkout == checkout
    assert again.pending(0) == frozenset()
    assert again.pending(1) == {b"a\xff", b"b c"}


def test_obstacles_are_named_one_a_line() -> None:
    outcome = InTheWay(
        (
            Obstacle(TREE, b"a.txt", Reason.MODIFIED),
            Obstacle(TREE, b"bad\xff", Reason.UNTRACKED),
            Obstacle(TREE, b"", Reason.REFUSED, "error: disk full"),
            Obstacle(Path("/other"), b"a.txt", Reason.STAGED),
        )
    )
    assert outcome.paths == (b"a.txt", b"bad\xff")
    assert outcome.why.split("\n") == [
        "a.txt has changes that are not committed",
        '"bad\\377" is there but not tracked, and the landing adds it',
        "cannot be written (error: disk full)",
        "a.txt has staged changes",
    ]

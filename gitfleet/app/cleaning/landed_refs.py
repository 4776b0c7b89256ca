"""Refs that say what a session landed, once its state is gone.

While the state knows the session they tell a landing that happened from one that did not. Afterwards one that the
target's history holds says nothing that the history does not; one that people have rewritten since is the last that
keeps what was landed, and stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitfleet.git.command import Git
    from gitfleet.model.session import Session


def forget_landed(git: Git, session: Session) -> None:
    """Delete those of a removed session that its target holds."""
    listed = git.run(
        "for-each-ref",
        f"--merged={session.target}",
        "--format=%(refname) %(objectname)",
        f"refs/gitfleet/landed/{session.id}/",
        ok=(0, 1, 128, 129),  # a target that is gone holds nothing
    )
    for line in listed.text.splitlines() if not listed.code else ():
        ref, _, commit = line.partition(" ")
        git.run("update-ref", "-d", ref, commit)

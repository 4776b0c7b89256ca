"""Bring back a damaged file of a session from the commit that mirrors its state, where that loses nothing.

The mirror is as old as the last boundary. What is older than something that happened since would make it happen
again: so a file that changes is brought back only while no landing came after the mirror, and a run only where no
attempt did.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.base import decode
from gitfleet.model.run import Run
from gitfleet.model.session import Session
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.documents import front_matter
from gitfleet.store.files import make_directory, names, rename_durable, write_durable
from gitfleet.store.locks import session_lock
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitfleet.app.workspace import Workspace
    from gitfleet.store.layout import Layout


def damaged_files(workspace: Workspace, session: str) -> Iterator[tuple[Path, str]]:
    """Files of a session that cannot be read, each with the reason."""
    from gitfleet.app.load import load_config  # noqa: PLC0415

    state, layout = State(workspace.layout), workspace.layout
    reads: list[tuple[Path, Callable[[], object]]] = [
        (layout.report(session), lambda: state.read_session(session)),
        (layout.config(session), lambda: load_config(state.read_config_bytes(session), "config")),
        (layout.plan(session), lambda: state.read_plan_bytes(session)),
    ]
    runs = sorted(path for path in layout.runs(session).glob("*.json") if not path.name.startswith("."))
    reads += [(path, lambda path=path: state.read_run(session, path.stem)) for path in runs]  # type: ignore[misc]
    for path, read in reads:
        try:
            read()
        except (GitfleetError, OSError, *UNREADABLE) as error:
            yield path, str(error)


def restore(workspace: Workspace, session: str, path: Path) -> str:
    """Bring one file back; why not, empty when it is done. The damaged one goes to the trash.

    Raises ``GitfleetError`` (``BUSY``) while a coordinator runs the session.
    """
    layout = workspace.layout
    relative = path.relative_to(layout.state).as_posix()
    git = workspace.repository.git
    ref = f"refs/gitfleet/state/{session}"
    saved = git.run("cat-file", "blob", f"{ref}:{relative}", ok=(0, 128))
    if saved.code:
        return f"{ref} does not hold it"
    with session_lock(layout, session, command="gitfleet doctor --fix"):
        why = _unsafe(workspace, session, path, saved.stdout)
        if why:
            return why
        if path.exists():
            make_directory(layout.trash)
            number = 1
            while (place := layout.trash / f"{session}-{path.name}.{number}").exists():
                number += 1
            rename_durable(path, place)
        write_durable(path, saved.stdout)
    return ""


def _unsafe(workspace: Workspace, session: str, path: Path, saved: bytes) -> str:
    """Why what was saved must not take the place of what is damaged; empty where it may."""
    layout, git = workspace.layout, workspace.repository.git
    if path in {layout.plan(session), layout.config(session)}:
        return ""
    report = git.run("cat-file", "blob", f"refs/gitfleet/state/{session}:sessions/{session}/session.md", ok=(0, 128))
    try:
        mirrored = front_matter.parse(report.stdout, Session)[0]
        run = decode(saved, Run) if path.parent == layout.runs(session) else None
    except UNREADABLE:
        return "what was saved cannot be read either"
    landed = git.run("for-each-ref", "--format=%(refname)", f"refs/gitfleet/landed/{session}/").text.split()
    if len(landed) > len(mirrored.landings) or layout.pending_landing(session).exists():
        return "the session landed something since it was saved"
    began = _began(layout, run) if run is not None else ""
    return f"{began} began since it was saved" if began else ""


def _began(layout: Layout, run: Run) -> str:
    """An attempt of a run that it knows nothing of; it may be, where it has no instance yet and nobody else knows."""
    number = len(run.attempts) + 1
    if run.instance:
        return f"attempt {number} of {run.instance}" if layout.attempt(run.instance, number).exists() else ""
    known = set()
    for path in layout.runs(run.session).glob("*.json"):
        with suppress(GitfleetError):
            known.add(State(layout).read_run(run.session, path.stem).instance)
    mine = re.compile(rf"fleet-{re.escape(run.session)}-w\d+-a\d+")
    begun = (name for name in names(layout.root / "attempts") if mine.fullmatch(name) and name not in known)
    return next((f"attempt {number} of {name}, which may be its own," for name in begun), "")

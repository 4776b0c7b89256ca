"""Removing what closed sessions left. What is not provably safe to remove stays, and the report says why.

Proof, for each kind: a worktree holds nothing that is not on a ref; a task branch is what its run landed, and its tip
is reachable from the landing; a log belongs to a closed session and no warden holds it; a session's every record is on
its target, and no day counts it. What did not land is never touched.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitfleet.app.attempt_files import working
from gitfleet.app.cleaning.free_trees import free_trees
from gitfleet.app.cleaning.landed_refs import forget_landed
from gitfleet.app.cleaning.old_usage import needed_today, old_rows
from gitfleet.app.cleaning.planner_logs import planner_logs
from gitfleet.app.cleaning.run_trees import RunTrees
from gitfleet.app.cleaning.sizes import bytes_of
from gitfleet.app.cleaning.spills import spills
from gitfleet.errors import GitfleetError
from gitfleet.model.base import seconds_of
from gitfleet.model.paths import quote_path
from gitfleet.model.reports import CleanItem, CleanReport
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.model.words import plural
from gitfleet.store import locks
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitfleet.app.workspace import Workspace
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session


def clean(workspace: Workspace, *, dry_run: bool, older_than: float = 0.0) -> CleanReport:
    """Remove what is safe to remove, or with ``dry_run`` only say what would be.

    ``older_than`` spares what sessions left that closed, and what was thrown away, fewer than so many seconds ago.
    """
    items = tuple(_Clean(workspace, dry_run=dry_run, older_than=older_than).items())
    freed = sum(item.bytes or 0 for item in items if item.removed)
    return CleanReport(dry_run=dry_run, freed_bytes=freed, items=items)


class _Clean:
    def __init__(self, workspace: Workspace, *, dry_run: bool, older_than: float) -> None:
        self.workspace = workspace
        self.layout = workspace.layout
        self.git = workspace.repository.git
        self.state = State(workspace.layout)
        self.trees = RunTrees(workspace, dry_run=dry_run)
        self.dry_run = dry_run
        self.until = workspace.now() - older_than if older_than else float("inf")

    def items(self) -> Iterator[CleanItem]:
        trash = self._trashed()
        closed: list[tuple[Session, Mapping[str, Run]]] = []
        for name in self.state.session_ids():
            try:
                session = self.state.read_session(name)
                if (
                    session.state is SessionState.COMPLETED
                    and seconds_of(session.ended or session.started) <= self.until
                ):
                    closed.append((session, self.state.read_runs(name)))
            except GitfleetError as error:
                yield CleanItem(kind="session", name=name, removed=False, reason=error.message)
        for session, runs in closed:
            yield from self._claims(session)
            trees = [*self.trees.of_runs(runs), *self.trees.of_integration(session, runs)]
            yield from trees
            yield from self._branches(session, runs, [tree.name for tree in trees if tree.removed])
            yield from self._logs(runs)
        yield from planner_logs(self.workspace, self.until, dry_run=self.dry_run)
        yield from spills(self.workspace)
        for session, runs in closed:
            yield from self._session(session, runs)
        yield from old_rows(self.workspace, self.until, dry_run=self.dry_run)
        yield from self._cache()
        yield from free_trees(self.workspace, dry_run=self.dry_run)
        yield from self._trash(trash)

    def _claims(self, session: Session) -> Iterator[CleanItem]:
        from gitfleet.store.claims import Claims  # noqa: PLC0415

        table = Claims(self.layout)
        held = [claim for claim in table.live() if claim.session == session.id]
        if held and not self.dry_run:
            with locks.claims_lock(self.layout, command="gitfleet clean") as proof:
                table.release(proof, [claim.instance for claim in held])
        for claim in held:
            yield CleanItem(kind="claim", name=claim.instance, removed=True, reason="its session is closed")

    def _branches(self, session: Session, runs: Mapping[str, Run], going: list[str]) -> Iterator[CleanItem]:
        checked_out = self._checked_out()
        for path in going:
            checked_out = {ref: where for ref, where in checked_out.items() if where != path}
        for run in runs.values():
            if not run.branch:
                continue
            ref = f"refs/heads/{run.branch.removeprefix('refs/heads/')}"
            tip = self.git.run("rev-parse", "--verify", "--quiet", ref, ok=(0, 1, 128)).text
            if not tip:
                continue
            landed = run.state is RunState.LANDED
            if landed and tip != run.tip:
                reason = "it moved since its run landed"
            elif not self._landed(session, tip):
                work = f"its run is {run.state.value}, and it holds work that {session.target} does not"
                reason = "its tip is not reachable from the landing" if landed else work
            elif ref in checked_out:
                reason = f"it is checked out in {checked_out[ref]}"
            else:
                if not self.dry_run:
                    self.git.run("update-ref", "-d", ref, tip)
                yield CleanItem(kind="branch", name=run.branch, removed=True)
                continue
            yield CleanItem(kind="branch", name=run.branch, removed=False, reason=reason)

    def _logs(self, runs: Mapping[str, Run]) -> Iterator[CleanItem]:
        for run in runs.values():
            if not run.instance:
                continue
            parent = self.layout.attempt(run.instance, 1).parent
            if not parent.is_dir():
                continue
            if working(self.layout, run):
                yield CleanItem(kind="log", name=run.instance, removed=False, reason="its warden has not ended")
                continue
            size = bytes_of(parent)
            if not self.dry_run:
                shutil.rmtree(parent)
            yield CleanItem(kind="log", name=run.instance, bytes=size, removed=True)

    def _session(self, session: Session, runs: Mapping[str, Run]) -> Iterator[CleanItem]:
        size = bytes_of(self.layout.session(session.id))
        missing = self._unpublished(session)
        reason = f"{missing} is not on {session.target}" if missing else needed_today(self.workspace, runs)
        if reason:
            yield CleanItem(kind="session", name=session.id, bytes=size, removed=False, reason=reason)
            return
        if not self.dry_run:
            try:
                with locks.session_lock(self.layout, session.id, command="gitfleet clean") as proof:
                    self.state.remove_session(proof)
            except GitfleetError as error:
                yield CleanItem(kind="session", name=session.id, bytes=size, removed=False, reason=error.message)
                return
            self.layout.journal(session.id).unlink(missing_ok=True)
            ref = f"refs/gitfleet/state/{session.id}"
            tip = self.git.run("rev-parse", "--verify", "--quiet", ref, ok=(0, 1, 128)).text
            if tip:
                self.git.run("update-ref", "-d", ref, tip)
            forget_landed(self.git, session)
        yield CleanItem(kind="session", name=session.id, bytes=size, removed=True)

    def _cache(self) -> Iterator[CleanItem]:
        """Forget which trees were green: the checks run again where that matters."""
        from gitfleet.store.verify_cache import VerifyCache  # noqa: PLC0415

        count, size = VerifyCache(self.layout, self.workspace.now).clear(self.until, dry_run=self.dry_run)
        if count:
            yield CleanItem(kind="cache", name=f"verify-cache ({plural(count, 'file')})", bytes=size, removed=True)

    def _trashed(self) -> frozenset[str]:
        try:
            return frozenset(path.name for path in self.layout.trash.iterdir())
        except FileNotFoundError:
            return frozenset()

    def _trash(self, before: frozenset[str]) -> Iterator[CleanItem]:
        """Empty the trash; what this very command put there was reported as what it was, and is not counted twice."""
        for name in sorted(self._trashed()):
            path = self.layout.trash / name
            if name in before and path.lstat().st_mtime > self.until:
                continue
            size = bytes_of(path)
            if not self.dry_run and (path.is_symlink() or not path.is_dir()):
                path.unlink()
            elif not self.dry_run:
                shutil.rmtree(path)
            if name in before:
                yield CleanItem(kind="trash", name=name, bytes=size, removed=True)

    def _unpublished(self, session: Session) -> str:
        """Name a record of the session that its target does not hold; empty when all are there.

        A path is enough: a record is written once, and what a landing published differs from the state by design (it
        cannot name its own commit, and it is redacted).
        """
        from gitfleet.store.records import pending  # noqa: PLC0415

        done = self.git.run("ls-tree", "-r", "-z", "--name-only", session.target, "--", ".planning/", ok=(0, 128))
        if done.code:
            return session.target
        published = {quote_path(path.removeprefix(b".planning/")) for path in done.stdout.split(b"\0")[:-1]}
        missing = next(iter(pending(self.state, session.id, published)), "")
        return f".planning/{missing}" if missing else ""

    def _landed(self, session: Session, tip: str) -> bool:
        places = [session.target]
        places += self.git.run(
            "for-each-ref", "--format=%(refname)", f"refs/gitfleet/landed/{session.id}/"
        ).text.split()
        return any(
            self.git.run("merge-base", "--is-ancestor", tip, place, ok=(0, 1, 128)).code == 0 for place in places
        )

    def _checked_out(self) -> dict[str, str]:
        # A worktree's path may hold a newline, and `for-each-ref` of git 2.39 has no `-z`.
        text = self.git.run("for-each-ref", "--format=%(refname)%00%(worktreepath)%00", "refs/heads").text
        words = text.split("\0")
        return {ref.removeprefix("\n"): path for ref, path in zip(words[::2], words[1::2], strict=False) if path}

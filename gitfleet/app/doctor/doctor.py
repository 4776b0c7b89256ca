"""Looking for what would keep gitfleet from working here: each finding says what is, and what to do.

Changes nothing unless asked to mend. A check that itself fails becomes a finding; the doctor never stops at the first
illness.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from gitfleet.app.doctor.accounts import account_findings
from gitfleet.errors import GitfleetError
from gitfleet.git.command import MINIMUM_VERSION, Git, GitFailed
from gitfleet.model.reports import SESSION_CLOSED, SESSION_GONE, DoctorReport, Finding, Level, Mend
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitfleet.app.workspace import Workspace

LIVE_LINK = ".planning/live"
EXCLUDED = (f"/{LIVE_LINK}", "/.fleet-instance-id")


def doctor(start: Path, *, fix: bool = False) -> DoctorReport:
    """Examine the repository at ``start`` and the machine; with ``fix`` after putting right what can be."""
    mends: tuple[Mend, ...] = ()
    findings = list(_collect("git", lambda: _git(start)))
    try:
        from gitfleet.app.workspace import open_workspace  # noqa: PLC0415 - fails on its own where git is too old

        workspace = open_workspace(start)
    except GitfleetError as error:
        findings.append(_refusal("repository", error))
    else:
        if fix:
            from gitfleet.app.doctor.mending import mend  # noqa: PLC0415

            mends = mend(workspace)
        for name, check in (
            ("repository", _repository),
            ("identity", _identity),
            ("state", _state),
            ("config", _config),
            ("exclude", _exclude),
            ("live link", _link),
            ("sessions", _sessions),
            ("claims", _claims),
            ("worktrees", _worktrees),
            ("orphans", _orphans),
            ("account", account_findings),
        ):
            findings += _collect(name, lambda check=check: check(workspace))  # type: ignore[misc]
    healthy = all(finding.level is not Level.FAIL for finding in findings)
    return DoctorReport(healthy=healthy, findings=tuple(findings), mends=mends)


def _collect(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except GitfleetError as error:
        yield _refusal(name, error)
    except (OSError, GitFailed) as error:
        yield Finding(name=name, level=Level.FAIL, message=str(error))


def _refusal(name: str, error: GitfleetError) -> Finding:
    problems = "".join(f"; {problem}" for problem in error.problems)
    return Finding(name=name, level=Level.FAIL, message=error.message + problems, hint=error.hint)


def _git(start: Path) -> Iterator[Finding]:
    directory = start if start.is_dir() else start.parent
    words = Git(directory).run("version").text.split()
    text = words[2] if len(words) > 2 else "unknown"
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    needed = ".".join(map(str, MINIMUM_VERSION))
    if numbers < MINIMUM_VERSION:
        yield Finding(
            name="git", level=Level.FAIL, message=f"git {text} is too old.", hint=f"Install git {needed} or newer."
        )
    else:
        yield Finding(name="git", level=Level.OK, message=f"git {text}")
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(name="python", level=Level.OK, message=f"Python {version}")


def _repository(workspace: Workspace) -> Iterator[Finding]:
    repository = workspace.repository
    if repository.worktree is None:
        kind = "a bare repository, so settings and targets come from a linked worktree only"
    elif repository.git_dir != repository.common_dir:
        kind = f"a linked worktree of {repository.common_dir}"
    elif repository.common_dir.parent != repository.worktree:
        kind = f"its Git directory is elsewhere: {repository.common_dir}"
    else:
        kind = "a repository with its Git directory inside"
    yield Finding(name="repository", level=Level.OK, message=f"{repository.worktree or repository.common_dir}: {kind}")
    head = repository.git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", ok=(0, 1, 128))
    if head.code:
        yield Finding(
            name="commits",
            level=Level.FAIL,
            message="There is no commit yet.",
            hint="Make a first commit; agents start from one.",
        )
    if repository.git.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1, 128)).code:
        yield Finding(
            name="branch",
            level=Level.WARN,
            message="HEAD is detached.",
            hint="`gitfleet wave` needs --target BRANCH here, or a `git switch` to a branch.",
        )


def _identity(workspace: Workspace) -> Iterator[Finding]:
    done = workspace.repository.git.run("var", "GIT_COMMITTER_IDENT", ok=(0, 1, 128))
    if done.code:
        yield Finding(
            name="identity",
            level=Level.FAIL,
            message="git does not know who you are.",
            hint='git config --global user.name "..." && git config --global user.email "..."',
        )
    else:
        yield Finding(name="identity", level=Level.OK, message=done.text.rpartition(">")[0] + ">")
    signing = workspace.repository.git.run("config", "--type=bool", "--get", "commit.gpgSign", ok=(0, 1, 128))
    if signing.text == "true":
        yield Finding(
            name="signing",
            level=Level.OK,
            message="Commits are signed; a wave probes the signing key before it starts.",
        )


def _state(workspace: Workspace) -> Iterator[Finding]:
    root = workspace.layout.root
    place = root if root.exists() else workspace.layout.common_dir
    if not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            name="state", level=Level.FAIL, message=f"{place} is not writable.", hint="gitfleet keeps its state there."
        )
    elif place == root and root.stat().st_mode & 0o077:
        yield Finding(
            name="state",
            level=Level.WARN,
            message=f"{root} can be read by others: it holds prompts and logs.",
            hint=f"chmod 700 {root}",
        )
    else:
        yield Finding(name="state", level=Level.OK, message=f"{root} can be written")


def _config(workspace: Workspace) -> Iterator[Finding]:
    config = workspace.config
    checks = len(config.verify.commands)
    if checks:
        yield Finding(name="config", level=Level.OK, message=f"valid, {plural(checks, 'check')}")
    else:
        yield Finding(
            name="config",
            level=Level.WARN,
            message="No checks are configured, so every landing is unverified.",
            hint="`gitfleet init` looks for them; verify.commands in .planning/config.yaml holds them.",
        )


def _exclude(workspace: Workspace) -> Iterator[Finding]:
    path = workspace.layout.common_dir / "info" / "exclude"
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        lines = []
    missing = [line for line in EXCLUDED if line not in lines and line.lstrip("/") not in lines]
    if missing:
        yield Finding(
            name="exclude",
            level=Level.WARN,
            message=f"{path} does not list {' and '.join(missing)}.",
            hint="`gitfleet doctor --fix` adds it.",
        )
    else:
        yield Finding(name="exclude", level=Level.OK, message="what is gitfleet's own is hidden from git status")


def _link(workspace: Workspace) -> Iterator[Finding]:
    if workspace.repository.worktree is None:
        return
    path = workspace.repository.worktree / LIVE_LINK
    if path.is_symlink() and path.resolve() == workspace.layout.state.resolve():
        yield Finding(name="live link", level=Level.OK, message=f"{LIVE_LINK} shows the state")
    elif path.is_symlink() or path.exists():
        yield Finding(
            name="live link",
            level=Level.WARN,
            message=f"{path} is not a link to {workspace.layout.state}.",
            hint="Remove it; nothing is lost, and the next wave makes it again.",
        )
    else:
        yield Finding(
            name="live link",
            level=Level.OK,
            message=f"{LIVE_LINK} is not there; the next wave makes it, nothing needs it",
        )


def _sessions(workspace: Workspace) -> Iterator[Finding]:
    from gitfleet.app.planning.planners import abandoned  # noqa: PLC0415
    from gitfleet.app.status import status  # noqa: PLC0415

    report = status(workspace, every=True)
    planners = abandoned(workspace.layout)  # named among what nobody knows
    needs = [need for need in report.needs if need.session not in planners]
    for need in needs:
        yield Finding(
            name="sessions",
            level=Level.WARN,
            message=f"{need.session} {need.task}: {need.reason}".replace(" :", ":"),
            hint=need.next,
        )
    for session in report.sessions:
        for run in session.live:
            if run.alive is False and not session.coordinator:
                yield Finding(
                    name="sessions",
                    level=Level.WARN,
                    message=f"{run.instance} is {run.state.value} in the records, but its warden is gone.",
                    hint=f"gitfleet continue {session.id}",
                )
    if not needs:
        yield Finding(name="sessions", level=Level.OK, message=f"{len(report.sessions)} known, none waits for you")


def _claims(workspace: Workspace) -> Iterator[Finding]:
    from gitfleet.app.claims import claims  # noqa: PLC0415

    report = claims(workspace)
    for claim in report.claims:
        if claim.stale:
            known = claim.stale not in {SESSION_GONE, SESSION_CLOSED}
            yield Finding(
                name="claims",
                level=Level.WARN,
                message=f"{claim.instance} holds {', '.join(claim.scope)}, but {claim.stale}.",
                hint=f"gitfleet continue {claim.session}"
                if known
                else "`gitfleet doctor --fix` releases it, and so does the next wave.",
            )
    if all(not claim.stale for claim in report.claims):
        yield Finding(name="claims", level=Level.OK, message=f"{len(report.claims)} live, none stale")


def _worktrees(workspace: Workspace) -> Iterator[Finding]:
    from gitfleet.git import worktrees  # noqa: PLC0415

    entries = worktrees.entries(workspace.repository)
    gone = [entry for entry in entries if entry.prunable]
    for entry in gone:
        yield Finding(
            name="worktrees",
            level=Level.WARN,
            message=f"git lists the worktree {entry.path}, which is gone.",
            hint="`gitfleet doctor --fix` for one of gitfleet's own, else: git worktree prune",
        )
    if not gone:
        yield Finding(name="worktrees", level=Level.OK, message=f"{len(entries)} listed, all there")


def _orphans(workspace: Workspace) -> Iterator[Finding]:
    from gitfleet.app.orphans import orphans  # noqa: PLC0415

    found = list(orphans(workspace))
    for orphan in found:
        level = Level.OK if orphan.kept else Level.WARN
        yield Finding(name="orphans", level=level, message=f"{orphan.message}.", hint=orphan.hint)
    if not found:
        yield Finding(name="orphans", level=Level.OK, message="nothing of gitfleet's that no session knows")

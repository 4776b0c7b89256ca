"""Where gitfleet's files lie below the Git common directory, and nothing else.

Names that become part of a path are checked here, once, so that no caller can be talked out of the directory by a
session or instance id from a document or a command line. Nothing here touches the disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind

if TYPE_CHECKING:
    from pathlib import Path

PLANNER = "plan-"
"""How the instance of a planner begins; those of runs begin with ``fleet-``."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}", re.ASCII)


def checked(name: str, what: str) -> str:
    """The name, when it can be one component of a path; raises ``GitfleetError`` (``invalid-name``) otherwise."""
    if _NAME.fullmatch(name) is None:
        raise GitfleetError(
            Kind.USAGE,
            "invalid-name",
            f"{name!r} is not the name of a {what}",
            hint="names begin with a lower-case letter or digit, then have those and dots, dashes and underscores",
        )
    return name


@dataclass(frozen=True)
class Layout:
    """Paths of one repository; ``common_dir`` is what ``git rev-parse --git-common-dir`` names, absolute."""

    common_dir: Path

    @cached_property
    def root(self) -> Path:
        """Everything of gitfleet in this clone; mode 0700."""
        return self.common_dir / "gitfleet"

    @cached_property
    def state(self) -> Path:
        """Open sessions, in the layout of ``.planning/``; the authority."""
        return self.root / "state"

    @property
    def tmp(self) -> Path:
        """Where a session's directory is built before it appears by one rename."""
        return self.state / "tmp"

    @cached_property
    def sessions(self) -> Path:
        """One directory a session."""
        return self.state / "sessions"

    def session(self, session: str) -> Path:
        """Directory of a session."""
        return self.sessions / checked(session, "session")

    def report(self, session: str) -> Path:
        """``session.md``: front matter and report."""
        return self.session(session) / "session.md"

    def plan(self, session: str, number: int = 1) -> Path:
        """The accepted plan; amendments are numbered from 2."""
        return self.session(session) / ("plan.yaml" if number == 1 else f"plan.{number}.yaml")

    def config(self, session: str) -> Path:
        """The configuration as it was when the session started."""
        return self.session(session) / "config.yaml"

    def runs(self, session: str) -> Path:
        """Directory of run records."""
        return self.session(session) / "runs"

    def run(self, session: str, task: str) -> Path:
        """One run record."""
        return self.runs(session) / f"{checked(task, 'task')}.json"

    def wave(self, session: str, number: int) -> Path:
        """What a landing did, for people; numbered from 1."""
        return self.session(session) / "waves" / f"w{number}.md"

    def verdicts(self, session: str) -> Path:
        """Where a decision about several runs is written down until each of them says so."""
        return self.session(session) / "verdicts.json"

    def pending_landing(self, session: str) -> Path:
        """Where a decided landing is written down until the books say that it happened."""
        return self.session(session) / "landing.json"

    @property
    def claims(self) -> Path:
        """Live claims of all sessions."""
        return self.state / "claims"

    def claim(self, instance: str) -> Path:
        """The claim of one instance."""
        return self.claims / f"{checked(instance, 'instance')}.json"

    @property
    def waiting(self) -> Path:
        """Who waits for which scope, in order, over all sessions."""
        return self.root / "waiting"

    @property
    def leases(self) -> Path:
        """Who has which slot of the worktree pool, over all sessions."""
        return self.root / "pool"

    def lease(self, slot: str) -> Path:
        """The lease of one slot."""
        return self.leases / f"{checked(slot, 'slot')}.json"

    @property
    def set_aside(self) -> Path:
        """Notes on trees that were taken out of the pool."""
        return self.root / "quarantine"

    def briefs(self, session: str) -> Path:
        """Briefs of a session."""
        return self.state / "briefs" / checked(session, "session")

    def discoveries(self, session: str) -> Path:
        """Discoveries of a session."""
        return self.state / "discoveries" / checked(session, "session")

    def momentum(self, session: str) -> Path:
        """A closed session's share of momentum."""
        return self.state / "momentum" / f"{checked(session, 'session')}.json"

    @property
    def usage(self) -> Path:
        """What agents used, by session; it outlives the sessions."""
        return self.state / "usage"

    def usage_of(self, session: str, instance: str, attempt: int) -> Path:
        """The rows of one attempt."""
        return self.usage / checked(session, "session") / f"{checked(instance, 'instance')}-{attempt}.json"

    def figures(self, session: str) -> Path:
        """What the running attempts of a session used so far; gone with its coordinator's orderly end."""
        return self.root / "figures" / f"{checked(session, 'session')}.json"

    def lock(self, name: str) -> Path:
        """A lock file; it is never unlinked, since a waiter may hold the inode open."""
        return self.root / "locks" / f"{checked(name, 'lock')}.lock"

    def session_lock(self, session: str) -> Path:
        """The lock of a session's coordinator."""
        return self.lock(f"session-{checked(session, 'session')}")

    def target_lock(self, ref: str) -> Path:
        """The lock of one target; a ref name may be long and hold slashes, so a digest names the file."""
        import hashlib  # noqa: PLC0415 - loads OpenSSL, which no reader needs

        return self.lock("target-" + hashlib.sha256(ref.encode("utf-8", "surrogateescape")).hexdigest()[:24])

    def attempt(self, instance: str, number: int) -> Path:
        """Directory of one attempt: spec, prompt, log, pulse, exit."""
        return self.root / "attempts" / checked(instance, "instance") / str(number)

    def planning(self, instance: str) -> Path:
        """What says that a planner is not over yet, beside its attempts: its run."""
        return self.attempt(instance, 1).parent / "run.json"

    def planned(self, instance: str) -> Path:
        """The run of a planner that is over, beside its attempts."""
        return self.attempt(instance, 1).parent / "over.json"

    def planning_stop(self, instance: str) -> Path:
        """What asks a planner to end, beside its run."""
        return self.attempt(instance, 1).parent / "stop"

    def journal(self, session: str) -> Path:
        """Typed events of a session, one JSON object a line."""
        return self.root / "journal" / f"{checked(session, 'session')}.jsonl"

    @property
    def radar(self) -> Path:
        """Predicted conflicts of running sessions, and the places in which they are computed."""
        return self.root / "radar"

    def predictions(self, session: str) -> Path:
        """What a session's coordinator predicts now; gone with the coordinator's orderly end."""
        return self.radar / f"{checked(session, 'session')}.json"

    @property
    def verify_cache(self) -> Path:
        """Trees that were green, and targets that were seen red; losing it loses nothing."""
        return self.root / "verify-cache"

    @property
    def trash(self) -> Path:
        """What was taken away by a rename and may be deleted later."""
        return self.root / "trash"

    @property
    def history_cache(self) -> Path:
        """What was read of history; anybody may remove it."""
        return self.root / "cache" / "history"

    @property
    def clone_id(self) -> Path:
        """File with the random id of this clone."""
        return self.root / "clone-id"


def verify_label(session: str) -> str:
    """What the attempts of a session's own checks are filed under."""
    return f"fleet-{session}-verify"


def setup_label(instance: str) -> str:
    """What the set-up commands of a run's tree are filed under."""
    return f"{instance}-setup"


def check_label(instance: str) -> str:
    """What the attempts of a task's own checks are filed under."""
    return f"{instance}-check"

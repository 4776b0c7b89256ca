"""Every kind of document that gitfleet reads or writes, one line each; ``schemas/`` follows from this list.

To add a report: write its struct in ``gitfleet.model.reports``, name it in ``COMMAND_REPORTS`` there, and run
``python -m gitfleet.store.documents.schemas``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.model import examples
from gitfleet.model.account import Account, AccountLease, AccountState
from gitfleet.model.claim import Claim
from gitfleet.model.config import Config
from gitfleet.model.event import Event
from gitfleet.model.handoff import Discoveries, Handoff
from gitfleet.model.lease import Lease, SetAside
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.parking import GrantsDocument
from gitfleet.model.plan_document import PlanDocument
from gitfleet.model.reports import COMMAND_REPORTS, Disclosure, ErrorReport, Predictions, Progress, Report
from gitfleet.model.run import Run
from gitfleet.model.session import Session
from gitfleet.model.usage import UsageRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.base import Document

SCHEMA_BASE = "https://gitfleet.dev/schemas/"
"""Where ``$id`` of a schema begins; an identifier that nothing fetches."""


@dataclass(frozen=True)
class DocumentKind:
    """A kind of document. ``people`` says that people write it, so that its ``schema`` key is optional."""

    name: str
    struct: type[Document]
    title: str
    version: int = 1
    people: bool = False
    examples: tuple[Mapping[str, object], ...] = field(default=())

    @property
    def id(self) -> str:
        """The schema's ``$id``."""
        return f"{SCHEMA_BASE}{self.name}.v{self.version}.json"

    @property
    def file(self) -> str:
        """Name of the schema's file below ``schemas/``."""
        return f"{self.name}.schema.json"


def _report(name: str, struct: type[Document]) -> DocumentKind:
    """Register a document behind ``--json``; its title is its name."""
    return DocumentKind(name, struct, f"gitfleet {name.replace('-', ' ')} report")


KINDS: tuple[DocumentKind, ...] = (
    DocumentKind("plan", PlanDocument, "gitfleet plan", people=True, examples=(examples.PLAN,)),
    DocumentKind("config", Config, "gitfleet config", people=True, examples=(examples.CONFIG,)),
    DocumentKind("session", Session, "gitfleet session", examples=(examples.SESSION,)),
    DocumentKind("run", Run, "gitfleet run", examples=(examples.RUN,)),
    DocumentKind("claim", Claim, "gitfleet claim", examples=(examples.CLAIM,)),
    DocumentKind("lease", Lease, "gitfleet lease", examples=(examples.LEASE,)),
    DocumentKind("set-aside", SetAside, "gitfleet worktree that was set aside", examples=(examples.SET_ASIDE,)),
    DocumentKind("discoveries", Discoveries, "gitfleet discoveries", examples=(examples.DISCOVERIES,)),
    DocumentKind("usage-rows", UsageRows, "gitfleet usage rows", examples=(examples.USAGE_ROWS,)),
    DocumentKind("momentum", SessionMomentum, "gitfleet momentum", examples=(examples.MOMENTUM,)),
    DocumentKind("handoff", Handoff, "gitfleet handoff", examples=(examples.HANDOFF,)),
    DocumentKind("grants", GrantsDocument, "gitfleet standing permissions", examples=(examples.GRANTS,)),
    # `account` is the answer of `gitfleet accounts connect`.
    DocumentKind("account-file", Account, "gitfleet account", examples=(examples.ACCOUNT_FILE,)),
    DocumentKind("account-state", AccountState, "gitfleet account's state", examples=(examples.ACCOUNT_STATE,)),
    DocumentKind("account-lease", AccountLease, "gitfleet lease of an account", examples=(examples.ACCOUNT_LEASE,)),
    DocumentKind("event", Event, "gitfleet event", examples=(examples.EVENT,)),
    _report("predictions", Predictions),
    _report("disclosure", Disclosure),
    _report("progress", Progress),
    _report("error", ErrorReport),
    *(
        _report(str(struct.__struct_config__.tag).split("/")[2], struct)
        for structs in COMMAND_REPORTS.values()
        for struct in structs
        if issubclass(struct, Report) and struct is not Disclosure
    ),
)

BY_NAME: dict[str, DocumentKind] = {kind.name: kind for kind in KINDS}

"""What commands answer with: the documents behind ``--json``, and what the terminal views are drawn from.

A report always writes all its fields, defaults included, so that a script can rely on each one being there. Records
that it quotes (a run, a landing, an event) are written as they are in the state. ``COMMAND_REPORTS`` says which report
each command answers with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.event import Event
from gitfleet.model.reports.accounts import AccountChanged, AccountHolder, AccountRow, AccountsReport
from gitfleet.model.reports.answers import ErrorBody, ErrorReport, PlacedProblem, Report
from gitfleet.model.reports.approving import ApproveReport, ParkedRun
from gitfleet.model.reports.closeout import CloseoutItem, CloseoutReport, CloseoutRun, Point
from gitfleet.model.reports.control import ControlReport, Steered, UnsteeredSession
from gitfleet.model.reports.endings import (
    AmendReport,
    DemoReport,
    FinalHandoff,
    IdleReport,
    OpenReport,
    ResolveReport,
    RunRow,
    WaveReport,
)
from gitfleet.model.reports.looking import (
    COORDINATOR_GONE,
    SESSION_CLOSED,
    SESSION_GONE,
    AttemptFiles,
    ClaimRow,
    ClaimsReport,
    EventsReport,
    InspectReport,
    LogLine,
    LogReport,
)
from gitfleet.model.reports.plans import Disclosure, PlacedTask, PlacedWave
from gitfleet.model.reports.progress import (
    Activity,
    AgentProgress,
    HeldTask,
    LiveRun,
    Need,
    PlannerStatus,
    Progress,
    SessionStatus,
    StatusReport,
    WaitingRun,
    waiting_run,
)
from gitfleet.model.reports.radar import ConflictsReport, Prediction, Predictions, Side, SideKind, SidesConflict
from gitfleet.model.reports.rescuing import (
    RescueApplyReport,
    RescuePruneReport,
    RescueReport,
    RescueShowReport,
    Snapshot,
    SnapshotFile,
)
from gitfleet.model.reports.upkeep import (
    CheckReport,
    CleanItem,
    CleanReport,
    CompletionReport,
    DoctorReport,
    Evidence,
    Finding,
    InitReport,
    Level,
    Mend,
)
from gitfleet.model.reports.usage import Difference, UsageBy, UsageGroup, UsageReport

if TYPE_CHECKING:
    import msgspec

__all__ = [
    "COMMAND_REPORTS",
    "COORDINATOR_GONE",
    "SESSION_CLOSED",
    "SESSION_GONE",
    "AccountChanged",
    "AccountHolder",
    "AccountRow",
    "AccountsReport",
    "Activity",
    "AgentProgress",
    "AmendReport",
    "ApproveReport",
    "AttemptFiles",
    "CheckReport",
    "ClaimRow",
    "ClaimsReport",
    "CleanItem",
    "CleanReport",
    "CloseoutItem",
    "CloseoutReport",
    "CloseoutRun",
    "CompletionReport",
    "ConflictsReport",
    "ControlReport",
    "DemoReport",
    "Difference",
    "Disclosure",
    "DoctorReport",
    "ErrorBody",
    "ErrorReport",
    "EventsReport",
    "Evidence",
    "FinalHandoff",
    "Finding",
    "HeldTask",
    "IdleReport",
    "InitReport",
    "InspectReport",
    "Level",
    "LiveRun",
    "LogLine",
    "LogReport",
    "Mend",
    "Need",
    "OpenReport",
    "ParkedRun",
    "PlacedProblem",
    "PlacedTask",
    "PlacedWave",
    "PlannerStatus",
    "Point",
    "Prediction",
    "Predictions",
    "Progress",
    "Report",
    "RescueApplyReport",
    "RescuePruneReport",
    "RescueReport",
    "RescueShowReport",
    "ResolveReport",
    "RunRow",
    "SessionStatus",
    "Side",
    "SideKind",
    "SidesConflict",
    "Snapshot",
    "SnapshotFile",
    "StatusReport",
    "Steered",
    "UnsteeredSession",
    "UsageBy",
    "UsageGroup",
    "UsageReport",
    "WaitingRun",
    "WaveReport",
    "waiting_run",
]

COMMAND_REPORTS: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "init": (InitReport,),
    "plan": (Disclosure,),
    "wave": (WaveReport, Disclosure),
    "continue": (WaveReport, IdleReport),
    "status": (StatusReport,),
    "inspect": (InspectReport,),
    "logs": (LogReport, LogLine),
    "events": (EventsReport, Event),
    "claims": (ClaimsReport,),
    "conflicts": (ConflictsReport,),
    "add": (AmendReport,),
    "cancel": (AmendReport,),
    "pause": (ControlReport,),
    "resume": (ControlReport,),
    "drain": (ControlReport,),
    "stop": (ControlReport,),
    "interrupt": (ControlReport,),
    "restart": (ControlReport,),
    "approve": (ApproveReport,),
    "resolve": (ResolveReport,),
    "open": (OpenReport,),
    "usage": (UsageReport,),
    "accounts": (AccountsReport, AccountChanged),
    "closeout": (CloseoutReport,),
    "check": (CheckReport,),
    "doctor": (DoctorReport,),
    "rescue": (RescueReport, RescueShowReport, RescueApplyReport, RescuePruneReport),
    "clean": (CleanReport,),
    "demo": (DemoReport,),
    "completion": (CompletionReport,),
}
"""What each command may answer with under ``--json``; any may answer with an ``ErrorReport`` instead."""

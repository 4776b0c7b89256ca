"""Moving the target to a verified candidate without touching anything that is a person's."""

from __future__ import annotations

from gitfleet.integrate.landing.intent import pending
from gitfleet.integrate.landing.land import land
from gitfleet.integrate.landing.outcome import (
    Busy,
    InTheWay,
    Landed,
    LandingOutcome,
    LandingRequest,
    NotLanded,
    Obstacle,
    Reason,
    RecoveryOutcome,
    TargetMoved,
)
from gitfleet.integrate.landing.recover import recover

__all__ = [
    "Busy",
    "InTheWay",
    "Landed",
    "LandingOutcome",
    "LandingRequest",
    "NotLanded",
    "Obstacle",
    "Reason",
    "RecoveryOutcome",
    "TargetMoved",
    "land",
    "pending",
    "recover",
]

"""The train: gated runs in, a verified target and those to blame out."""

from gitfleet.integrate.train.batching import batch_size
from gitfleet.integrate.train.building import Builder
from gitfleet.integrate.train.judging import Judge
from gitfleet.integrate.train.outcome import (
    BaseRed,
    Candidate,
    Clash,
    Ejection,
    Entry,
    Landed,
    NothingLands,
    Sealed,
    Stopped,
    Tally,
    TrainOutcome,
)
from gitfleet.integrate.train.train import MOVES_ALLOWED, Train, stopped_by

__all__ = [
    "MOVES_ALLOWED",
    "BaseRed",
    "Builder",
    "Candidate",
    "Clash",
    "Ejection",
    "Entry",
    "Judge",
    "Landed",
    "NothingLands",
    "Sealed",
    "Stopped",
    "Tally",
    "Train",
    "TrainOutcome",
    "batch_size",
    "stopped_by",
]

"""How a session looks ahead for conflicts while agents run."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document


class RadarPolicy(StrEnum):
    """What is done about work in progress that would conflict."""

    WARN = "warn"
    PAUSE_LATER = "pause-later"
    OFF = "off"


class RadarConfig(Document, frozen=True, kw_only=True):
    """Looking ahead for conflicts while agents run."""

    policy: Annotated[
        RadarPolicy,
        Meta(
            description="warn: a predicted conflict is told; pause-later: the agent that started later is paused as "
            "well, until the other one has ended; off: nobody looks."
        ),
    ] = RadarPolicy.WARN
    every_seconds: Annotated[
        int, Meta(description="Seconds between two looks; more when a look takes long.", ge=1, le=3600)
    ] = 5

"""What every candidate must pass before it lands, and what else those checks depend on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document
from gitfleet.model.plan import Check


class Baseline(StrEnum):
    """What a target that fails its own checks means for what is to land on it."""

    REQUIRE = "require"
    ALLOW = "allow"


class FingerprintConfig(Document, frozen=True, kw_only=True):
    """What checks depend on besides the tree: where one of these differs, they are run again."""

    files: Annotated[
        tuple[str, ...],
        Meta(
            description="Files and directories outside the tree whose content counts: absolute, below ~/, or ignored "
            "ones of your checkout.",
            examples=[["~/.m2/settings.xml", ".venv/pyvenv.cfg"]],
        ),
    ] = ()
    commands: Annotated[
        tuple[str, ...],
        Meta(
            description="Shell commands whose output counts, run before and after the checks in the tree that they "
            "check, for at most a minute each.",
            examples=[["node --version"]],
        ),
    ] = ()


class VerifyConfig(Document, frozen=True, kw_only=True):
    """Checks that every candidate must pass before it lands, in this order."""

    commands: Annotated[
        tuple[Check, ...], Meta(description="The checks; without one, landings are called unverified.")
    ] = ()
    fingerprint: Annotated[
        FingerprintConfig,
        Meta(description="What else the checks depend on; a tree that was green counts as green while it is the same."),
    ] = FingerprintConfig()
    keep: Annotated[
        tuple[str, ...],
        Meta(
            description="Patterns of ignored files that stay in the tree in which checks run, from one candidate to "
            "the next, as git clean -e reads them.",
            examples=[["node_modules"]],
        ),
    ] = ()
    baseline: Annotated[
        Baseline,
        Meta(
            description="require: nothing lands while the target itself fails; allow: a check that fails on the "
            "target, too, counts against nobody, all checks run, and what lands is called no-worse."
        ),
    ] = Baseline.REQUIRE

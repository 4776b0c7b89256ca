"""What waits for a person's permission, what they permitted, and what they always permit."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.parking import Permission, StandingGrant
from gitfleet.model.reports.answers import Report


class ParkedRun(Report, frozen=True, kw_only=True):
    """A run that waits for a permission."""

    session: str
    task: str
    instance: str
    agent: str
    since: Annotated[str, Meta(description="ISO 8601 instant.")] = ""
    interrupted: Annotated[bool, Meta(description="Whether it was interrupted, and asks for nothing.")] = False
    denied: Annotated[tuple[Permission, ...], Meta(description="What its agent was not allowed to do.")] = ()
    more: Annotated[int, Meta(description="How many other uses it was not allowed, which are not kept.")] = 0
    approved: Annotated[bool, Meta(description="Whether it was approved and waits to be started.")] = False


class ApproveReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/approve/v1"):
    """What `approve` did: to one run, or to what is always granted; and how things stand then."""

    action: Annotated[str, Meta(description="approved, denied, listed or revoked.")]
    message: str = ""
    session: str = ""
    task: str = ""
    instance: str = ""
    permissions: Annotated[tuple[Permission, ...], Meta(description="What was approved, denied or revoked.")] = ()
    always: Annotated[bool, Meta(description="Whether it is granted to every agent of this kind from now on.")] = False
    also: Annotated[
        tuple[str, ...], Meta(description="Instances that go on as well, since they waited for the same alone.")
    ] = ()
    coordinator: Annotated[bool, Meta(description="Whether a coordinator took it at once.")] = False
    parked: Annotated[tuple[ParkedRun, ...], Meta(description="Runs that wait for a permission now.")] = ()
    grants: Annotated[
        tuple[StandingGrant, ...], Meta(description="What is always granted in this repository, by this user.")
    ] = ()

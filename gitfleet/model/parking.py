"""A run that waits for a person's permission, and the permissions that people gave.

A tool that an agent's program refused to use is known by that program's own word for it and by the argument it was
called with. A permission is for exactly that; nothing here is a pattern.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document

GRANTS_SCHEMA = "gitfleet/grants/v1"


class Permission(Document, frozen=True, kw_only=True):
    """One use of a tool."""

    tool: Annotated[str, Meta(description="The tool, as the agent's program calls it.", examples=["Bash"])]
    argument: Annotated[
        str, Meta(description="What it was called with, such as a command; empty for any.", examples=["make deploy"])
    ] = ""

    @property
    def words(self) -> str:
        """The tool and its argument, for people."""
        return f"{self.tool}({self.argument})" if self.argument else self.tool


class Parked(Document, frozen=True, kw_only=True):
    """What a run waits for; it keeps its claim, worktree and branch meanwhile."""

    denied: Annotated[tuple[Permission, ...], Meta(description="What its agent was not allowed to do.")] = ()
    cli_session: Annotated[str, Meta(description="Session of the agent's own program, to go on with.")] = ""
    account: Annotated[str, Meta(description="Account that it worked with.")] = ""
    since: Annotated[str, Meta(description="ISO 8601 instant.")] = ""
    approved: Annotated[bool, Meta(description="Whether a person approved it; then it only waits to be started.")] = (
        False
    )

    @property
    def words(self) -> str:
        """What is asked for, as a list for people."""
        return ", ".join(one.words for one in self.denied) or "something that its agent does not name"


class StandingGrant(Document, frozen=True, kw_only=True):
    """A permission that a person gave once and for all, in one repository, to every agent of one kind."""

    agent: Annotated[str, Meta(description="Kind of agent, whose program's words these are.", examples=["claude"])]
    tool: Annotated[str, Meta(description="The tool, as the agent's program calls it.")]
    argument: Annotated[str, Meta(description="What it may be called with; empty for any.")] = ""
    since: Annotated[str, Meta(description="ISO 8601 instant at which it was given.")] = ""

    @property
    def permission(self) -> Permission:
        """What it allows."""
        return Permission(tool=self.tool, argument=self.argument)


class GrantsDocument(Document, frozen=True, kw_only=True, tag_field="schema", tag=GRANTS_SCHEMA):
    """What one person always grants in one repository: their own state, never a file of the repository."""

    repository: Annotated[str, Meta(description="Common directory of the repository.")]
    grants: Annotated[tuple[StandingGrant, ...], Meta(description="In the order in which they were given.")] = ()

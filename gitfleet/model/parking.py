"""A run that waits for a person's permission, and the permissions that people gave.

A tool that an agent's program refused to use is known by that program's own word for it and by the argument it was
called with. A permission is for exactly that, unless the program's own rules cannot be so narrow: then ``allows`` says
what they let it do, and people are shown that wherever they are asked.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document

GRANTS_SCHEMA = "gitfleet/grants/v1"


SHOWN = 160
"""How many characters of an argument people are shown where they read of many things."""


def _line(text: str) -> str:
    # Whatever shows only the first line of something must not hide the rest of what is permitted.
    return text.replace("\r", "\\r").replace("\n", "\\n")


class Permission(Document, frozen=True, kw_only=True):
    """One use of a tool."""

    tool: Annotated[str, Meta(description="The tool, as the agent's program calls it.", examples=["Bash"])]
    argument: Annotated[
        str, Meta(description="What it was called with, such as a command; empty for any.", examples=["make deploy"])
    ] = ""
    allows: Annotated[
        str,
        Meta(
            description="What a permission of it allows, where the program's rules cannot be as narrow as this use.",
            examples=["every address on docs.rs"],
        ),
    ] = ""
    whole: Annotated[
        bool, Meta(description="Whether this is what was asked for: else it was cut, and cannot be permitted.")
    ] = True

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.tool, self.argument

    @property
    def words(self) -> str:
        """The tool and its argument."""
        return f"{self.tool}({self.argument})" if self.argument else self.tool

    @property
    def shown(self) -> str:
        """The same for people, cut where it is long, with what a permission of it allows."""
        words = _line(self.words)
        if len(words) > SHOWN:
            words = f"{words[:SHOWN]}… ({len(words) - SHOWN} more characters: `gitfleet approve --list`)"
        return self._with_what_it_allows(words)

    @property
    def full(self) -> str:
        """All that is known of it, on one line."""
        return self._with_what_it_allows(_line(self.words))

    def _with_what_it_allows(self, words: str) -> str:
        if not self.whole:
            return f"{words} (it cannot be permitted: it is too long, or holds a secret)"
        return f"{words} (which permits {_line(self.allows)})" if self.allows else words


class Parked(Document, frozen=True, kw_only=True):
    """What a run waits for a person to say: that something is permitted, or that it goes on after an interrupt.

    It keeps its claim, worktree and branch meanwhile.
    """

    denied: Annotated[tuple[Permission, ...], Meta(description="What its agent was not allowed to do.")] = ()
    interrupted: Annotated[bool, Meta(description="Whether it was interrupted, and asks for nothing.")] = False
    more: Annotated[int, Meta(description="How many other uses it was not allowed, which are not kept.")] = 0
    cli_session: Annotated[str, Meta(description="Session of the agent's own program, to go on with.")] = ""
    account: Annotated[str, Meta(description="Account that it worked with.")] = ""
    since: Annotated[str, Meta(description="ISO 8601 instant.")] = ""
    approved: Annotated[bool, Meta(description="Whether a person approved it; then it only waits to be started.")] = (
        False
    )

    @property
    def words(self) -> str:
        """What is asked for, as a list for people."""
        named = [one.shown for one in self.denied[:_NAMED]]
        more = len(self.denied) - len(named) + self.more
        return ", ".join(named + [f"and {more} more"] * bool(more)) or "something that its agent does not name"

    @property
    def why(self) -> str:
        """What happened to it, as a clause without its subject."""
        return "was interrupted" if self.interrupted else f"was not allowed to use {self.words}"

    @property
    def permitted(self) -> tuple[Permission, ...]:
        """What a person can permit of it."""
        return tuple(one for one in self.denied if one.whole)


_NAMED = 3


class StandingGrant(Document, frozen=True, kw_only=True):
    """A permission that a person gave once and for all, in one repository, to every agent of one kind."""

    agent: Annotated[str, Meta(description="Kind of agent, whose program's words these are.", examples=["claude"])]
    tool: Annotated[str, Meta(description="The tool, as the agent's program calls it.")]
    argument: Annotated[str, Meta(description="What it may be called with; empty for any.")] = ""
    allows: Annotated[str, Meta(description="What that allows, where it is more than the argument says.")] = ""
    since: Annotated[str, Meta(description="ISO 8601 instant at which it was given.")] = ""

    @property
    def permission(self) -> Permission:
        """What it allows."""
        return Permission(tool=self.tool, argument=self.argument, allows=self.allows)


class GrantsDocument(Document, frozen=True, kw_only=True, tag_field="schema", tag=GRANTS_SCHEMA):
    """What one person always grants in one repository: their own state, never a file of the repository."""

    repository: Annotated[str, Meta(description="Common directory of the repository.")]
    grants: Annotated[tuple[StandingGrant, ...], Meta(description="In the order in which they were given.")] = ()

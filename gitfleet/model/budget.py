"""How much an agent may use: most tokens, tool calls, seconds, dollars and turns.

A budget says nothing about what will be needed. What it leaves out is not bounded by it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gitfleet.model.base import Document, PositiveInt

Dollars = Annotated[float, Meta(gt=0)]


class Budget(Document, frozen=True, kw_only=True):
    """The most that may be used."""

    max_tokens: Annotated[
        PositiveInt | None, Meta(description="Tokens that may be processed, those that a cache answers included.")
    ] = None
    max_tool_calls: Annotated[PositiveInt | None, Meta(description="Calls of tools.")] = None
    max_seconds: Annotated[PositiveInt | None, Meta(description="Seconds that agents may run, added up.")] = None
    max_usd: Annotated[
        Dollars | None, Meta(description="US dollars, as the agent's own program reports them.", examples=[2.5])
    ] = None
    max_turns: Annotated[PositiveInt | None, Meta(description="Answers of a model, those of helpers left out.")] = None

    def over(self, other: Budget | None) -> Budget:
        """This budget, and what ``other`` says where this one says nothing."""
        return self if other is None else msgspec.structs.replace(other, **self.said())

    def said(self) -> dict[str, float]:
        """What is bounded, by the names of the fields."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in given.items() if value is not None}


RUNAWAY = Budget(max_turns=200, max_tool_calls=1000)
"""What bounds every agent that runs a model where nobody says: a loop without end must not be paid for."""


class BudgetsConfig(Document, frozen=True, kw_only=True):
    """What may be used by a task, a wave, a session and a day; reserved before a task starts, held while it runs."""

    task: Annotated[
        Budget,
        Meta(
            description="Each task, over all of its attempts, unless it says otherwise; for an agent that runs a "
            "model 200 turns and 1000 tool calls unless given."
        ),
    ] = Budget()
    wave: Annotated[Budget, Meta(description="The tasks of each wave together.")] = Budget()
    session: Annotated[Budget, Meta(description="The tasks of a session together.")] = Budget()
    day: Annotated[
        Budget, Meta(description="All sessions of this repository on one day, from midnight to midnight of local time.")
    ] = Budget()
    reserve: Annotated[
        Budget,
        Meta(description="What is kept of wave, session and day for calls of the planner, and never given to a task."),
    ] = Budget()

    def over(self, other: BudgetsConfig) -> BudgetsConfig:
        """These budgets, and what ``other`` says where these say nothing."""
        return BudgetsConfig(
            **{name: getattr(self, name).over(getattr(other, name)) for name in self.__struct_fields__}
        )

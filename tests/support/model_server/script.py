"""What a scripted model says, turn by turn, and how it fails.

A script is a list of steps and knows nothing of dialects or of the agents that ask. Which step answers a request is
found from the conversation in the request alone (and from how often a failure was already served), so an agent that
asks again after an error, or that was killed and resumed, hears what it would have heard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer: ``input`` has no cached ones in it, ``output`` has the ``reasoning`` ones in it."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: Usage) -> Usage:
        """The sum, field by field."""
        return Usage(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )


USAGE = Usage(input=100, output=10)
"""What an answer costs when its step does not say."""
HELPER_USAGE = Usage(input=7, output=3)
"""What an answer costs to a request that an agent makes for itself, say for a title."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Call a tool by an agent's own name for it, with the arguments that it takes there."""

    name: str
    arguments: Mapping[str, Any]
    say: str = ""
    usage: Usage = USAGE


@dataclass(frozen=True, slots=True)
class Shell:
    """Run a shell command, with whichever tool the request offers for it."""

    command: str
    say: str = ""
    usage: Usage = USAGE


@dataclass(frozen=True, slots=True)
class Write:
    """Write a new file, with whichever tool the request offers for it; the path is below the worktree."""

    path: str
    text: str
    say: str = ""
    usage: Usage = USAGE


@dataclass(frozen=True, slots=True)
class End:
    """Say something and call no tool. Later steps answer when the same conversation goes on after it."""

    text: str = "Done."
    usage: Usage = USAGE


@dataclass(frozen=True, slots=True)
class Loop:
    """Run the same shell command for ever."""

    command: str = "true"
    usage: Usage = USAGE


SOON = (("retry-after-ms", "100"),)
"""Headers of an error that keep opencode from waiting for seconds, then minutes, before it asks again."""


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with an HTTP error ``times`` times, or for ever; the body is the dialect's own unless given."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    times: int | None = 1


@dataclass(frozen=True, slots=True)
class UsageLimit:
    """The account has used up what it may until then, in epoch seconds: a 429 with what the dialect says of that."""

    resets_at: int


@dataclass(frozen=True, slots=True)
class Overflow:
    """Say that the conversation is longer than the model reads, in the dialect's own words."""

    times: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Begin to say something and cut the connection before the usage is told."""

    times: int | None = 1


@dataclass(frozen=True, slots=True)
class Silence:
    """Begin to say something, then hold the stream open and say no more; a release cuts it."""

    times: int | None = 1


Fault = Status | UsageLimit | Overflow | Cut | Silence
Call = Tool | Shell | Write | Loop
Step = Call | End | Fault


@dataclass(frozen=True, slots=True)
class Chosen:
    """The step that answers a request, with its place in the script."""

    place: int
    step: Step


@dataclass(slots=True)
class Script:
    """The steps of one scenario, and how often each failure was served; the server's lock guards it."""

    steps: Sequence[Step]
    helper_usage: Usage = HELPER_USAGE
    _served: dict[int, int] = field(default_factory=dict)

    def choose(self, results: int, texts: Iterable[str], now: float = 0) -> Chosen:
        """Find the step that a conversation has come to: so many results of tools, and these texts of the model.

        ``now`` in epoch seconds says which limits are over.
        A step past the end is an ``End``, so that an agent that asks too often comes to rest.
        """
        said = [text.strip() for text in texts]
        for place, step in enumerate(self.steps):
            match step:
                case Loop():
                    return Chosen(place, step)
                case Tool() | Shell() | Write():
                    if not results:
                        return Chosen(place, step)
                    results -= 1
                case End(text=text):
                    if text.strip() not in said:
                        return Chosen(place, step)
                    said.remove(text.strip())
                case UsageLimit(resets_at=resets_at):
                    if now < resets_at:
                        return Chosen(place, step)
                case _:
                    served = self._served.get(place, 0)
                    if step.times is None or served < step.times:
                        self._served[place] = served + 1
                        return Chosen(place, step)
        return Chosen(len(self.steps), End("Nothing is left to do."))

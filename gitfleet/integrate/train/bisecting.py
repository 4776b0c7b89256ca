"""Which prefix of a candidate is checked next, and which run is ejected: the train's decisions, without a repository.

A candidate is a line of runs; its prefix of length 0 is the target itself. The whole line is checked first. When it is
red, so is its base, before anybody is blamed; then the shortest step from a green prefix to a red one is found by
halving. The run at that step is ejected: on top of exactly what is green before it, it turns the checks red, whether
alone or together with a run that is before it. What is behind it is merged anew on the green prefix, and the whole
line is checked once more.

Promised: only a line that was found green as a whole, exactly as it is, is settled; each round ejects one run, so it
ends; with e ejections from n runs there are at most ``2 + e * (ceil(log2 n) + 1)`` checks, and no prefix is asked for
twice. Not promised: that a check which is now green and now red blames the right run, or that a run is kept whose
breakage a later one mends, where the line has to be halved at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

UNKNOWN = -1
"""No prefix is known to be green, not even the base."""


@dataclass(frozen=True, slots=True)
class Look:
    """Check the prefix of this length; 0 is the base."""

    prefix: int


@dataclass(frozen=True, slots=True)
class Eject:
    """The run behind the longest green prefix, which has this length, turns it red."""

    green: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The whole line is green, or nothing is left of it."""


@dataclass(frozen=True, slots=True)
class BaseToBlame:
    """The base itself is red."""


Step = Look | Eject | Settled | BaseToBlame


@dataclass(frozen=True, slots=True)
class Line:
    """So many runs of a candidate: the longest prefix known to be green, and the shortest one known to be red."""

    length: int
    green: int = UNKNOWN
    red: int | None = None

    def step(self) -> Step:
        """What to do next."""
        if not self.length or self.green == self.length:
            return Settled()
        if self.red is None:
            return Look(self.length)
        if self.red == 0:
            return BaseToBlame()
        if self.green == UNKNOWN:
            return Look(0)
        if self.red - self.green > 1:
            return Look((self.green + self.red) // 2)
        return Eject(self.green)

    def told(self, prefix: int, *, green: bool) -> Line:
        """The line once the prefix that was asked for was looked at."""
        return replace(self, green=prefix) if green else replace(self, red=prefix)

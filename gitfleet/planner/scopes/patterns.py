r"""One segment of a scope entry, such as ``*.css``, as a small automaton over characters.

A segment is matched character by character, where a character is a Unicode code point or, in a name that is not UTF-8,
one of the stray bytes. Patterns never see a slash. Matching runs all alternatives at once in the bits of an integer, so
that ``*a*a*a*`` costs no more than its length; nothing here backtracks.

Not promised: that the parts of one code point match. ``"\303*"`` (a stray byte, then anything) does not match ``é``,
although its encoding begins with that byte.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ScopeError(ValueError):
    """A scope that cannot be meant; the message is a clause, such as "`..` is not allowed in a scope"."""


class Wild(Enum):
    """The two special characters within a segment."""

    ANY = "?"
    STAR = "*"


ANY = ""
"""The token that any character fits; every other token is a string of the characters that fit."""

_STAR, _ANY, _ESCAPE = b"*?\\"


def fold_name(text: str) -> str:
    """Fold a name as a repository that ignores case compares it: NFC, casefold, and NFC again.

    The second NFC is needed because case folding decomposes some characters (``ǰ`` becomes two). The result is stable:
    folding it again changes nothing.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@final
@dataclass(frozen=True, slots=True)
class Segment:
    """A pattern for one name of a path.

    Position ``k`` waits for ``tokens[k]``; a set bit ``k`` in ``loops`` says that it may also swallow any character
    (there is a ``*`` before that token). Position ``len(tokens)`` accepts. ``key`` is the normalised text, by which
    segments compare. ``literal`` is the only name that matches, where there is just one.
    """

    key: str
    parts: tuple[str | Wild, ...] = field(compare=False, repr=False)
    tokens: tuple[str, ...] = field(compare=False, repr=False)
    loops: int = field(compare=False, repr=False)
    literal: str | None = field(compare=False, repr=False)
    _masks: Mapping[str, int] = field(compare=False, repr=False)
    _any: int = field(compare=False, repr=False)

    @property
    def accept(self) -> int:
        """The bit of the accepting position."""
        return 1 << len(self.tokens)

    def step(self, state: int, char: str) -> int:
        """Advance a set of positions, as bits, over one character."""
        moved = ((state & self._masks.get(char, self._any)) << 1) | (state & self.loops)
        return dominant(moved, self.loops)

    def matches(self, name: str) -> bool:
        """Whether the whole name matches."""
        if self.literal is not None:
            return name == self.literal
        state = 1
        for char in name:
            state = self.step(state, char)
            if not state:
                return False
        return bool(state & self.accept)

    def folded(self) -> Segment:
        """Return the same pattern for folded names; each run between wildcards is folded on its own."""
        return build(fold_name(part) if isinstance(part, str) else part for part in self.parts)


def dominant(state: int, loops: int) -> int:
    """Drop the positions that a later looping position makes superfluous.

    From a position with a loop everything can be swallowed, so whatever an earlier position may still accept, it
    accepts too. This keeps sets small where plain determinisation would explode.
    """
    looping = state & loops
    if looping:
        state &= -(1 << (looping.bit_length() - 1))
    return state


def build(parts: Iterable[str | Wild], key: str | None = None) -> Segment:
    """Make a segment of literal runs and wildcards."""
    kept: list[str | Wild] = []
    tokens: list[str] = []
    loops = 0
    for part in parts:
        if part is Wild.STAR:
            if kept and kept[-1] is Wild.STAR:
                continue
            loops |= 1 << len(tokens)
        elif part is Wild.ANY:
            tokens.append(ANY)
        else:
            tokens.extend(part)
        kept.append(part)
    literal = "".join(tokens) if not loops and ANY not in tokens else None
    text = "".join(part.value if isinstance(part, Wild) else escape(part) for part in kept)
    return _compile(key or text, tuple(kept), tuple(tokens), loops, literal)


def caseless(name: str) -> Segment:
    """Make a segment that matches an ASCII name in every mixture of cases; it is unequal to any that is parsed."""
    tokens = tuple(char.lower() + char.upper() if char.isalpha() else char for char in name)
    return _compile("/" + name, (name,), tokens, 0, None)


def _compile(
    key: str, parts: tuple[str | Wild, ...], tokens: tuple[str, ...], loops: int, literal: str | None
) -> Segment:
    anything = sum(1 << place for place, token in enumerate(tokens) if token == ANY)
    masks: dict[str, int] = {}
    for place, token in enumerate(tokens):
        for char in token:
            masks[char] = masks.get(char, anything) | 1 << place
    return Segment(key, parts, tokens, loops, literal, masks, anything)


def parse_segment(raw: bytes) -> Segment:
    """Read one segment of an entry; raises ``ScopeError`` when it ends in a lone backslash."""
    parts: list[str | Wild] = []
    run = bytearray()
    escaped = False
    for byte in raw:
        if escaped:
            run.append(byte)
            escaped = False
        elif byte == _ESCAPE:
            escaped = True
        elif byte in (_STAR, _ANY):
            if run:
                parts.append(_decode(run))
                run.clear()
            parts.append(Wild.STAR if byte == _STAR else Wild.ANY)
        else:
            run.append(byte)
    if escaped:
        msg = "a `\\` must be followed by the character that it escapes"
        raise ScopeError(msg)
    if run:
        parts.append(_decode(run))
    return build(parts)


def _decode(run: bytearray) -> str:
    return run.decode("utf-8", "surrogateescape")


def escape(name: str) -> str:
    """Write a name so that it matches only itself."""
    return "".join("\\" + char if char in "*?\\" else char for char in name)

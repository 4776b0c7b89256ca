"""Paths that a scope does not reach by a pattern: what decides about everybody's work must be named to be changed.

A script of the CI, a lock file or a check's own script that changes on the side changes what "checked" means for all
others. ``scope.protected`` says which paths are meant; a task may change one that its scope names literally. Which
files a check runs is read from its command line, so what such a script runs in turn is not known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from gitfleet.planner.reversibility import is_shared
from gitfleet.planner.scopes import Scope, fold_name, parse_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

CHECKS = "@checks"
WORDS = {"@ci": "CI", "@locks": "lock files", CHECKS: ""}
"""What an entry may say instead of a pattern: the kind of shared infrastructure that it means, but for the checks."""

# What ends a command and what ends a word; quotes end one too, since a word may be a command again: sh -c './x.sh a'.
_COMMANDS = re.compile(r"[;&|()`\n]+|\$\(")
_BETWEEN = re.compile(r"[\s<>'\"]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
_RUNS_ITS_ARGUMENT = re.compile(
    r"\.|source|exec|env|time|nice|if|then|else|do|while|until|!|(?:ba|da|z|k|a)?sh|python[0-9.]*|pypy[0-9.]*"
    r"|node|deno|bun|tsx|ts-node|ruby|perl|php|lua|Rscript|pwsh|make|just"
)


@final
@dataclass(frozen=True, slots=True)
class Protection:
    """Which paths must be named to be changed; ``files`` are those of the checks, where they are meant."""

    kinds: frozenset[str] = frozenset()
    scope: Scope = field(default_factory=lambda: Scope((), ()))
    files: frozenset[bytes] = frozenset()
    fold: bool = False

    @classmethod
    def of(cls, entries: Iterable[str], files: Collection[bytes] = (), *, fold: bool = False) -> Protection:
        """Read ``scope.protected``; raises ``ScopeError`` for an entry that cannot be meant."""
        words = {entry for entry in entries if entry in WORDS}
        scope = Scope.of(parse_entry(entry) for entry in entries if entry not in WORDS)
        kinds = frozenset(WORDS[word] for word in words - {CHECKS})
        meant = frozenset(_named(path, fold=fold) for path in files) if CHECKS in words else frozenset()
        return cls(kinds, scope, meant, fold)

    def holds(self, path: bytes, *, link: bool = False) -> bool:
        """Whether a path is protected, in any spelling that a folding repository takes for it.

        A ``link`` is also where a shared place would lie behind it.
        """
        sides = self.scope.sides(fold=self.fold)
        if sides.excluded or sides.held:
            names = tuple(_named(path, fold=self.fold).decode("utf-8", "surrogateescape").split("/"))
            if any(entry.matches(names) for entry in sides.excluded):
                return False
            if any(entry.matches(names) for entry in sides.held):
                return True
        shared = any(is_shared(path, kind, fold=self.fold, link=link) for kind in self.kinds)
        return shared or _named(path, fold=self.fold) in self.files


@final
@dataclass(frozen=True, slots=True)
class Word:
    """A word of a shell command that may name a file of the repository; ``run`` says that the command would run it."""

    text: str
    run: bool


def words_of(command: str) -> tuple[Word, ...]:
    """The words of a shell command that may name a file, relative to the root of the repository."""
    found: dict[Word, None] = {}
    for simple in _COMMANDS.split(command):
        run = True
        for word in filter(None, _BETWEEN.split(simple)):
            if word.startswith("-") or _ASSIGNMENT.fullmatch(word):
                continue
            text = word.removeprefix("./")
            if not text.startswith(("/", "../", "$")):
                found[Word(text, run)] = None
            run = run and _RUNS_ITS_ARGUMENT.fullmatch(word.rsplit("/", 1)[-1]) is not None
    return tuple(found)


def _named(path: bytes, *, fold: bool) -> bytes:
    if not fold:
        return path
    return fold_name(path.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

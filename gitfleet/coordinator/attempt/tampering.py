"""What an attempt's guard refused and what changed all the same, as findings; reads what it is given, changes nothing.

A hook knows who tries; a comparison only knows what changed. So nothing is laid at an agent's door by comparison alone:
what it did not try is ``unclear``, with the others that ran at the time.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.model.paths import quote_path
from gitfleet.model.tampering import Tampering, TamperingOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitfleet.git.digests import Picture
    from gitfleet.runtime.guard.tries import Try

MOST = 50
"""Most findings that the record of an attempt holds."""

STASH = "refs/stash"
COMMON = '"$(git rev-parse --git-common-dir)"'
"""How a command names the shared git directory, so that no record holds a path of somebody's machine."""

_SECRET = re.compile(r"token|secret|password|passwd|key|credential|auth|extraheader|cookie|://[^/@]+@", re.IGNORECASE)
_TOLD = 6


def word(text: str) -> str:
    """Write a word for a shell, in letters that a document can hold."""
    if not _is_utf8(text):
        letters = (f"\\{byte:03o}" if byte > 126 or byte in b"%\\" else chr(byte) for byte in os.fsencode(text))
        return f'"$(printf {shlex.quote("".join(letters))})"'
    return shlex.quote(text)


def _sayable(finding: Tampering) -> Tampering:
    """Quote what is not UTF-8 as git quotes paths; the command that restores is written with ``word``."""
    said = {name: getattr(finding, name) for name in ("name", "before", "after")}
    return msgspec.structs.replace(
        finding, **{name: text if _is_utf8(text) else quote_path(os.fsencode(text)) for name, text in said.items()}
    )


def _is_utf8(text: str) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for letter in text)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file that changed: ``option`` is how ``git config`` names it, ``copy`` restores it whole.

    ``before`` and ``after`` are its settings.
    """

    option: str
    copy: str
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]


def refused(tries: Sequence[Try], before: Picture | None) -> Iterator[Tampering]:
    """What was tried and did not happen."""
    refs = before.refs if before else {}
    packed = False
    for one in tries:
        if one.kind == "ref" and _is_packing(one, refs):
            if not packed:
                yield Tampering(kind="repository", name="pack-refs", outcome=TamperingOutcome.REFUSED, by=one.by)
            packed = True
            continue
        yield Tampering(
            kind=one.kind,
            name=one.name,
            outcome=TamperingOutcome.REFUSED,
            by=one.by,
            before=one.was or refs.get(one.name, ""),
            after=one.becomes,
        )


def _is_packing(one: Try, refs: Mapping[str, str]) -> bool:
    """Whether git only wrote a ref down elsewhere, as it is: ``pack-refs`` runs the hook (git 2.39)."""
    return bool(one.becomes) and not one.was and refs.get(one.name) == one.new


def moved(before: Picture, after: Picture) -> Iterator[tuple[str, str, str]]:
    """The shared refs that were there and are elsewhere or gone, and those that are new: name, old, new."""
    for name in sorted({*before.refs, *after.refs}):
        old, new = before.refs.get(name, ""), after.refs.get(name, "")
        if old != new and name != STASH:
            yield name, old, new


def of_ref(name: str, old: str, new: str, outcome: TamperingOutcome, others: tuple[str, ...]) -> Tampering:
    """The finding on a ref that moved."""
    if old.startswith("ref: "):
        restore = f"git symbolic-ref {word(name)} {word(old.removeprefix('ref: '))}"
    elif old:
        restore = f"git update-ref --no-deref {word(name)} {old}"
    elif new.startswith("ref: "):
        restore = f"git symbolic-ref --delete {word(name)}"
    else:
        restore = f"git update-ref --no-deref -d {word(name)} {new}"
    return Tampering(kind="ref", name=name, outcome=outcome, before=old, after=new, restore=restore, others=others)


def lost_stashes(before: Picture, after: Picture) -> list[str]:
    """The entries of the stash that are gone, the oldest first, so that restoring them in order puts them in order."""
    left = {_oid(line) for line in after.stash.splitlines()}
    return [oid for oid in map(_oid, before.stash.splitlines()) if oid not in left]


def _oid(line: bytes) -> str:
    return line.split(b" ", 2)[1].decode("ascii", "replace") if line.count(b" ") > 1 else ""


def of_stash(oid: str, outcome: TamperingOutcome, others: tuple[str, ...]) -> Tampering:
    """The finding on an entry of the stash; its words are in its commit, and in no record."""
    restore = f'git stash store -m "$(git log -1 --format=%s {oid})" {oid}'
    return Tampering(kind="stash", name=STASH, outcome=outcome, before=oid, restore=restore, others=others)


def of_config(file: ConfigFile, tried: Iterable[str], others: tuple[str, ...]) -> Iterator[Tampering]:
    """The findings on a configuration file that changed, one a setting; values that may be secret are withheld."""
    wanted = {name.lower() for name in tried}
    changed = [key for key in {**file.before, **file.after} if file.before.get(key) != file.after.get(key)]
    # `git switch -c topic origin/topic` of a person writes these.
    own = [key for key in changed if key.startswith("branch.") and key not in wanted]
    for key in changed:
        if key in own:
            continue
        old, new = file.before.get(key, ()), file.after.get(key, ())
        secret = any(_SECRET.search(text) for text in (key, *old, *new))
        yield Tampering(
            kind="config",
            name=key,
            outcome=TamperingOutcome.CHANGED if key in wanted else TamperingOutcome.UNCLEAR,
            before="" if secret else "\n".join(old),
            after="" if secret else "\n".join(new),
            restore=file.copy if secret and old else _setting(file.option, key, old),
            others=others,
        )


def _setting(option: str, key: str, values: tuple[str, ...]) -> str:
    """The command that gives a setting its values back."""
    git, name = f"git config {option}", word(key)
    if not values:
        return f"{git} --unset-all {name}"
    first, *rest = (word(value) for value in values)
    added = (f"{git} --add {name} {value}" for value in rest)
    return " && ".join((f"{git} --replace-all {name} {first}", *added))


def bounded(findings: Sequence[Tampering]) -> tuple[Tampering, ...]:
    """The findings for the record: what changed first, and not more than a record should hold."""
    ranked = sorted(map(_sayable, findings), key=lambda one: one.outcome is TamperingOutcome.REFUSED)
    if len(ranked) <= MOST:
        return tuple(ranked)
    more = Tampering(kind=ranked[-1].kind, name=f"{len(ranked) - MOST + 1} more", outcome=ranked[-1].outcome)
    return (*ranked[: MOST - 1], more)


def status(findings: Sequence[Tampering]) -> str:
    """The one word for an event: the worst that came of it."""
    outcomes = {one.outcome for one in findings}
    worst = (TamperingOutcome.CHANGED, TamperingOutcome.UNCLEAR, TamperingOutcome.REFUSED)
    return next(outcome.value for outcome in worst if outcome in outcomes)


def told(task: str, findings: Sequence[Tampering]) -> str:
    """A sentence on the findings, with the commands that put back what changed."""
    clauses = []
    tried = list(dict.fromkeys(_words(one) for one in findings if one.outcome is TamperingOutcome.REFUSED))
    if tried:
        clauses.append(f"the guard refused {_some(tried)}")
    for outcome, words in (
        (TamperingOutcome.CHANGED, "it changed"),
        (TamperingOutcome.UNCLEAR, "while it ran, somebody changed"),
    ):
        some = [f"{one.name} (`{one.restore}` puts it back)" for one in findings if one.outcome is outcome]
        if some:
            clauses.append(f"{words} {_some(some)}")
    return f"{task}: {'; '.join(clauses)}"


def _words(one: Tampering) -> str:
    return one.by if one.by.startswith("git ") else one.name


def _some(words: Sequence[str]) -> str:
    more = len(words) - _TOLD
    return ", ".join(words[:_TOLD]) + (f" and {more} more" if more > 0 else "")

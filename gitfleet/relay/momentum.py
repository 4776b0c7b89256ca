"""Momentum: what past sessions add up to, as a pure fold over their shares.

The order of the shares does not matter and a share that is given twice counts once, so parallel sessions and clones
come to the same result from the same files. Nothing is decided from it; it is told to agents.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.base import encode
from gitfleet.model.momentum import SessionMomentum
from gitfleet.relay.discoveries import current
from gitfleet.relay.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gitfleet.model.handoff import Discoveries, Discovery
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session

RECENT_SESSIONS = 10
"""Sessions, newest first, whose failures and scopes are still news."""

_LIMIT = 20
_ITEM_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Recurring:
    """A text and the number of sessions that said it."""

    text: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Momentum:
    """What past sessions add up to; every list most relevant first and bounded."""

    sessions: int = 0
    scopes: tuple[Recurring, ...] = ()
    decisions: tuple[Recurring, ...] = ()
    failures: tuple[str, ...] = ()
    discoveries: tuple[Discovery, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.scopes or self.decisions or self.failures or self.discoveries)


def fold(
    momenta: Iterable[SessionMomentum],
    discoveries: Iterable[Discoveries],
    current_blob: Callable[[bytes], str | None],
) -> Momentum:
    """Add up shares of sessions and the discoveries of sessions that are still open.

    Scopes and failures come from the newest sessions; decisions from all, those that recur first. Expired discoveries
    are left out; ``current_blob`` gives the blob id of a path now, or ``None``.
    """
    shares = _once(momenta)
    recent = shares[:RECENT_SESSIONS]
    facts = [fact for share in shares for fact in share.discoveries]
    open_facts = {(part.session, part.task, encode(part)): part for part in discoveries}
    facts += [fact for key in sorted(open_facts) for fact in open_facts[key].discoveries]
    return Momentum(
        sessions=len(shares),
        scopes=_recurring({share.session: share.scopes for share in recent}),
        decisions=_recurring({share.session: share.decisions for share in shares}),
        failures=tuple(dict.fromkeys(text for share in recent for text in share.failures))[:_LIMIT],
        discoveries=current(facts, current_blob)[:_LIMIT],
    )


def share(session: Session, runs: Iterable[Run], discoveries: Iterable[Discoveries] = ()) -> SessionMomentum:
    """What a closed session adds: where its landed runs wrote, what was decided, what failed, what was found."""
    ordered = sorted(runs, key=lambda run: (run.wave, run.task))
    failures = [f"{run.task}: {run.failure.code}: {run.failure.message}" for run in ordered if run.failure is not None]
    handoffs = [run.handoff for run in ordered if run.handoff is not None]
    decisions = [text for handoff in handoffs for text in handoff.decisions]
    failures += [text for handoff in handoffs for text in handoff.failures]
    facts = [fact for part in sorted(discoveries, key=lambda part: part.task) for fact in part.discoveries]
    return SessionMomentum(
        session=session.id,
        ended=session.ended,
        scopes=_texts(entry for run in ordered if run.merge is not None for entry in run.scope),
        decisions=_texts(decisions),
        failures=_texts(failures),
        discoveries=tuple(facts[: 2 * _LIMIT]),
    )


def _once(momenta: Iterable[SessionMomentum]) -> list[SessionMomentum]:
    """One share a session, newest first; of two that differ the one that ended later, then the larger bytes."""
    by_session: dict[str, SessionMomentum] = {}
    for one in sorted(momenta, key=lambda one: (one.ended, encode(one))):
        by_session[one.session] = one
    return sorted(by_session.values(), key=lambda one: (one.ended, one.session), reverse=True)


def _recurring(texts: Mapping[str, tuple[str, ...]]) -> tuple[Recurring, ...]:
    """Texts by the number of sessions that said them, ties in the given order; spelling differs in case and space."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    spelling: dict[str, str] = {}
    for session, items in texts.items():
        for text in items:
            key = " ".join(text.split()).casefold()
            said[key].add(session)
            spelling.setdefault(key, text)
    ranked = sorted(spelling, key=lambda key: -len(said[key]))
    return tuple(Recurring(spelling[key], len(said[key])) for key in ranked[:_LIMIT])


def _texts(items: Iterable[str]) -> tuple[str, ...]:
    lines = (one_line(item, _ITEM_LIMIT) for item in items)
    return tuple(dict.fromkeys(line for line in lines if line))[: 2 * _LIMIT]

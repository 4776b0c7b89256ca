"""Files of the state that something else than a crash of ours damaged: held against what else says the same.

A write of ours is whole or not there, so what is half or flipped comes from a disk, a restore or a person. What is
written once (plan, config) is compared with the session's own ref; a claim is known from its run. Run records and
reports have no second witness that is up to date: those are refused by their readers, with the command that restores
the last boundary.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitfleet.model.base import decode
from gitfleet.model.claim import Claim
from gitfleet.model.request import Request
from gitfleet.runtime import attempt
from gitfleet.store.damage import UNREADABLE, damaged
from gitfleet.store.files import names, read_regular
from gitfleet.store.locks import claims_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

REQUEST = ".request"


def check_frozen(parts: Parts, session: str) -> None:
    """Hold plan, amendments and config against the session's ref.

    They are written once, so any difference is damage: a flipped bit may leave a valid document that runs another
    command. Raises ``GitfleetError`` (``damaged-state``) with the command that restores the file.
    """
    layout, objects = parts.layout, parts.objects
    mirror = objects.resolve(f"refs/gitfleet/state/{session}")
    if mirror is None:
        return
    tree = objects.commit(mirror).tree
    kept = {os.fsdecode(path): entry.oid for path, entry in objects.entries(tree, f"sessions/{session}".encode())}
    for name, oid in kept.items():
        path = layout.state / name
        if path.parent != layout.session(session) or path.suffix != ".yaml":
            continue
        try:
            same = read_regular(path) == objects.blob(oid)
        except OSError as error:
            raise damaged(layout, path, session, error.strerror or str(error)) from error
        if not same:
            raise damaged(layout, path, session, "it is not what the session was started with")


def check_runs(parts: Parts, session: str, plan: Plan, runs: Mapping[str, Run]) -> None:
    """Hold the run records against the plan; raises ``GitfleetError`` (``damaged-state``) where one is missing.

    A record that no plan names is that of a task whose request a crash left to be taken up again; without the request,
    the amendment that named it is gone.
    """
    layout = parts.layout
    for task in plan.tasks:
        if task.id not in runs:
            raise damaged(layout, layout.run(session, task.id), session, "it is missing")
    strays = runs.keys() - {task.id for task in plan.tasks} - _asked_for(parts, session)
    if strays:
        lost = layout.plan(session, len(parts.state.amendments(session)) + 2)
        why = f"it is missing, and {', '.join(sorted(strays))} was in it"
        raise damaged(layout, lost, session, why)


def _asked_for(parts: Parts, session: str) -> set[str]:
    directory = parts.layout.session(session) / "requests"
    found = set()
    for name in names(directory):
        if name.endswith(REQUEST):
            try:
                request = decode(read_regular(directory / name), Request)
            except (OSError, *UNREADABLE):
                continue
            if request.add is not None:
                found.add(request.add.id)
    return found


def mend_claims(parts: Parts, session: str, runs: Iterable[Run], notes: list[str]) -> None:
    """Write claims of this session that cannot be read anew, as their runs say; what was there goes to the trash."""
    broken = parts.claims.damaged(session)
    if not broken:
        return
    holders = {run.instance: run for run in runs if run.holding}
    with claims_lock(parts.layout) as proof:
        for instance in broken:
            run = holders.get(instance)
            claim = None
            if run is not None and run.claim is not None:
                claim = Claim(
                    instance=instance,
                    session=session,
                    task=run.task,
                    scope=run.claim.scope,
                    folded=parts.fold,
                    acquired=run.claim.acquired,
                    port_base=_ports(parts, run),
                    clone=parts.claims.clone,
                )
            where = parts.claims.restore(proof, instance, claim)
            notes.append(f"the claim of {instance} could not be read and was written anew; the old one is {where}")


def _ports(parts: Parts, run: Run) -> int:
    """The block of ports that the run's agent was started with."""
    spec = attempt.read_json(str(parts.layout.attempt(run.instance, len(run.attempts))), attempt.SPEC) or {}
    said = str(spec.get("env", {}).get("GITFLEET_PORT_BASE", ""))
    return int(said) if said.isdecimal() else 0

"""Records: which files of a session go to the branch with a landing, and with what content.

A record is written once: a path that the target's tree holds already is never given out again, and nothing is given
out that may still change. All paths here are below ``.planning/``. Committing them is the landing's business.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.base import encode
from gitfleet.model.run import Run, RunState
from gitfleet.model.session import Session, SessionState
from gitfleet.store.documents import front_matter
from gitfleet.store.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gitfleet.store.reading import StateReader

ATTRIBUTES_PATH = ".gitattributes"
_GENERATED = "linguist-generated gitlab-generated export-ignore"
# Records are blobs of exactly these bytes: no line-ending conversion, LFS or other filter of the repository may make
# a clean checkout look modified. This text is frozen: two clones that both add it must add the same bytes.
ATTRIBUTES = f"""\
# Written once by gitfleet; edit freely.
/sessions/** -text -filter -ident
/sessions/*/runs/** {_GENERATED}
/briefs/** -text -filter -ident {_GENERATED}
/discoveries/** -text -filter -ident {_GENERATED}
/momentum/** -text -filter -ident {_GENERATED}
""".encode()

_FINAL = frozenset({RunState.LANDED, RunState.REJECTED, RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED})
"""States that nothing leads out of while the session is open; a conflicted or lost run may be queued again."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a session will be once the landing that carries its records has happened.

    The records of a landing are committed before the target moves, while the state still says ``verified``. What is
    set here takes the place of what the state holds; the coordinator writes the same to the state afterwards.
    """

    session: Session | None = None
    report: str | None = None
    runs: Mapping[str, Run] = field(default_factory=dict)
    waves: Mapping[int, str] = field(default_factory=dict)


def sealed(runs: Mapping[str, Run], session: Session) -> frozenset[str]:
    """Tasks whose runs cannot run again: ended for good, or of a closed session.

    A skipped run stays open as long as one that it depends on may run again.
    """
    if session.state is SessionState.COMPLETED:
        return frozenset(runs)
    final = {task for task, run in runs.items() if run.state in _FINAL}
    skipped = {task: run for task, run in runs.items() if run.state is RunState.SKIPPED}
    while True:
        settled = {
            task
            for task, run in skipped.items()
            if task not in final and all(other in final or other not in runs for other in run.depends_on)
        }
        if not settled:
            return frozenset(final)
        final |= settled


def pending(
    state: StateReader,
    session_id: str,
    published: Collection[str],
    *,
    preview: Preview | None = None,
    redaction: Redaction | None = None,
) -> dict[str, bytes]:
    """Files of one session that are sealed and not published yet, by path below ``.planning/``.

    ``published`` holds the paths (in the same form) that the target's tree has. Run records and briefs are sealed
    with their run; ``session.md`` and momentum when the session is closed; plans and waves at once.
    """
    preview = preview or Preview()
    redaction = redaction or Redaction({})
    session = preview.session or state.read_session(session_id)
    report = state.read_report(session_id) if preview.report is None else preview.report
    others = [task for task in state.run_ids(session_id) if task not in preview.runs]
    runs = {**preview.runs, **{task: state.read_run(session_id, task) for task in others}}
    home = f"sessions/{session_id}"
    # What is published is neither read nor written again: a landing costs what it carries, however long the session.
    done = sealed(runs, session)
    briefs = {task for task in done if f"briefs/{session_id}/{task}.md" not in published}
    found = {f"{home}/plan.yaml": state.read_plan_bytes(session_id)}
    for number in state.amendments(session_id):
        found[f"{home}/plan.{number}.yaml"] = state.read_plan_bytes(session_id, number)
    for number, text in {**state.read_waves(session_id), **preview.waves}.items():
        found[f"{home}/waves/w{number}.md"] = redaction.text(text).encode()
    for task in done:
        if f"{home}/runs/{task}.json" not in published:
            found[f"{home}/runs/{task}.json"] = encode(redaction.run(runs[task]))
    for task, text in state.read_briefs(session_id, briefs).items():
        found[f"briefs/{session_id}/{task}.md"] = redaction.text(text).encode()
    for discoveries in state.read_discoveries(session_id):
        if discoveries.task in done:
            found[f"discoveries/{session_id}/{discoveries.task}.json"] = encode(redaction.document(discoveries))
    if session.state is SessionState.COMPLETED:
        body = redaction.text(report)
        found[f"{home}/session.md"] = front_matter.render(redaction.document(session), body)
        momentum = state.read_momentum(session_id)
        if momentum is not None:
            found[f"momentum/{session_id}.json"] = encode(redaction.document(momentum))
    return {path: data for path, data in sorted(found.items()) if path not in published}


def with_landing(
    state: StateReader,
    session_id: str,
    published: Collection[str],
    *,
    preview: Preview | None = None,
    redaction: Redaction | None = None,
) -> dict[str, bytes]:
    """Everything that a landing of this session carries, by path below ``.planning/``.

    Its own sealed files, what other closed sessions have not published yet, and ``.gitattributes`` when missing.
    """
    found = pending(state, session_id, published, preview=preview, redaction=redaction)
    for other in leftovers(state, published):
        if other != session_id:
            # A damaged session, or one that `clean` takes away now, must not stop the landing of this one.
            with suppress(GitfleetError):
                found |= pending(state, other, published, redaction=redaction)
    if ATTRIBUTES_PATH not in published:
        found[ATTRIBUTES_PATH] = ATTRIBUTES
    return dict(sorted(found.items()))


def leftovers(state: StateReader, published: Collection[str]) -> tuple[str, ...]:
    """Closed sessions whose ``session.md`` went with no landing of their own and is not published yet.

    Sessions that cannot be read are left out.
    """
    found = []
    for name in state.session_ids():
        if f"sessions/{name}/session.md" in published:
            continue
        with suppress(GitfleetError):
            session = state.read_session(name)
            if session.state is SessionState.COMPLETED and not closed_by_landing(session):
                found.append(name)
    return tuple(found)


def closed_by_landing(session: Session) -> bool:
    """Whether the session's last landing settled its last run, and so carried ``session.md``.

    Such a session is published on its own target. It never rides on the landing of another one, which may be on
    another branch: there the file would get other bytes, and merging the two branches would conflict.
    """
    return bool(session.landings) and session.landings[-1].at == session.ended

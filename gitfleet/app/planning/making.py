"""The planner makes a plan of a direction: it is asked, its answer is read like every plan, and repaired.

An accepted plan, and every answer that was not, is kept beside the planner's attempts, whatever happens next: it was
paid for.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.accounts.secrecy import secret_values
from gitfleet.app.load import load_plan_with_notes
from gitfleet.app.planning.direction import TRIES, Planned, kept, reaching
from gitfleet.app.planning.planners import sweep
from gitfleet.app.sessions.composition import build
from gitfleet.app.sessions.wave import SUFFIX_ALPHABET, prepare
from gitfleet.coordinator.planning.calling import Planner, begun, planning_task
from gitfleet.coordinator.planning.material import material
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.run import FailureSource
from gitfleet.model.words import plural
from gitfleet.relay.planning import extract, planning_prompt, repair_prompt
from gitfleet.relay.text import one_line
from gitfleet.runtime.environment import looks_secret
from gitfleet.store.documents.plans import write_plan
from gitfleet.store.files import make_directory, write_private
from gitfleet.store.layout import PLANNER
from gitfleet.store.locks import session_lock
from gitfleet.store.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitfleet.app.planning.direction import Ground
    from gitfleet.coordinator.observer import Interrupts
    from gitfleet.coordinator.planning.calling import Answered
    from gitfleet.coordinator.planning.waiting import Watch
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Failure, Run
    from gitfleet.parts import Parts

_DIRECTION = 4000
_NAME = 60


def make(
    ground: Ground,
    watch: Watch,
    interrupts: Interrupts,
    *,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Planned:
    """Have the planner make the plan, and check it as every plan is.

    Planners whose gitfleet was killed are ended first, which is told among the notes. Raises ``GitfleetError``:
    ``planner-failed`` when its agent failed, ``no-plan`` when no answer was a valid plan (both exit 1, and the answers
    are named), ``interrupted``.
    """
    swept = tuple(sweep(ground.workspace))
    try:
        planned = _begin(ground, watch, interrupts, PLANNER + "".join(SUFFIX_ALPHABET[byte % 32] for byte in random(6)))
    except GitfleetError as error:
        raise _noted(error, swept) from error
    return replace(planned, notes=(*swept, *planned.notes))


def _begin(ground: Ground, watch: Watch, interrupts: Interrupts, instance: str) -> Planned:
    with session_lock(ground.workspace.layout, instance, command="gitfleet plan") as proof:
        parts = build(ground.workspace, ground.config, instance, proof, fold=ground.fold)
        try:
            return _make(_Making(ground, parts, instance), watch, interrupts)
        finally:
            parts.objects.close()


@dataclass(slots=True)
class _Making:
    ground: Ground
    parts: Parts
    instance: str
    calls: int = 0

    @property
    def home(self) -> Path:
        return self.parts.layout.attempt(self.instance, 1).parent

    def keep(self, name: str, data: bytes) -> Path:
        make_directory(self.home)
        path = self.home / name
        write_private(path, data)
        return path

    def kept(self) -> str:
        names_ = [path.name for path in sorted(self.home.glob("answer-*"))]
        if not names_:
            log = self.home / str(max(self.calls, 1)) / "out.log"
            return f"What it said is kept: {log}" if log.exists() else ""
        return f"What it answered is kept in {self.home}: {', '.join(names_)}."


def _make(making: _Making, watch: Watch, interrupts: Interrupts) -> Planned:
    ground, parts = making.ground, making.parts
    task = planning_task(ground.agent, ground.config, ground.direction)
    planner = Planner(parts, task, begun(making.instance, task, ground.base, ground.agent), watch, interrupts)
    try:
        planned = _rounds(making, planner, interrupts)
    except GitfleetError as error:
        raise _noted(error, planner.finish()) from error
    except BaseException:
        planner.finish()
        raise
    notes = planner.finish()
    return replace(planned, origin=_origin(making, planner.run), notes=(*planned.notes, *notes))


def _noted(error: GitfleetError, notes: Sequence[str]) -> GitfleetError:
    hint = " ".join([error.hint, *(f"Note: {note}." for note in notes)]).strip()
    return GitfleetError(error.kind, error.code, error.message, hint=hint, problems=error.problems)


def _rounds(making: _Making, planner: Planner, interrupts: Interrupts) -> Planned:
    ground, parts = making.ground, making.parts
    scrub = _scrubber(parts)
    first = prompt = planning_prompt(ground.direction, material(parts, ground.base))
    wrong: GitfleetError | None = None
    for number in range(1, TRIES + 1):
        answered = planner.ask(prompt.encode())
        making.calls = len(planner.run.attempts)
        text = scrub.text(_best(answered))
        if text.strip():
            making.keep(_file(number, text), text.encode("utf-8", "replace"))
        if interrupts.requested:
            raise _interrupted(interrupts, making.kept())
        if answered.failure is not None and not _denied_only(answered.failure, text):
            raise _failed(making, answered.failure)
        try:
            planned = _accepted(making, text, number)
        except GitfleetError as error:
            if error.kind is not Kind.DOCUMENT:
                raise
            wrong = error
        else:
            if interrupts.requested:  # while it was checked, which may take its time
                raise kept(_interrupted(interrupts), planned.path)
            return planned
        prompt = repair_prompt(first, text, _problems(wrong), TRIES - number - 1)
    assert wrong is not None  # noqa: S101 - there was a round
    raise GitfleetError(
        Kind.RUNS_FAILED,
        "no-plan",
        f"The planner gave no valid plan in {TRIES} answers; of the last one: {wrong.message}",
        hint=making.kept() + " Mend one and run it, or say the direction differently.",
        problems=wrong.problems,
    )


def _interrupted(interrupts: Interrupts, hint: str = "") -> GitfleetError:
    message = f"{interrupts.why.capitalize()} while the planner worked; nothing was started."
    return GitfleetError(Kind.INTERRUPTED, "interrupted", message, hint=hint)


def _best(answered: Answered) -> str:
    """The plan as it was answered: from the first text that has a fenced block, else from the first one."""
    cut = [(extract(text), text) for text in answered.texts]
    blocks = [found for found, text in cut if found.strip() and found.strip() != text.strip()]
    return blocks[0] if blocks else cut[0][0] if cut else ""


def _file(number: int, text: str) -> str:
    return f"answer-{number}.{'json' if text.lstrip().startswith('{') else 'yaml'}"


def _denied_only(failure: Failure, text: str) -> bool:
    """Whether all that is against it is that it may not write, which is as it should be."""
    return failure.source is FailureSource.NEEDS_PERSON and failure.code == "permission-denied" and bool(text.strip())


def _accepted(making: _Making, text: str, number: int) -> Planned:
    ground = making.ground
    if not text.strip():
        raise GitfleetError(Kind.DOCUMENT, "invalid-plan", "There was no answer: nothing was said.")
    name = _file(number, text)
    loaded = load_plan_with_notes(text.encode("utf-8", "replace"), name, ground.config, fold=ground.fold)
    plan = _named(loaded.plan, ground.direction, name)
    data = write_plan(plan)
    path = making.keep("plan.yaml", data)
    request = replace(ground.request, plan_bytes=data, plan_name=str(path))
    try:
        preparation = prepare(ground.workspace, request)
    except GitfleetError as error:
        if error.kind is Kind.DOCUMENT:
            raise
        raise kept(error, path) from error
    return Planned(preparation, request, path, "", unread=reaching(preparation.plan, preparation.config))


def _named(plan: Plan, direction: str, file: str) -> Plan:
    """The plan with the person's own words for its direction: they are what it is held to."""
    words = direction if len(direction) <= _DIRECTION else plan.direction or f"{direction[:_DIRECTION].rstrip()} …"
    name = plan.name if plan.name != Path(file).stem else one_line(direction, _NAME)
    return msgspec.structs.replace(plan, name=name, direction=words)


def _problems(error: GitfleetError) -> list[str]:
    return [str(problem) for problem in error.problems] or [f"{error.message} {error.hint}".strip()]


def _failed(making: _Making, failure: Failure) -> GitfleetError:
    return GitfleetError(
        Kind.NEEDS_PERSON if failure.source is FailureSource.NEEDS_PERSON else Kind.RUNS_FAILED,
        "planner-failed",
        f"The planner failed ({failure.code}): {failure.message}",
        hint=making.kept(),
    )


def _origin(making: _Making, run: Run) -> str:
    used = [attempt.usage for attempt in run.attempts if attempt.usage is not None]
    tokens = f", {sum(one.tokens.total for one in used):,} tokens" if used else ""
    calls = plural(len(run.attempts), "call")
    return f"planned by agent {making.ground.agent} at {making.ground.base[:12]} ({making.instance}: {calls}{tokens})"


def _scrubber(parts: Parts) -> Redaction:
    """Takes out what is known to be secret: keys of accounts, and values of variables whose names look like it."""
    named = {value: f"<${name}>" for name, value in parts.caller.items() if looks_secret(name)}
    return Redaction({}, {**named, **secret_values(parts.caller, parts.now)})

"""What PLAN or a direction on the command line stands for, and the planner while it works on one."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from gitfleet.cli.consent import consent
from gitfleet.cli.live import stopping
from gitfleet.cli.output import Line, console, is_terminal, show
from gitfleet.cli.terminal import Lending, silence
from gitfleet.cli.text import count, duration, inline
from gitfleet.errors import GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from gitfleet.app.planning.direction import Planned
    from gitfleet.app.sessions.request import WaveRequest
    from gitfleet.app.sessions.wave import Preparation
    from gitfleet.cli.command import Call
    from gitfleet.coordinator.planning.waiting import Doing, Watch

F = TypeVar("F", bound="Callable[..., Any]")

PLAN_BYTES = 1 << 20
"""Size of a plan; what is longer is refused by the reader of documents, and not read to its end."""


_OPTIONS = (
    click.option("--target", help="Branch to land on.", metavar="BRANCH"),
    click.option("--max-agents", "--max-workers", type=click.IntRange(min=1, max=256), help="Agents at the same time."),
    click.option("--rolling/--no-rolling", default=None, help="Start each task as soon as it can, without waves."),
    click.option(
        "--only", multiple=True, help="Only this task and what it depends on; may be repeated.", metavar="TASK"
    ),
    click.option("--tag", multiple=True, help="Only tasks with this tag and what they depend on; may be repeated."),
    click.option("--agent", help="The agent of tasks that name none."),
)


def plan_options(function: F) -> F:
    """The options that choose of a plan and say how it runs, in whatever it came to the command line."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Document:
    """A plan that somebody wrote: its bytes, and what messages call it."""

    data: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Words:
    """A direction, of which a plan has to be made first."""

    text: str


def source_of(plan: str | None, direction: str | None) -> Document | Words:
    """Tell a document from a direction.

    What exists, and ``-``, is a document, or free text where its name and content say so. A word that looks like a
    file's name is none without its file. Anything else with a blank is a direction.
    """
    if direction is not None:
        if plan is not None:
            raise GitfleetError(
                Kind.USAGE, "two-plans", "There is a PLAN and a --direction.", hint="Give one of the two."
            )
        if not direction.strip():
            raise GitfleetError(Kind.USAGE, "no-direction", "The direction is empty.", hint="Say what is to be done.")
        return Words(direction.strip())
    if plan is None:
        message = "Missing argument 'PLAN': a file, `-` for standard input, or a direction in words."
        raise click.UsageError(message, click.get_current_context())
    if plan == "-" or _exists(plan):
        return _document(Path(plan))
    words = plan.split()
    if len(words) > 1:
        return Words(plan.strip())
    raise _no_file(plan)


def _exists(name: str) -> bool:
    try:
        return bool(name) and os.path.lexists(name)
    except (OSError, ValueError):  # too long for a path, or with a NUL
        return False


def _no_file(name: str) -> GitfleetError:
    from gitfleet.store.documents.reading import plan_suffixes  # noqa: PLC0415

    if "/" in name or Path(name).suffix.lower() in plan_suffixes():
        message, hint = f"{name} cannot be read: No such file or directory.", ""
    else:
        message = f"{name!r} is neither a file nor a direction of more than one word."
        hint = "Name a file that exists, or give a direction of one word with --direction."
    return GitfleetError(Kind.USAGE, "cannot-read", message, hint=hint)


def _document(path: Path) -> Document | Words:
    from gitfleet.store.documents.reading import is_prose  # noqa: PLC0415

    data, name = read_document(path)
    if is_prose(data, name):
        return Words(data.decode("utf-8-sig").strip())
    return Document(data, name)


def read_document(path: Path) -> tuple[bytes, str]:
    """Read a document that a person named, `-` for standard input: its bytes and what messages call it."""
    if str(path) == "-":
        return sys.stdin.buffer.read(PLAN_BYTES + 1), "<standard input>"
    try:
        with path.open("rb") as file:  # which may be a pipe of a shell's, such as <(make-plan)
            return file.read(PLAN_BYTES + 1), str(path)
    except OSError as error:
        raise GitfleetError(Kind.USAGE, "cannot-read", f"{path} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a plan would do; ``planned`` says what it came from, where the planner made it."""

    preparation: Preparation
    planned: Planned | None = None

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """Say with every refusal where a plan is kept that the planner made."""
        try:
            yield
        except GitfleetError as error:
            if self.planned is None:
                raise
            from gitfleet.app.planning.direction import kept  # noqa: PLC0415

            raise kept(error, self.planned.path) from error


def prepared(call: Call, source: Document | Words, request: WaveRequest, *, yes: bool, edit: bool) -> Prepared:
    """Check a plan, after the planner made it of a direction and the person edited it, where they want to."""
    from gitfleet.app.sessions.wave import prepare  # noqa: PLC0415

    if edit and call.json:
        raise GitfleetError(Kind.USAGE, "usage", "--edit opens an editor, and does not go with --json.")
    workspace = call.workspace()
    if isinstance(source, Document):
        if edit:
            message = "--edit is for a plan that is made of a direction."
            raise GitfleetError(Kind.USAGE, "nothing-to-edit", message, hint=f"Edit {source.name} itself.")
        return Prepared(prepare(workspace, replace(request, plan_bytes=source.data, plan_name=source.name)))

    from gitfleet.app.planning.direction import announcement, survey  # noqa: PLC0415
    from gitfleet.app.planning.making import make  # noqa: PLC0415
    from gitfleet.coordinator.observer import Interrupts  # noqa: PLC0415

    editor: Sequence[str] = ()
    if edit:
        from gitfleet.app.planning.editing import editor_of  # noqa: PLC0415

        editor = editor_of(os.environ, terminal=is_terminal(sys.stdin) and is_terminal(sys.stdout))
    ground = survey(workspace, request, source.text)
    if not call.json:
        first, *rest = announcement(ground)
        show([Line(first, "bold"), *(Line(f"  {line}") for line in rest)])
    consent(yes=yes, ask=not call.json, question="Call the planner?")
    interrupts = Interrupts()
    with stopping(interrupts), looking_on(as_json=call.json) as watch:
        planned = make(ground, watch, interrupts)
    if edit:
        from gitfleet.app.planning.editing import edit as edit_plan  # noqa: PLC0415

        planned = edit_plan(planned, editor, os.environ)
    return Prepared(planned.prepared(), planned)


@contextlib.contextmanager
def looking_on(*, as_json: bool) -> Iterator[Watch]:
    """Give somebody who tells on standard error how the planner is getting on; nobody for ``--json``."""
    if as_json:
        yield lambda _doing: None
    elif not is_terminal(sys.stderr):
        yield _once_a_call()
    else:
        from rich.live import Live  # noqa: PLC0415 - only a terminal pays
        from rich.text import Text  # noqa: PLC0415

        with Live(console=console(sys.stderr), auto_refresh=False, transient=True) as live:
            lending = Lending(live.stop, lambda: live.start(refresh=True))

            def draw(doing: Doing) -> None:
                with lending.drawing():
                    try:
                        live.update(Text(sentence(doing), no_wrap=True, overflow="ellipsis"), refresh=True)
                    except OSError:  # its terminal was closed
                        silence(2)

            with lending.on_stop():
                yield draw


def _once_a_call() -> Callable[[Doing], None]:
    told: set[tuple[int, bool, bool]] = set()

    def tell(doing: Doing) -> None:
        news = (doing.call, bool(doing.waiting), doing.stopping)
        if news not in told:
            told.add(news)
            with contextlib.suppress(OSError):
                sys.stderr.write(f"gitfleet: {_what(doing)}\n")
                sys.stderr.flush()

    return tell


def _what(doing: Doing) -> str:
    if doing.waiting:
        return f"the planner waits: {inline(doing.waiting)}"
    if doing.stopping:
        return "the planner is stopped"
    what = "repairs its plan" if doing.repairs else "works"
    return f"the planner {what}" + (f" (call {doing.call})" if doing.call > 1 else "")


def sentence(doing: Doing) -> str:
    """How the planner is getting on, in a line."""
    told = [duration(doing.seconds)]
    if doing.waiting:  # the time first: the line is cut where the terminal ends
        return f"{told[0]}: {_what(doing)}"
    if doing.turns is not None:
        told.append(f"{doing.turns} turns, {doing.tool_calls} tool calls")
    if doing.tokens is not None:
        told.append(f"{count(doing.tokens)} tokens")
    if doing.silent >= 10:
        told.append(f"no output for {duration(doing.silent)}")
    return f"{_what(doing)}: {', '.join(told)}"

"""What commands print: one description, drawn plainly when piped and through rich in a terminal.

A command builds a view, a list of lines and tables, without knowing where it goes. Piped output has no colours, no
boxes and never wraps or cuts a value. rich is imported only for a terminal. Every value is made safe to print here.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeAlias

from gitfleet.cli.text import block, inline, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import msgspec
    from rich.console import Console

    from gitfleet.model.reports import AmendReport

STATE_STYLES = {
    "ok": "green",
    "landed": "green",
    "completed": "green",
    "running": "cyan",
    "working": "cyan",
    "silent": "yellow",
    "needs-person": "yellow",
    "rate-limited": "yellow",
    "retrying": "yellow",
    "stuck": "red",
    "dead": "red",
    "warn": "yellow",
    "needs-continue": "yellow",
    "paused": "yellow",
    "draining": "yellow",
    "conflicted": "yellow",
    "fail": "red",
    "failed": "red",
    "rejected": "red",
    "timed-out": "red",
    "lost": "red",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``style`` is a rich style and is lost when piped.

    A terminal folds it between words, the next lines ``hang`` columns in; with ``copy`` it never does, since a person
    copies commands and paths from there.
    """

    text: str = ""
    style: str = ""
    hang: int = 2
    copy: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Output of another program, lines kept."""

    text: str
    indent: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; an empty table draws nothing.

    Where a terminal has no room for the words of its columns, each row becomes lines of headings and values instead;
    one that ``stacks`` does so wherever a cell would be folded.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    stacks: bool = False


_FEW = 2
"""Columns that are never too many: a terminal folds the one that is long."""
_ROOM = 20
"""What is enough, in columns, for the longest of words, such as a path."""

Piece: TypeAlias = "Line | Block | Table"


def plain(view: Iterable[Piece]) -> str:
    """Draw a view for a pipe."""
    out: list[str] = []
    for piece in view:
        match piece:
            case Line(text):
                out.append(inline(text))
            case Block(text, indent):
                out += [indent + line for line in block(text).splitlines()]
            case Table(columns, rows) if rows:
                cells = [[inline(cell) for cell in row] for row in (columns, *rows)]
                widths = [max(width(row[index]) for row in cells) for index in range(len(columns))]
                for row in cells:
                    padded = [cell + " " * (widths[index] - width(cell)) for index, cell in enumerate(row)]
                    out.append("  ".join(padded).rstrip())
            case Table():
                pass
    return "".join(line + "\n" for line in out)


def amended(report: AmendReport) -> str:
    """Say what became of a request: the coordinator's own sentence, or that the request waits to be taken up."""
    if report.message.startswith(report.task):
        return report.message
    return f"{report.action} {report.task}: {report.message or 'asked for.'}"


def folded(text: str, columns: int, hang: int) -> list[str]:
    """Fold a line between words at ``columns``; a word that is longer stays whole, so that it can be copied.

    Lines after the first begin ``hang`` columns further in than the first.
    """
    lead = text[: len(text) - len(text.lstrip(" "))]
    indent = lead + " " * hang if width(lead) + hang < columns // 2 else lead
    lines, line = [], ""
    for word in re.findall(r" *[^ ]+", text):
        fits = width(indent + word.lstrip(" ")) <= columns
        if line.strip() and fits and width(line + word) > columns:
            lines.append(line)
            line = indent + word.lstrip(" ")
        else:
            line += word
    return [*lines, line]


def console(stream: IO[str] | None = None) -> Console:
    """Make the rich console for a terminal; it honours NO_COLOR by itself."""
    from rich.console import Console  # noqa: PLC0415 - 43 ms that piped output does not pay

    return Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=False)


def _squeezed(table: Table, across: int) -> bool:
    """Whether columns are too narrow for their words; the widest may break them, where it has some room left."""
    rows = [[inline(cell) for cell in row] for row in (table.columns, *table.rows)]
    needs = sorted(
        max((width(word) for row in rows for word in row[index].split()), default=0)
        for index in range(len(table.columns))
    )
    return len(needs) > _FEW and sum(needs[:-1]) + min(needs[-1], _ROOM) + 2 * (len(needs) - 1) > across


def draw(view: Iterable[Piece], target: Console) -> None:
    """Draw a view in a terminal."""
    from rich.text import Text  # noqa: PLC0415

    for piece in view:
        match piece:
            case Line(text, style, hang, copy):
                safe = inline(text)
                for line in [safe] if copy else folded(safe, target.width, hang):
                    target.print(Text(line, style=style), soft_wrap=True)
            case Block(text, indent):
                for line in block(text).splitlines():
                    target.print(Text(indent + line), soft_wrap=True)
            case Table(columns, rows, stacks) if rows:
                too_wide = stacks and max(map(width, plain([piece]).splitlines())) > target.width
                too_wide = too_wide or _squeezed(piece, target.width)
                (_stack if too_wide else _grid)(columns, rows, target)
            case Table():
                pass


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str]], target: Console) -> None:
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    grid = RichTable(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(inline(column), overflow="fold")
    for row in rows:
        grid.add_row(*(Text(inline(cell), style=STATE_STYLES.get(cell, "")) for cell in row))
    target.print(grid)


def _stack(columns: Sequence[str], rows: Sequence[Sequence[str]], target: Console) -> None:
    from rich.text import Text  # noqa: PLC0415

    for first, *rest in rows:
        target.print(Text(inline(first), style="bold"), soft_wrap=True)
        said = [inline(f"{name} {cell}".strip()) for name, cell in zip(columns[1:], rest, strict=True) if cell]
        # No fold comes between a heading and its value.
        text = "  " + "  ".join(one.replace(" ", "\N{NO-BREAK SPACE}") for one in said)
        for line in folded(text, target.width, 0):
            target.print(Text(line.replace("\N{NO-BREAK SPACE}", " ")), soft_wrap=True)


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at the stream; a dumb terminal counts as a pipe."""
    import os  # noqa: PLC0415

    return stream.isatty() and os.environ.get("TERM", "") != "dumb"


def show(view: Iterable[Piece], stream: IO[str] | None = None) -> None:
    """Print a view on standard output, or another stream."""
    stream = stream or sys.stdout
    if is_terminal(stream):
        draw(view, console(stream))
    else:
        stream.write(plain(view))
        stream.flush()


def document(report: msgspec.Struct, *, line: bool = False) -> None:
    """Print the one JSON document of a command; ``line`` writes it on one line, for followed streams."""
    import msgspec  # noqa: PLC0415

    data = msgspec.json.encode(report)
    if not line:
        data = msgspec.json.format(data, indent=2)
    sys.stdout.flush()
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()

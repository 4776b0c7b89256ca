"""``status`` in its plain forms, without click: it is asked by prompts, editors and scripts, often.

Only ``status [SESSION] [--json] [--all] [--repo PATH]`` is read here; anything else, ``--help`` and mistakes
included, is left to click, so that there is one place that explains usage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the quick path was asked for."""

    session: str | None = None
    json: bool = False
    every: bool = False
    repo: Path = Path()


def parse(args: Sequence[str]) -> Wanted | None:
    """Read the arguments after ``status``; none when they are click's business."""
    import os  # noqa: PLC0415

    if "_GITFLEET_COMPLETE" in os.environ:
        return None
    session: str | None = None
    repo = Path()
    flags = {"--json": False, "--all": False}
    rest = iter(args)
    for word in rest:
        if word in flags:
            flags[word] = True
        elif word == "--repo":
            value = next(rest, None)
            if value is None:
                return None
            repo = Path(value)
        elif word.startswith("--repo="):
            repo = Path(word.removeprefix("--repo="))
        elif word.startswith("-") or session is not None or not word:
            return None
        else:
            session = word
    return Wanted(session, flags["--json"], flags["--all"], repo)


def run(wanted: Wanted) -> int:
    """Answer."""
    from gitfleet.app.status import status  # noqa: PLC0415
    from gitfleet.app.workspace import open_workspace  # noqa: PLC0415
    from gitfleet.cli.output import document, show  # noqa: PLC0415

    report = status(open_workspace(wanted.repo), wanted.session, every=wanted.every)
    if wanted.json:
        document(report)
    else:
        from gitfleet.cli.status_view import view  # noqa: PLC0415

        show(view(report))
    return 0

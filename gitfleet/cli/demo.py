"""``gitfleet demo``: a sample repository, three waves, scripted agents, no model."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.disclosure import view as disclosure_view
from gitfleet.cli.outcome import report as report_of
from gitfleet.cli.outcome import view
from gitfleet.cli.output import Block, Line, show
from gitfleet.cli.wave import start


@command("demo", examples=("gitfleet demo", "gitfleet demo /tmp/sample --json"))
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def COMMAND(call: Call, *, directory: Path | None) -> int:  # noqa: N802
    """Run a sample session in a new repository at DIRECTORY (./gitfleet-demo unless given).

    Asks nothing: it makes its repository itself, brings its own identity, and calls no model.
    """
    from gitfleet.app.sessions.request import WaveRequest  # noqa: PLC0415
    from gitfleet.app.sessions.wave import prepare  # noqa: PLC0415
    from gitfleet.app.workspace import open_workspace  # noqa: PLC0415
    from gitfleet.demo import build, default_destination, history  # noqa: PLC0415
    from gitfleet.model.reports import DemoReport  # noqa: PLC0415

    began = time.monotonic()
    sample = build(directory.absolute() if directory is not None else default_destination(call.repo.absolute()))
    request = WaveRequest(plan_bytes=sample.plan_path.read_bytes(), plan_name=sample.plan_path.name)
    preparation = prepare(open_workspace(sample.path), request)
    if not call.json:
        show(disclosure_view(preparation.disclosure, explain=False))
    outcome = start(preparation, as_json=call.json)
    seconds = time.monotonic() - began
    ended = report_of(outcome)
    report = DemoReport(
        path=str(sample.path), session=ended.session, seconds=round(seconds, 3), exit_code=int(outcome.exit_code)
    )
    if not call.json:
        show(view(ended))
        show([Line(), Block(history(sample))])
    call.answer(
        report,
        lambda: [
            Line(),
            Line(f"The result is in {sample.path}, after {seconds:.1f} s.", "bold"),
            Line(f"  look: git -C {sample.path} log --graph --oneline"),
            Line(f"  read: {sample.path}/.planning/sessions/{ended.session}/session.md"),
        ],
    )
    return outcome.exit_code

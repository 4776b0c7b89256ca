from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gitfleet.model.event import EventKind
from gitfleet.store.journal import Journal, follow, read
from gitfleet.store.layout import Layout

ROOT = Path(__file__).resolve().parents[3]


def test_events_read_back_in_order(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    journal = Journal(layout, "s", lambda: 0.5)
    assert list(read(layout, "s")) == []
    first = journal.event(EventKind.WAVE_START, "wave 1\nstarts", wave=1)
    second = journal.event(EventKind.AGENT_COMPLETE, "done", task="t", instance="i", status="success")
    assert first.at == "1970-01-01T00:00:00.500Z"
    assert list(read(layout, "s")) == [first, second]
    assert layout.journal("s").read_bytes().count(b"\n") == 2


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    journal = Journal(layout, "s", lambda: 0.0)
    first = journal.event(EventKind.LAND, "first")
    with layout.journal("s").open("ab") as file:
        file.write(b'{"at": "1970')
    assert list(read(layout, "s")) == [first]
    second = journal.event(EventKind.LAND, "second")
    assert list(read(layout, "s")) == [first, second]
    layout.journal("s").write_bytes(b"\xff\n\n[[[\n" + layout.journal("s").read_bytes())
    assert list(read(layout, "s")) == [first, second]


def test_follow_waits_for_the_journal_and_gives_each_event_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    journal = Journal(layout, "s", lambda: 0.0)
    polls: list[float] = []

    def sleep(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 2:
            journal.event(EventKind.LAND, "one")
            with layout.journal("s").open("ab") as file:
                file.write(b'{"torn')
        if len(polls) == 3:
            journal.event(EventKind.LAND, "two")

    found = follow(layout, "s", stop=lambda: len(polls) == 4, sleep=sleep, poll=0.05)
    assert [event.message for event in found] == ["one", "two"]
    assert polls == [0.05] * 4


def test_what_was_written_before_the_stop_is_given_out(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    journal = Journal(layout, "s", lambda: 0.0)

    def stop() -> bool:
        journal.event(EventKind.SESSION_END, "end")
        return True

    assert [event.message for event in follow(layout, "s", stop=stop)] == ["end"]


def test_processes_append_side_by_side(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from gitfleet.model.event import EventKind; from gitfleet.store.journal import Journal\n"
        "from gitfleet.store.layout import Layout\n"
        "journal = Journal(Layout(Path(sys.argv[1])), 's', lambda: 0.0)\n"
        "for number in range(200): journal.event(EventKind.GATE, sys.argv[2] * 300)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT) for name in "abc"]
    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]
    events = list(read(Layout(tmp_path), "s"))
    assert sorted(event.message for event in events) == ["a" * 300] * 200 + ["b" * 300] * 200 + ["c" * 300] * 200

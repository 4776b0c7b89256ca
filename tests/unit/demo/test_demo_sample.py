"""The sample repository and its scripted agents, without a session around them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitfleet import demo
from gitfleet.errors import GitfleetError
from gitfleet.git.command import Git

if TYPE_CHECKING:
    from pathlib import Path

IN_ORDER = ("scout", "tracking", "rates", "labels", "storage", "server", "cli", "guide")


def play(repo: Path, task: str, prompt: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run one agent's script in the repository itself; returns what it did and where its handoff is."""
    prompt_file, handoff = repo.parent / f"{task}.md", repo.parent / f"{task}.json"
    prompt_file.write_text(prompt)
    done = subprocess.run(
        ["sh", f"agents/{task}.sh"],
        cwd=repo,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            "GITFLEET_TASK": task,
            "GITFLEET_PROMPT": str(prompt_file),
            "GITFLEET_HANDOFF": str(handoff),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done, handoff


def test_the_sample_is_a_clean_repository_with_an_identity_of_its_own(tmp_path: Path) -> None:
    sample = demo.build(tmp_path / "sample")

    git = Git(sample.path)
    assert git.run("status", "--porcelain").text == ""
    assert git.run("log", "--format=%an %s").text.splitlines() == [
        "Parcel Demo Configure gitfleet with scripted agents",
        "Parcel Demo Begin the parcel service",
    ]
    assert sample.plan_path.is_file()
    assert set(IN_ORDER) == {path.stem for path in (sample.path / "agents").iterdir()} - {"agent"}


@pytest.mark.slow
def test_the_agents_write_code_that_passes_its_tests_and_relay_the_port(tmp_path: Path) -> None:
    sample = demo.build(tmp_path / "sample")
    relayed = ""
    for task in IN_ORDER:
        done, handoff = play(sample.path, task, relayed)
        assert done.returncode == 0, done.stdout + done.stderr
        relayed += handoff.read_text()

    assert Git(sample.path).run("status", "--porcelain").text == ""
    port = (sample.path / "parcels" / "server.py").read_text().split("PORT = ")[1].split("\n")[0]
    assert f"Reserved port {port} " in relayed
    assert f"127.0.0.1:{port}/quote" in (sample.path / "docs" / "service.md").read_text()
    assert "scout reserved" in demo.history(sample)


def test_the_server_cannot_be_written_without_the_scouts_brief(tmp_path: Path) -> None:
    sample = demo.build(tmp_path / "sample")

    done, _ = play(sample.path, "server", "No brief today.")

    assert done.returncode == 1
    assert "no brief of the scout" in done.stderr


def test_an_empty_directory_will_do_and_a_used_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    demo.build(tmp_path / "empty")

    with pytest.raises(GitfleetError) as caught:
        demo.build(tmp_path / "empty")
    assert caught.value.code == "destination-in-use"

    (tmp_path / "file").touch()
    with pytest.raises(GitfleetError):
        demo.build(tmp_path / "file")
    with pytest.raises(GitfleetError) as caught:
        demo.build(tmp_path / "file" / "below")
    assert caught.value.code == "destination-not-writable"


def test_the_default_destination_is_the_first_free_one(tmp_path: Path) -> None:
    assert demo.default_destination(tmp_path) == tmp_path / "gitfleet-demo"
    (tmp_path / "gitfleet-demo").mkdir()
    (tmp_path / "gitfleet-demo-2.fleet").mkdir()
    assert demo.default_destination(tmp_path) == tmp_path / "gitfleet-demo-3"

"""What trains remember: which differences make a green tree count no longer, and what is never remembered."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitfleet.coordinator.attempt.setting_up import ReadyFirst
from gitfleet.coordinator.checks import CheckRunner
from gitfleet.coordinator.trains.integration_worktree import drop_worktree, integration_path, open_integration
from gitfleet.coordinator.trains.remembering import Remembering
from gitfleet.integrate.verify import Interrupted, verify
from gitfleet.model.config import Config
from gitfleet.model.evidence import Verdict, Verification
from gitfleet.model.plan import Check
from gitfleet.model.trees_config import WorktreesConfig
from gitfleet.model.verify_config import FingerprintConfig, VerifyConfig
from gitfleet.store.layout import verify_label
from tests.support.stage import SESSION, session_on, task_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.support.repo import Repo
    from tests.support.stage import SessionStage


class Yard:
    """One session's integration worktree, in which the tip of main is verified again and again."""

    def __init__(self, stage: SessionStage, count: Path) -> None:
        self.stage, self.parts, self.count, self.note = stage, stage.parts, count, ""

    def run(
        self, config: Config | None = None, caller: Mapping[str, str] | None = None, *, fresh: bool = False
    ) -> Verification:
        """Verify main as another session would, and say what came of it."""
        parts = replace(self.parts, config=config or self.parts.config, caller=caller or self.parts.caller)
        git = open_integration(parts, self.stage.session)
        checks = CheckRunner(parts, SESSION)
        memory = Remembering(parts, self.stage.session, checks, git, fresh=fresh)
        found = verify(
            parts.objects,
            git,
            ReadyFirst(parts, checks).one,
            parts.config.verify.commands,
            self.stage.repo.oid(),
            memory=memory,
            label=verify_label(SESSION),
            say=lambda _: None,
        )
        self.note = memory.note
        assert not isinstance(found, Interrupted)
        return found

    def runs(self) -> int:
        """How often the check ran so far."""
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0


def config_of(count: Path, **more: object) -> Config:
    """A config with one check that leaves a line each time it runs."""
    verify = VerifyConfig(
        commands=(Check(run=f"echo x >>{count}; cat README.md; test ! -e {count}.red"),),
        fingerprint=FingerprintConfig(files=more.pop("files", ()), commands=more.pop("commands", ())),  # type: ignore[arg-type]
    )
    return Config(verify=verify, **more)  # type: ignore[arg-type]


@pytest.fixture
def count(tmp_path: Path) -> Path:
    return tmp_path / "count"


@pytest.fixture
def yard(repo: Repo, count: Path) -> Iterator[Yard]:
    repo.commit({"README.md": "words"})
    with session_on(repo, task_of("api"), config=config_of(count)) as stage:
        yield Yard(stage, count)
        drop_worktree(stage.parts, integration_path(stage.parts, stage.session))


def test_a_green_tree_is_not_checked_again_and_says_so(yard: Yard) -> None:
    first, second = yard.run(), yard.run()
    assert yard.runs() == 1
    assert not first.cached
    assert second.cached
    assert second.verdict is Verdict.VERIFIED
    (ran,), (told,) = first.checks, second.checks
    assert told == msgspec.structs.replace(ran, cached=True)
    assert ran.argv == ("sh", "-c", ran.run)
    assert ran.tree == first.tree
    assert ran.commit == yard.stage.repo.oid()


def test_a_red_tree_is_checked_again(yard: Yard, count: Path) -> None:
    red = count.with_suffix(".red")
    red.touch()
    assert yard.run().verdict is Verdict.RED
    red.unlink()
    assert yard.run().verdict is Verdict.VERIFIED
    assert yard.runs() == 2


def test_a_person_may_want_the_checks_to_run(yard: Yard) -> None:
    yard.run()
    assert not yard.run(fresh=True).cached
    assert yard.runs() == 2


def test_the_same_files_under_another_commit_are_the_same_tree(yard: Yard) -> None:
    yard.run()
    yard.stage.repo.git("commit", "-q", "--allow-empty", "-m", "nothing")
    assert yard.run().cached
    yard.stage.repo.commit({".planning/config.yaml": "schema: gitfleet/config/v1\n"})
    assert yard.run().cached
    yard.stage.repo.commit({"README.md": "other words"})
    assert not yard.run().cached


def other_config(change: Callable[[Config], Config]) -> Callable[[Yard], tuple[Config, Mapping[str, str]]]:
    return lambda yard: (change(yard.parts.config), yard.parts.caller)


def other_caller(**variables: str) -> Callable[[Yard], tuple[Config, Mapping[str, str]]]:
    return lambda yard: (yard.parts.config, {**yard.parts.caller, **variables})


def with_checks(config: Config, *checks: Check) -> Config:
    return msgspec.structs.replace(config, verify=msgspec.structs.replace(config.verify, commands=checks))


DIFFERENCES: dict[str, Callable[[Yard], tuple[Config, Mapping[str, str]]]] = {
    "a deadline": other_config(
        lambda config: with_checks(config, msgspec.structs.replace(config.verify.commands[0], timeout_seconds=7))
    ),
    "the deadline of all": other_config(
        lambda config: msgspec.structs.replace(config, timeouts=msgspec.structs.replace(config.timeouts, verify=7))
    ),
    "a check more": other_config(lambda config: with_checks(config, *config.verify.commands, Check(run="true"))),
    "a set-up command": other_config(
        lambda config: msgspec.structs.replace(config, worktrees=WorktreesConfig(setup=("true",)))
    ),
    "LANG": other_caller(LANG="de_DE.UTF-8"),
    "LC_ALL": other_caller(LC_ALL="fr_FR.UTF-8"),
    "HOME": other_caller(HOME="/"),
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_what_a_check_is_given_belongs_to_it(yard: Yard, difference: str) -> None:
    yard.run()
    assert yard.run().cached
    config, caller = DIFFERENCES[difference](yard)
    found = yard.run(config, caller)
    assert not found.cached
    assert yard.run(config, caller).cached
    # What was green before is green still.
    assert yard.run().cached


def test_the_order_of_checks_belongs_to_it(yard: Yard) -> None:
    one, two = Check(run="true"), Check(run="test 1 = 1")
    first, second = (with_checks(yard.parts.config, *order) for order in ((one, two), (two, one)))
    assert not yard.run(first).cached
    assert not yard.run(second).cached
    assert yard.run(first).cached


def test_variables_that_checks_do_not_get_do_not_matter(yard: Yard) -> None:
    yard.run()
    assert yard.run(caller={**yard.parts.caller, "EDITOR": "vi", "GITFLEET_OPEN": "x"}).cached


def test_a_program_that_was_installed_or_replaced_is_noticed(yard: Yard, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    caller = {**yard.parts.caller, "PATH": f"{programs}:{yard.parts.caller['PATH']}"}
    yard.run(caller=caller)
    assert yard.run(caller=caller).cached
    (programs / "tool").write_text("#!/bin/sh")
    assert not yard.run(caller=caller).cached


def test_commands_of_the_fingerprint_run_in_a_tree_that_was_made_ready(yard: Yard, count: Path) -> None:
    yard.stage.repo.commit({".gitignore": "tool\n"})
    config = config_of(count, commands=("cat tool",), worktrees=WorktreesConfig(setup=("echo 1.0 > tool",)))
    assert not yard.run(config).cached
    assert yard.note == ""
    assert yard.run(config).cached


def test_what_git_writes_on_checkout_is_noticed(yard: Yard) -> None:
    yard.run()
    yard.stage.repo.git("config", "user.email", "else@example.org")
    assert yard.run().cached
    yard.stage.repo.git("config", "core.autocrlf", "true")
    assert not yard.run().cached
    assert yard.run().cached
    attributes = yard.parts.repository.common_dir / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("*.md eol=lf\n")
    assert not yard.run().cached


@pytest.mark.parametrize("way", ["copied", "link"])
def test_the_content_of_what_is_put_into_the_tree_is_noticed(yard: Yard, count: Path, way: str) -> None:
    here = yard.stage.repo.path
    yard.stage.repo.commit({".gitignore": ".env\n"})
    (here / ".env").write_text("A=1")
    config = config_of(count, worktrees=WorktreesConfig(**{way: (".env",)}))  # type: ignore[arg-type]
    yard.run(config)
    assert yard.run(config).cached
    (here / ".env").write_text("A=2")
    assert not yard.run(config).cached


def test_files_that_are_named_belong_to_it(yard: Yard, count: Path, tmp_path: Path) -> None:
    outside = tmp_path / "settings.xml"
    home = tmp_path / "their home"
    home.mkdir()
    inside = yard.stage.repo.path / "node_modules"
    caller = {**yard.parts.caller, "HOME": str(home)}
    config = config_of(count, files=(str(outside), "~/.toolrc", "node_modules"))
    yard.run(config, caller)
    for change in (
        lambda: outside.write_text("x"),
        lambda: (home / ".toolrc").write_text("x"),
        inside.mkdir,
        lambda: os.mkfifo(inside / "pipe"),
    ):
        assert yard.run(config, caller).cached
        change()
        assert not yard.run(config, caller).cached


def test_output_of_commands_belongs_to_it(yard: Yard, count: Path, tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("1")
    config = config_of(count, commands=(f"cat {version} README.md",))
    yard.run(config)
    assert yard.run(config).cached
    version.write_text("2")
    assert not yard.run(config).cached
    assert yard.run(config).cached


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("date +%s%N", "changed while the checks ran"),
        ("exit 3", "did not succeed"),
        ("kill -9 $$", "did not succeed"),
    ],
)
def test_a_command_that_says_nothing_lasting_lets_nothing_be_remembered(
    yard: Yard, count: Path, command: str, why: str
) -> None:
    config = config_of(count, commands=(command,))
    assert yard.run(config).verdict is Verdict.VERIFIED
    assert why in yard.note
    assert not yard.run(config).cached
    assert yard.runs() == 2


def test_a_command_leaves_nothing_for_the_checks(yard: Yard, count: Path) -> None:
    config = config_of(count, commands=("echo spoilt >README.md; touch left",))
    (check,) = config.verify.commands
    config = with_checks(config, msgspec.structs.replace(check, run=check.run + "; test ! -e left"))
    found = yard.run(config)
    assert found.verdict is Verdict.VERIFIED
    assert "spoilt" not in found.checks[0].tail
    assert yard.run(config).cached


def test_what_changes_while_the_checks_run_is_not_remembered(yard: Yard, count: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    config = config_of(count, files=(str(settings),))
    (check,) = config.verify.commands
    config = with_checks(config, msgspec.structs.replace(check, run=f"{check.run} && date +%N >{settings}"))
    assert not yard.run(config).cached
    assert "changed" in yard.note
    assert not yard.run(config).cached


def test_what_cannot_be_read_lets_nothing_be_remembered(yard: Yard, count: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    config = config_of(count, files=(str(tmp_path / "loop" / "below"),))
    assert not yard.run(config).cached
    assert "cannot be read" in yard.note
    assert not yard.run(config).cached


def test_a_cache_that_cannot_be_written_fails_nothing(yard: Yard) -> None:
    yard.parts.layout.verify_cache.write_text("in the way")
    assert yard.run().verdict is Verdict.VERIFIED
    assert yard.run().verdict is Verdict.VERIFIED
    assert yard.runs() == 2

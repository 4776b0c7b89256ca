"""Kills at random times: coordinators, wardens and agents, some more than once in a session."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash import invariants, scenario
from tests.crash.rounds import CONTINUE, COORDINATOR, KILLED, Result, Round, end

if TYPE_CHECKING:
    from collections.abc import Callable

VICTIMS = (COORDINATOR, COORDINATOR, COORDINATOR, "warden", "agent", "everyone")


@dataclass(slots=True)
class Assassin:
    """Kills what a schedule of (seconds, victim) says; the clock starts with the command, or with the session."""

    round_: Round
    dice: random.Random
    length: float
    began: float | None = None
    schedule: list[tuple[float, str]] = field(default_factory=list)
    command: int = 0

    def aim(self, command: int, kills: int) -> None:
        """Plan so many kills while the command with this pid runs."""
        self.command = command
        self.began = None
        self.schedule = sorted((self.dice.uniform(0.0, self.length), self.dice.choice(VICTIMS)) for _ in range(kills))

    def act(self) -> None:
        """Kill who is due."""
        if self.began is None:
            if not any(self.round_.repo.glob(".git/gitfleet/state/sessions/*")):
                return
            self.began = time.monotonic()
        while self.schedule and self.schedule[0][0] <= time.monotonic() - self.began:
            victim = self.schedule[0][1]
            found = [] if victim == COORDINATOR else sorted(crew(self.round_.place))
            if victim in {"warden", "agent"}:
                found = [(pid, name) for pid, name in found if name.startswith(victim)]
                if not found:
                    return  # the next one to appear
                found = [self.dice.choice(found)]
            else:
                self._kill(self.command, COORDINATOR)
            for pid, name in found:
                self._kill(pid, name)
            self.schedule.pop(0)

    def _kill(self, pid: int, name: str) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        with self.round_.ops.open("a") as file:
            file.write(f"{name}\tdied\tany\t0\trandom\n")


def crew(place: Path) -> list[tuple[int, str]]:
    """Wardens and agents of a place, by pid, with the instance that they work for."""
    found = []
    for pid in invariants.processes(place):
        try:
            line, variables = (
                Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace").split("\0")
                for name in ("cmdline", "environ")
            )
        except OSError:
            continue
        environ = dict(variable.partition("=")[::2] for variable in variables)
        if any("warden_wrapper.py" in word for word in line):
            instance = next((word for word in line if "/attempts/" in word), "").split("/")[-2:-1]
            found.append((pid, f"warden {''.join(instance).split('-', 3)[-1]}"))
        elif "GITFLEET_NONCE" in environ and "GITFLEET_INSTANCE" in environ:
            # Without the second it is a check, which is nobody's agent: what kills it is its verdict.
            found.append((pid, f"agent {environ['GITFLEET_INSTANCE'].split('-', 3)[-1]}"))
    return found


def one_round(
    what: scenario.Scenario, template: Path, place: Path, seed: int, length: float, whole: invariants.Whole
) -> Callable[[Result], None]:
    """The work of a round whose moments and victims come from the seed."""

    def work(result: Result) -> None:
        result.place = place.name
        scenario.copy(template, place)
        dice = random.Random(seed)  # noqa: S311 - moments, not secrets
        round_ = Round(place, what)
        assassin = Assassin(round_, dice, length)
        twice = dice.random() < 0.4
        try:
            pid = round_.start(COORDINATOR, *what.command)
            assassin.aim(pid, dice.randint(1, 3))
            result.codes.append(round_.wait(pid, assassin.act))
            if result.codes[-1] == KILLED and twice:
                pid = round_.start(CONTINUE, "continue")
                assassin.aim(pid, dice.randint(1, 2))
                result.codes.append(round_.wait(pid, assassin.act))
            if result.codes[-1] == KILLED:
                result.codes.append(round_.run("last", "continue"))
            end(round_, whole, result)
        except BaseException:
            result.deaths = round_.deaths()
            round_.clear()
            raise
        shutil.rmtree(place)

    return work

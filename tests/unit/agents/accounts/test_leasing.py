"""Leases of accounts between processes: never more than may be, and none that outlives a kill."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents.accounts.lease_files import alive
from gitfleet.agents.accounts.leasing import Leased, Unready, Wanted, ended, recover, release, take, wait
from gitfleet.agents.accounts.limits import Ending
from gitfleet.agents.accounts.store import Accounts
from gitfleet.app.accounts import Connection, connect, remove
from gitfleet.errors import GitfleetError
from gitfleet.model.account import AccountLease
from gitfleet.model.agent_config import AgentKind

if TYPE_CHECKING:
    from pathlib import Path

WISH = [Wanted(AgentKind.CODEX, agent="codex")]


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    """One account of codex with room for three, whose program is there."""
    program = tmp_path / "bin/codex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    caller = {"XDG_STATE_HOME": str(tmp_path / "state"), "PATH": str(program.parent), "KEY": "a-key-of-nobody"}
    made = Accounts.of(caller, time.time)
    connect(made, Connection(kind=AgentKind.CODEX, key_env="KEY", capacity=3))
    return made


def lease(place: Path, instance: str, **facts: object) -> AccountLease:
    """A lease that is alive while somebody holds the lock file in ``place``."""
    (place / "lock").touch()
    known: dict[str, object] = {"attempt": 1, "session": "s", "repository": str(place), "since": ""}
    known |= {"over": str(place / f"{instance}.over"), "locks": (str(place / "lock"),)}
    return AccountLease(instance=instance, **{**known, **facts})  # type: ignore[arg-type]


@pytest.fixture
def living(tmp_path: Path) -> Path:
    """A place whose lock is held for the length of the test."""
    place = tmp_path / "living"
    place.mkdir()
    descriptor = os.open(place / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return place


def test_a_lease_holds_while_its_attempt_goes_on(accounts: Accounts, living: Path) -> None:
    for number in range(3):
        assert isinstance(take(accounts, WISH, lease(living, f"i{number}")), Leased)
    full = take(accounts, WISH, lease(living, "i3"))
    assert isinstance(full, Unready)
    assert [one.condition for one in full.standings] == ["at-capacity"]
    (living / "i1.over").touch()
    assert isinstance(take(accounts, WISH, lease(living, "i3")), Leased), "an attempt that is over holds nothing"
    again = take(accounts, WISH, lease(living, "i3", attempt=2))
    assert isinstance(again, Leased), "an instance holds one account at most"
    assert accounts.standing("codex").busy == 3
    release(accounts, "i3", str(living))
    assert accounts.standing("codex").busy == 2
    with pytest.raises(GitfleetError, match="in use by"):
        remove(accounts, "codex")


def test_a_lease_whose_holders_are_gone_is_dead(accounts: Accounts, living: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    for number in range(3):
        take(accounts, WISH, lease(gone, f"i{number}"))
    now = accounts.standing("codex")
    assert (now.busy, now.dead) == (0, 1), "each one took the dead one before it back"
    assert isinstance(take(accounts, WISH, lease(living, "new")), Leased)
    assert accounts.standing("codex").dead == 0
    removed = tmp_path / "removed"
    assert not alive(lease(living, "x", locks=(str(removed / "lock"),))), "the whole repository is gone"


def test_a_lease_that_cannot_be_read_counts_as_taken(accounts: Accounts, living: Path) -> None:
    take(accounts, WISH, lease(living, "i0"))
    (path,) = accounts.leases("codex")
    path.write_text("{")
    assert accounts.standing("codex").busy == 1
    with pytest.raises(GitfleetError, match="cannot be read"):
        remove(accounts, "codex")


def test_the_end_of_an_attempt_whose_account_cannot_be_read_is_taken_in_all_the_same(accounts: Accounts) -> None:
    """A newer gitfleet wrote it meanwhile: a session that works with it must not stop for that."""
    met = Ending(code="rate-limited", transport=True)
    (accounts.root / "codex/account.json").write_text("{}")
    assert ended(accounts, "codex", met) is None
    assert ended(accounts, "codex-2", met) is None


def test_two_copies_of_a_repository_have_leases_of_their_own(accounts: Accounts, living: Path) -> None:
    take(accounts, WISH, lease(living, "i0"))
    take(accounts, WISH, lease(living, "i0", repository="/another/copy"))
    assert accounts.standing("codex").busy == 2


def test_who_waits_is_counted_until_it_is_gone(accounts: Accounts, living: Path, tmp_path: Path) -> None:
    wait(accounts, lease(living, "i0"), ["codex"])
    assert accounts.standing("codex").queued == 1
    assert [one.wants for one in accounts.queue.alive()] == [("codex",)]
    gone = tmp_path / "gone"
    gone.mkdir()
    wait(accounts, lease(gone, "i1"), ["codex"])
    assert accounts.standing("codex").queued == 1
    assert isinstance(take(accounts, WISH, lease(living, "i0")), Leased)
    assert accounts.standing("codex").queued == 0


def test_a_coordinator_that_takes_over_takes_back_what_its_books_do_not_know(accounts: Accounts, living: Path) -> None:
    for name in ("kept", "left"):
        take(accounts, WISH, lease(living, name))
    take(accounts, WISH, lease(living, "other", session="another"))
    assert recover(accounts, "s", str(living), {"kept"}) == 1
    assert {one.instance for one in accounts.leases("codex").values() if one} == {"kept", "other"}


PROCESS = """
import fcntl, os, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from gitfleet.agents.accounts.leasing import Leased, release, take
from tests.unit.agents.accounts.test_leasing import WISH, lease
from gitfleet.agents.accounts.store import Accounts
place = Path(sys.argv[1])
place.mkdir()
lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
accounts = Accounts.of(os.environ, time.time)
done = 0
while done < 20:
    if isinstance(take(accounts, WISH, lease(place, "mine")), Leased):
        busy = accounts.standing("codex").busy
        assert 1 <= busy <= 3, busy
        release(accounts, "mine", str(place))
        done += 1
print(done)
"""


@pytest.mark.slow
def test_eight_processes_never_have_more_than_may_be(accounts: Accounts, tmp_path: Path) -> None:
    root = str(os.fspath(__file__)).rsplit("/tests/", 1)[0]
    script = PROCESS.format(root=root)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / f"p{number}")],
            env={**os.environ, **accounts.caller},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["20"] * 8
    assert accounts.state("codex").used == 160, "no count was lost"
    assert accounts.standing("codex").busy == 0


def test_what_killed_writers_left_goes_with_the_next_session(accounts: Accounts, living: Path) -> None:
    wait(accounts, lease(living, "waits"), ["codex"])
    left = [accounts.root / place / ".tmp-1-1" for place in ("codex", "codex/leases", ".waiting")]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    recover(accounts, "another", str(living), ())
    assert [path for path in left if path.exists()] == []
    assert accounts.standing("codex").queued == 1


KILLED = """
import fcntl, os, signal, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from gitfleet.agents.accounts.leasing import release, take
from gitfleet.agents.accounts.store import Accounts
from tests.unit.agents.accounts.test_leasing import WISH, lease
place, left, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
accounts = Accounts.of(os.environ, time.time)
if what == "release":
    take(accounts, WISH, lease(place, "mine"))
mine = str(accounts.root)

def kill(event, args):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir") and mine in str(args[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
if what == "take":
    take(accounts, WISH, lease(place, "mine"))
else:
    release(accounts, "mine", str(place))
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["take", "release"])
def test_a_kill_anywhere_leaves_an_account_that_others_can_have(
    accounts: Accounts, living: Path, tmp_path: Path, what: str
) -> None:
    root = str(os.fspath(__file__)).rsplit("/tests/", 1)[0]
    place, count = tmp_path / "killed", 0
    place.mkdir()
    while True:
        count += 1
        words = [sys.executable, "-c", KILLED.format(root=root), str(place), str(count), what]
        ended = subprocess.run(words, env={**os.environ, **accounts.caller}, check=False, timeout=60)
        now = accounts.standing("codex")
        assert now.busy == 0, "its holder is gone"
        assert now.condition == "ready"
        for number in range(3):
            assert isinstance(take(accounts, WISH, lease(living, f"i{number}")), Leased)
        for number in range(3):
            release(accounts, f"i{number}", str(living))
        assert accounts.standing("codex").dead == 0
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    assert count > 3, "it was killed in several places"

"""Landing: the target moves to a verified commit, and clean files of its checkouts follow; nothing of a person moves.

`merge --ff-only` moves the wrong branch after a `switch -c`, stashes by itself into a person's files and overwrites an
ignored `.env`; so the steps are taken one by one here, under ``index.lock``. What this does not promise: a branch
that another working tree is being switched to at the very moment of the swap, and a file that appears between the
look and git's write, are seen only afterwards, as with git's own commands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from gitfleet.git import index as git_index
from gitfleet.git.durable import pack_range
from gitfleet.integrate.landing import swap as ref
from gitfleet.integrate.landing.checkouts import Checkout, Heads, heads, occupied
from gitfleet.integrate.landing.follow import settle, untouched
from gitfleet.integrate.landing.intent import Intent, Workspace
from gitfleet.integrate.landing.outcome import Busy, InTheWay, Landed, NotLanded, TargetMoved
from gitfleet.integrate.landing.patience import Blocked, Patience, blocked_by
from gitfleet.integrate.landing.recover import finish
from gitfleet.integrate.landing.way import moved_since, obstacles, present, refused

if TYPE_CHECKING:
    from gitfleet.git.command import Git
    from gitfleet.git.index import Change, IndexLock
    from gitfleet.integrate.landing.outcome import LandingOutcome, LandingRequest, Obstacle


def land(request: LandingRequest) -> LandingOutcome:
    """Move the target and bring its checkouts along; see ``LandingRequest`` for what is asked.

    Whenever the answer is not ``Landed`` and not marked ``landed``, refs, files and indexes are what they were and no
    lock or intent is left. Raises ``GitFailed`` for what git was never expected to refuse, and ``OSError``.
    """
    workspace = Workspace(request.intents / request.id)
    with workspace.held() as descriptor:
        if descriptor is None:
            return Busy(f"the landing {request.id} is under way", "another gitfleet process")
        request = replace(request, git=replace(request.git, inherit=(*request.git.inherit, descriptor)))
        earlier = _earlier(workspace, request)
        return _land(workspace, request) if earlier is None else earlier


def _earlier(workspace: Workspace, request: LandingRequest) -> LandingOutcome | None:
    """Finish a landing of the same name that died; ``None`` when there is this one still to do."""
    intent = workspace.read()
    if intent is None:
        return None
    outcome = finish(
        workspace, request.git, request.common_dir, clock=request.clock, sleep=request.sleep, wait=request.wait
    )
    match outcome:
        case NotLanded():
            return land(request)
        case Landed():
            return outcome if intent.new == request.new else land(request)
        case InTheWay() | Busy():
            return outcome
        case _:
            assert_never(outcome)


def _land(workspace: Workspace, request: LandingRequest) -> LandingOutcome:
    landing = _Landing(workspace, request)
    patience = Patience(request)
    while True:
        try:
            landing.prepare()
            outcome = landing.attempt(patience)
        except BaseException:
            landing.give_up()
            raise
        if not isinstance(outcome, Blocked):
            return outcome
        if patience.over(outcome):
            landing.give_up()
            return Busy(outcome.why, outcome.who)


class _Landing:
    """One landing between its intent and its end."""

    def __init__(self, workspace: Workspace, request: LandingRequest) -> None:
        self._request = request
        # Nothing depends on the directory that the caller's door happened to stand in.
        self._git = request.git.at(request.common_dir).having(GIT_DIR=str(request.common_dir))
        self._workspace = workspace
        self._target = ref.resolve(self._git, request.target)
        self._known = Checkout(request.worktree, request.git_dir) if request.worktree and request.git_dir else None
        self._intent = Intent(
            id=request.id, target=self._target, old=request.old, new=request.new, refs=dict(request.refs)
        )
        self._held: list[IndexLock] = []
        self._prepared = False
        self._swapped = False
        self._present: dict[int, frozenset[bytes]] = {}
        self._changes: list[Change] | None = None

    def prepare(self) -> None:
        """Note the intent, and bring the objects to the disk before anything points to them."""
        if self._prepared:
            return
        self._prepared = True
        self._workspace.write(self._intent)
        pack_range(self._git, self._request.common_dir, self._request.old, self._request.new)

    def attempt(self, patience: Patience) -> LandingOutcome | Blocked:
        """Try once; whatever was locked is free again when the answer is ``Blocked``."""
        current = self._heads()
        self._resolve()
        actual = ref.read(self._git, self._target)
        if actual != self._request.old:
            self.give_up()
            return TargetMoved(actual)
        checkouts = current.on(self._target)
        blocked = self._take(current, checkouts)
        if blocked is not None:
            self._release()
            return blocked
        found = [obstacle for number in range(len(checkouts)) for obstacle in self._in_the_way(number)]
        if found:
            self.give_up()
            return InTheWay(tuple(found))
        return self._swap(checkouts, patience)

    def _resolve(self) -> None:
        """Follow a target that a person made a symbolic ref meanwhile, or an ordinary one again."""
        target = ref.resolve(self._git, self._request.target)
        if target != self._target:
            self._target = target
            self._intent = self._intent.naming(target)
            self._workspace.write(self._intent)

    def _take(self, current: Heads, checkouts: tuple[Checkout, ...]) -> Blocked | None:
        """Lock every checkout of the target, if nobody is in the middle of anything."""
        # Before any lock: a person's rebase must not meet ours each time we look whether it is over.
        blocked = blocked_by(occupied(self._request.common_dir, self._target, current))
        if blocked is not None:
            return blocked
        if self._intent != self._intent.holding(checkouts):
            self._intent = self._intent.holding(checkouts)
            self._workspace.write(self._intent)
        blocked = self._lock(checkouts)
        if blocked is not None:
            return blocked
        # Read again under the locks: what was true before them may have changed.
        current = self._heads()
        if current.on(self._target) != checkouts:
            return Blocked(f"checkouts of {self._target} are changing", "another git command")
        return blocked_by(occupied(self._request.common_dir, self._target, current))

    def _swap(self, checkouts: tuple[Checkout, ...], patience: Patience) -> LandingOutcome | Blocked:
        request = self._request
        message = f"gitfleet: land {request.id}"
        moved = ref.swap(self._door(checkouts), self._target, new=request.new, old=request.old, message=message)
        match moved:
            case ref.Swapped():
                self._swapped = True
                return self._bring_along(checkouts, patience)
            case ref.Elsewhere(actual):
                self.give_up()
                return TargetMoved(actual)
            case ref.RefHeld(why):
                self._release()
                return Blocked(why, "another git command")
            case _:
                assert_never(moved)

    def give_up(self) -> None:
        """Leave nothing behind; once the target has moved, the locks and the intent stay for ``recover``."""
        if not self._swapped:
            self._release()
            self._workspace.remove()

    def _heads(self) -> Heads:
        return heads(self._git, self._request.common_dir, self._known)

    def _door(self, checkouts: tuple[Checkout, ...]) -> Git:
        # In a checkout of the target, so that its HEAD's reflog tells of the landing too.
        return checkouts[0].git(self._git) if checkouts else self._git

    def _lock(self, checkouts: tuple[Checkout, ...]) -> Blocked | None:
        for number, checkout in enumerate(checkouts):
            lock = self._workspace.lock(number, checkout)
            lock.prepare(self._request.id)
            if not lock.acquire():
                return Blocked(f"{lock.path} is held", lock.holder())
            self._held.append(lock)
        return None

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()

    def _in_the_way(self, number: int) -> list[Obstacle]:
        checkout = self._intent.checkouts[number].checkout
        copy = self._workspace.marker(number)
        copy.unlink(missing_ok=True)
        if not git_index.copy_index(self._held[number].index, copy):
            return []
        self._present[number] = present(checkout.worktree, self._difference())
        own = git_index.with_index(checkout.git(self._git), copy)
        return obstacles(own, checkout.worktree, self._request.old, self._request.new, self._difference())

    def _difference(self) -> list[Change]:
        if self._changes is None:
            self._changes = git_index.changes(self._git, self._request.old, self._request.new)
        return self._changes

    def _bring_along(self, checkouts: tuple[Checkout, ...], patience: Patience) -> LandingOutcome:
        current = self._heads()
        followed: list[Checkout] = []
        left: list[Obstacle] = []
        for number, checkout in enumerate(checkouts):
            marker = self._workspace.marker(number)
            head = current.of.get(checkout)
            if head is None or (head.branch != self._target and head.oid != self._request.new):
                # `switch -c` needs no index lock: HEAD is on a branch that stayed, and so do its files.
                marker.unlink(missing_ok=True)
                continue
            if not marker.exists():
                continue
            found = moved_since(checkout.worktree, self._difference(), self._present[number])
            clean = bool(found)
            if not found:
                own = git_index.with_index(checkout.git(self._git), marker)
                answer = git_index.move(own, self._request.old, self._request.new)
                if answer.code == 0:
                    followed.append(checkout)
                    continue
                found = refused(checkout.worktree, answer)
                clean = untouched(checkout.git(self._git), checkout, self._workspace, self._difference())
            if clean and not followed and self._take_back(checkouts):
                return InTheWay(tuple(found))
            left += self._settle(number, checkout)
            followed.append(checkout)
        return self._finish(checkouts, followed, left, patience)

    def _take_back(self, checkouts: tuple[Checkout, ...]) -> bool:
        request = self._request
        message = f"gitfleet: take back {request.id}"
        moved = ref.swap(self._door(checkouts), self._target, new=request.old, old=request.new, message=message)
        if not isinstance(moved, ref.Swapped):
            return False
        self._swapped = False
        self.give_up()
        return True

    def _settle(self, number: int, checkout: Checkout) -> tuple[Obstacle, ...]:
        copy = self._workspace.scratch(f"roll-{number}")
        git_index.copy_index(self._held[number].index, copy)
        left = settle(self._git, checkout, self._workspace, self._request.new, self._difference(), copy)
        if left.paths:
            self._intent = self._intent.leaving(number, left.paths)
            self._workspace.write(self._intent)
        self._held[number].replace_index(copy)
        self._workspace.marker(number).unlink(missing_ok=True)
        return left.obstacles

    def _finish(
        self, checkouts: tuple[Checkout, ...], followed: list[Checkout], left: list[Obstacle], patience: Patience
    ) -> LandingOutcome:
        for number in range(len(checkouts)):
            marker = self._workspace.marker(number)
            if marker.exists():
                self._held[number].replace_index(marker)
        self._release()
        ref.write_refs(self._git, self._request.refs)
        late = self._late(checkouts, patience)
        if isinstance(late, Blocked):
            return Busy(late.why, late.who, landed=True)
        left += late
        if left:
            return InTheWay(tuple(left), landed=True)
        self._workspace.remove()
        return Landed(tuple(checkout.worktree for checkout in followed))

    def _late(self, checkouts: tuple[Checkout, ...], patience: Patience) -> list[Obstacle] | Blocked:
        """Bring along what was switched to the target while it moved, and may have the old files."""
        left: list[Obstacle] = []
        for checkout in self._heads().on(self._target):
            if checkout in checkouts:
                continue
            number = len(self._intent.checkouts)
            lock = self._workspace.lock(number, checkout)
            lock.prepare(self._request.id)
            if not git_index.copy_index(lock.index, self._workspace.marker(number)):
                continue
            self._intent = self._intent.joined_by(checkout)
            self._workspace.write(self._intent)
            self._held += [lock] * (number + 1 - len(self._held))
            while not lock.acquire():
                blocked = Blocked(f"{lock.path} is held", lock.holder())
                if patience.over(blocked):
                    return blocked
            left += self._settle(number, checkout)
            lock.release()
        return left

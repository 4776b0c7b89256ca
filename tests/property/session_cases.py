"""What random sessions are made of: agents and persons as one-line shell scripts, policies, and an interruption.

The person acts when the script of an agent asks for it, so that what they do happens at a known moment; how, and what
they do between two commands, is in ``tests.property.session_person``. Each agent writes down which objects it had in
its tree when it was done, for the oracle to look for.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.support.sessions import config_of, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

OLD = "test ! -e rotten.txt"
# Alone: a file says BREAK. Together: one says HALF-A and another HALF-B. What says CRACK needs one that says MENDED.
CHECKS = {
    "alone": "! grep -rqs --exclude-dir=.git BREAK .",
    "together": (
        "! { grep -rqs --exclude-dir=.git HALF-A . && grep -rqs --exclude-dir=.git HALF-B .; } && "
        "{ ! grep -rqs --exclude-dir=.git CRACK . || grep -rqs --exclude-dir=.git MENDED .; }"
    ),
    "old": OLD,
    "docs": "! grep -rqs WRONG docs",
}
FILES = {
    "README.md": "A project.\n",
    "shared.txt": "1\n2\n3\n",
    "mine.txt": "mine\n",
    "gone.txt": "g\n",
    "guarded.txt": "guarded\n",
    "lib/old.txt": "old\n",
    "docs/index.md": "# Docs\n",
}
PROTECTED = "guarded.txt"
SECOND = 10
"""Number of the first task of the second session."""


@dataclass(frozen=True)
class Behaviour:
    """What an agent does, what its scope has beside its own directory, and how it ends."""

    work: str
    shares: tuple[str, ...] = ()
    ends: str = "true"


def _b(work: str, *shares: str, ends: str = "true") -> Behaviour:
    return Behaviour(work, shares, ends)


BEHAVIOURS = {
    "works": _b("echo $me >{dir}/a"),
    "commits": _b("echo $me >{dir}/a; git add -A; git commit -qm work"),
    "commits twice": _b(
        "echo $me >{dir}/a; git add -A; git commit -qm 1; echo 2 >{dir}/b; git add -A; git commit -qm 2"
    ),
    "amends": _b("echo 1 >{dir}/a; git add -A; git commit -qm 1; echo $me >{dir}/a; git commit -qa --amend -m 2"),
    "commits on no branch": _b("git checkout -q --detach; echo $me >{dir}/a; git add -A; git commit -qm work"),
    "meddles": _b(
        "echo $me >{dir}/a; { git stash pop; git config user.name Mallory; git update-ref refs/heads/main HEAD; "
        "git branch mine; git gc; } >/dev/null 2>&1"
    ),
    "merges the target": _b("echo $me >{dir}/a; git add -A; git commit -qm work; git merge -q --no-edit main"),
    "rebases on the target": _b("echo $me >{dir}/a; git add -A; git commit -qm work; git rebase -q main"),
    "edits what is shared": _b(
        "echo $me >{dir}/a; sed -i.bak s/2/{n}{n}/ shared.txt; rm -f shared.txt.bak", "shared.txt"
    ),
    "removes a file": _b("git rm -q gone.txt; echo $me >{dir}/a", "gone.txt"),
    "adds to a directory": _b("mkdir -p lib; echo $me >lib/new-{n}; echo $me >{dir}/a", "lib/new-{n}"),
    "renames a directory": _b("test -d lib && git mv lib moved-{n}; echo $me >{dir}/a", "lib", "moved-{n}"),
    "leaves its scope": _b("echo $me >{dir}/a; echo out $me >outside-{n}.txt"),
    "strays into another's": _b("echo $me >{dir}/a; mkdir -p {next}; echo in $me >{next}/b"),
    "edits what is not its own": _b("echo $me >{dir}/a; echo over $me >>shared.txt"),
    "hides a secret": _b(
        "echo hunter2 >s; git add -A; git commit -qm s; git rm -q s; echo $me >{dir}/a; git add -A; git commit -qm t"
    ),
    "touches what is guarded": _b("echo $me >{dir}/a; echo $me >>guarded.txt", "guard*"),
    "was told to touch it": _b("echo $me >{dir}/a; echo $me >>guarded.txt", "guarded.txt"),
    "breaks": _b("echo BREAK $me >{dir}/a"),
    "breaks at first": _b("echo $me >{dir}/b; test $GITFLEET_ATTEMPT != 1 || echo BREAK >{dir}/b"),
    "breaks one half": _b("echo HALF-A $me >{dir}/a"),
    "breaks the other": _b("echo HALF-B $me >{dir}/a"),
    "needs mending": _b("echo CRACK $me >{dir}/a"),
    "mends": _b("echo MENDED $me >{dir}/a"),
    "breaks the docs": _b("mkdir -p docs; echo WRONG $me >docs/{n}.md", "docs/{n}.md"),
    "writes docs": _b("mkdir -p docs; echo right $me >docs/{n}.md", "docs/{n}.md"),
    "rots the target": _b("echo $me >rotten.txt; echo $me >{dir}/a", "rotten.txt"),
    "mends the target": _b("rm -f rotten.txt; echo $me >{dir}/a", "rotten.txt"),
    "does nothing": _b("rmdir {dir}"),
    "says that nothing is to do": _b('rmdir {dir}; echo \'{"no_change": "all there"}\' >$GITFLEET_HANDOFF'),
    "fails": _b("echo $me >{dir}/a", ends="exit 3"),
    "loses its warden at first": _b("echo $me >{dir}/a", ends="test $GITFLEET_ATTEMPT != 1 || kill -9 $PPID"),
}
HARMLESS = frozenset({"works", "commits", "commits twice", "amends", "commits on no branch", "meddles", "writes docs"})
"""What always lands in the end, whatever others do, if all it depends on does."""

_ADD = "git add {path} && { git diff --cached --quiet HEAD -- {path} || git commit -qm Theirs {path}; }"
PERSON = {
    "": "",
    "commits": "echo p{n} >p{n}.txt; " + _ADD.replace("{path}", "p{n}.txt"),
    "edits what is shared": "echo person{n} >shared.txt; " + _ADD.replace("{path}", "shared.txt"),
    "edits what others remove": "test -e gone.txt || exit 0; echo p{n} >gone.txt; git commit -qm Theirs gone.txt",
    "renames a directory": (
        "{ test ! -d lib || git mv lib moved; } && { git diff --cached --quiet || git commit -qm Renamed; }"
    ),
    "rots": "echo {n} >rotten.txt; " + _ADD.replace("{path}", "rotten.txt"),
    "is in the way": "test -e d{n}/a || { mkdir -p d{n}; echo theirs >d{n}/a; }",
    "amends": "git commit -q --amend -m Amended --only",
    "takes a secret back": (
        'was=$(git rev-parse HEAD); test "$(git log -1 --format=%s)" = Key || exit 0; '
        "git update-ref -m Clean refs/heads/main HEAD~1 $was && until git rm -qf key; do :; done"
    ),
}
RESOLVES = {
    "well": "for f in $(git ls-files -u | cut -f2 | sort -u); do "
    "test ! -e $f || sed -i.bak '/^[<=>|]\\{7\\}/d' $f; done; find . -name '*.bak' -delete; "
    "git add -A; git commit -q --no-edit",
    "not at all": "true",
    "and strays": "git add -A; echo more >elsewhere-{n}.txt; git add -A; git commit -q --no-edit",
}


@dataclass(frozen=True)
class Doing:
    """What one task is and what happens in it; ``after`` are tasks before it in the plan, from 0."""

    behaviour: str
    person: str = ""
    after: frozenset[int] = field(default_factory=frozenset)
    wide: bool = True
    resolves: str = "well"


@dataclass(frozen=True)
class Case:
    """One session, or two at a time; ``strike`` is where something ends the first one's coordinator, and how."""

    tasks: tuple[Doing, ...]
    second: tuple[Doing, ...] = ()
    agents: int = 3
    rolling: bool = False
    checks: bool = True
    violation: str = "reject"
    protects: bool = False
    conflict: str = "requeue"
    attempts: int = 1
    allows: bool = False
    rotten: bool = False
    strike: tuple[str, str] | None = None
    holds: str = "resolve"

    @property
    def doings(self) -> dict[str, Doing]:
        """All tasks by name."""
        return {f"t{n}": one for n, one in self.numbered()}

    def numbered(self) -> list[tuple[int, Doing]]:
        """All tasks with their numbers."""
        return [*enumerate(self.tasks), *enumerate(self.second, SECOND)]


@st.composite
def _tasks(draw: st.DrawFn, least: int, most: int) -> tuple[Doing, ...]:
    return tuple(
        Doing(
            draw(st.sampled_from(sorted(BEHAVIOURS))),
            draw(st.sampled_from(["", "", "", *PERSON])),
            draw(st.frozensets(st.integers(0, number - 1), max_size=2)) if number else frozenset(),
            draw(st.booleans()),
            draw(st.sampled_from(["well", "well", *RESOLVES])),
        )
        for number in range(draw(st.integers(least, most)))
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Sessions of one to five tasks, sometimes with another of one or two beside it."""
    strikes = st.tuples(st.sampled_from(["agent", "done", "check", *"2468"]), st.sampled_from(["KILL", "INT"]))
    return Case(
        draw(_tasks(1, 5)),
        draw(st.one_of(st.just(()), st.just(()), _tasks(1, 2))),
        draw(st.integers(1, 3)),
        draw(st.booleans()),
        draw(st.sampled_from([True, True, True, False])),
        draw(st.sampled_from(["reject", "spill", "extend"])),
        draw(st.booleans()),
        draw(st.sampled_from(["requeue", "resolver", "hold"])),
        draw(st.integers(1, 3)),
        draw(st.booleans()),
        draw(st.sampled_from([False, False, True])),
        draw(st.one_of(st.none(), strikes)),
        draw(st.sampled_from(["resolve", "resolve", "restart", "cancel"])),
    )


def scope_of(number: int, doing: Doing) -> list[str]:
    """A directory of the task's own, or the half of it that matters; and what its behaviour shares."""
    own = [f"d{number}/"] if doing.wide else [f"d{number}/a", f"d{number}/b"]
    return own + [entry.replace("{n}", str(number)) for entry in BEHAVIOURS[doing.behaviour].shares]


def script(fleet: FleetEnv, case: Case, number: int, doing: Doing) -> str:
    """The agent's shell script, which asks for the person's act."""
    numbers = [other for other, _ in case.numbered()]
    following = numbers[(numbers.index(number) + 1) % len(numbers)]
    facts = {"n": str(number), "dir": f"d{number}", "next": f"d{following}"}
    behaviour = BEHAVIOURS[doing.behaviour]
    strike = [striking(fleet, case.strike[1])] if case.strike and number < SECOND else []
    ledger = shlex.quote(str(fleet.root / "ledger")) + f"/{number}.$GITFLEET_ATTEMPT.$$"
    written = (
        "{ find . -name .git -prune -o -path ./.planning -prune -o -name .fleet-instance-id -o -type f "
        f"-exec git hash-object --no-filters {{}} +; git rev-parse HEAD; }} >{ledger}.tmp && mv {ledger}.tmp {ledger}"
    )
    resolving = f"if git ls-files -u | grep -q .; then {RESOLVES[doing.resolves]}; {written}; exit 0; fi"
    lines = [
        f"mkdir -p d{number}; me={number}.$GITFLEET_ATTEMPT.$$",
        _filled(resolving, facts),
        *([_person(fleet, number)] if doing.person else []),
        *(strike if case.strike and case.strike[0] == "agent" else []),
        _filled(behaviour.work, facts),
        written,
        *(strike if case.strike and case.strike[0] == "done" else []),
        behaviour.ends,
    ]
    return "; ".join(lines)


def _filled(text: str, facts: dict[str, str]) -> str:
    for name, value in facts.items():
        text = text.replace("{" + name + "}", value)
    return text


def _person(fleet: FleetEnv, number: int) -> str:
    """Ask the person to act, and wait until they did."""
    asks, done = (shlex.quote(str(fleet.root / name)) for name in ("asks", "acted"))
    return f"go={done}/{number}.$$; mkfifo $go; echo {number} $go >{asks}; read -r _ <$go"


def striking(fleet: FleetEnv, how: str) -> str:
    """End the first session's coordinator, once."""
    struck, pid = (shlex.quote(str(fleet.root / name)) for name in ("struck", "pid"))
    return f"if mkdir {struck} 2>/dev/null; then until test -s {pid}; do :; done; kill -s {how} $(cat {pid}); fi"


def config(fleet: FleetEnv, case: Case) -> str:
    """The case's config; where a check is to strike, the first one does."""
    commands: list[dict[str, object]] = [{"name": name, "run": run} for name, run in CHECKS.items()]
    commands[-1]["when"] = ["docs/"]
    if case.strike and case.strike[0] == "check":
        commands[0]["run"] = f"{striking(fleet, case.strike[1])}; {CHECKS['alone']}"
    baseline = "allow" if case.allows else "require"
    return config_of(
        verify={"commands": commands if case.checks else [], "baseline": baseline},
        waves={"max_agents": case.agents},
        retry={"max_attempts": case.attempts, "initial_backoff_seconds": 0.01, "max_backoff_seconds": 0.01},
        scope={"on_violation": case.violation, "protected": [PROTECTED] if case.protects else []},
        conflict=case.conflict,
    )


def tasks_of(fleet: FleetEnv, case: Case, first: int, doings: tuple[Doing, ...]) -> list[dict[str, object]]:
    """The tasks of one plan."""
    return [
        task(
            f"t{number}",
            script(fleet, case, number, one),
            scope_of(number, one),
            *(f"t{first + other}" for other in sorted(one.after)),
        )
        for number, one in enumerate(doings, first)
    ]

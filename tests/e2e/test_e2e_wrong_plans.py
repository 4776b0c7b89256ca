"""Plans wrong in each way there is: exit 2 with every problem at its place, nothing written, nothing spawned."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import FleetEnv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = "schema: gitfleet/plan/v1\nname: wrong\ntasks:\n"
GOOD = "  - {id: good, command: touch ../spawned, scope: [good]}\n"


def tasks(*lines: str) -> str:
    """A YAML plan of one good task and these, one flow mapping each."""
    return HEAD + GOOD + "".join(f"  - {{{line}}}\n" for line in lines)


# What is wrong, the name and content of the plan, and for each problem its line and words of its message.
WRONG: dict[str, tuple[str, str | bytes, list[tuple[int | None, str]]]] = {
    "unknown-field": ("p.yaml", tasks("id: a, command: x, scop: [a]"), [(5, "scop")]),
    "unknown-field-of-the-plan": ("p.yaml", "colour: red\n" + tasks(), [(1, "colour")]),
    "duplicate-id": ("p.yaml", tasks("id: good, command: x"), [(5, "twice")]),
    "unknown-dependency": ("p.yaml", tasks("id: a, command: x, depends_on: [god]"), [(5, "god")]),
    "cycle": (
        "p.yaml",
        tasks("id: a, command: x, depends_on: [b]", "id: b, command: x, depends_on: [a]"),
        [(5, "a -> b -> a")],
    ),
    "self-cycle": ("p.yaml", tasks("id: a, command: x, depends_on: [a]"), [(5, "a -> a")]),
    "empty-scope-entry": ("p.yaml", tasks("id: a, command: x, scope: ['']"), [(5, "name something")]),
    "absolute-scope": ("p.yaml", tasks("id: a, command: x, scope: [/etc]"), [(5, "/etc")]),
    "dot-dot-scope": ("p.yaml", tasks("id: a, command: x, scope: [a/../../b]"), [(5, "..")]),
    "scope-below-git": ("p.yaml", tasks("id: a, command: x, scope: [.git/hooks]"), [(5, ".git")]),
    "scope-below-planning": ("p.yaml", tasks("id: a, command: x, scope: [.planning/x]"), [(5, ".planning")]),
    "only-exclusions": ("p.yaml", tasks("id: a, command: x, scope: ['!b']"), [(5, "excludes")]),
    "only-quoted-exclusions": ("p.yaml", tasks("id: a, command: x, scope: ['\"!b\"']"), [(5, "excludes")]),
    "broken-quotation": ("p.yaml", tasks("id: a, command: x, scope: ['\"a']"), [(5, "quot")]),
    "unknown-agent": ("p.yaml", tasks("id: a, instructions: x, agent: nobody"), [(5, "nobody")]),
    "no-agent": ("p.yaml", tasks("id: a, instructions: x"), [(5, "no agent")]),
    "nothing-to-do": ("p.yaml", tasks("id: a, scope: [a]"), [(5, "nothing to do")]),
    "blank-command": ("p.yaml", tasks("id: a, command: ' '"), [(5, "blank")]),
    "id-no-branch": ("p.yaml", tasks("id: a..b, command: x"), [(5, "branch")]),
    "id-form": ("p.yaml", tasks("id: -A, command: x"), [(5, "form")]),
    "id-trailer": ("p.yaml", tasks('id: "a\\n\\nGitfleet-Verified: x", command: x'), [(5, "form")]),
    "name-of-two-lines": ("p.yaml", tasks('id: a, command: x, name: "a\\n\\nGitfleet-Verified: x"'), [(5, "line")]),
    "name-in-colour": ("p.yaml", tasks('id: a, command: x, name: "\\x1b[31mred"'), [(5, "control")]),
    "name-reordered": ("p.yaml", tasks('id: a, command: x, name: "\\u202edeiflirev"'), [(5, "reorder")]),
    "wrong-type": ("p.yaml", tasks("id: a, command: x, priority: high, timeout_seconds: 0"), [(5, "high"), (5, "0")]),
    "huge-number": ("p.yaml", tasks("id: a, command: x, priority: 99999999999999999999"), [(5, "large")]),
    "not-built": (
        "p.yaml",
        tasks("id: a, command: x, scorer: big, workspace: {root: x}"),
        [(5, "scorer"), (5, "root")],
    ),
    "no-tasks": ("p.yaml", "name: x\ntasks: []\n", [(2, "empty")]),
    "not-yaml": ("p.yaml", "name: x\ntasks: [\n", [(3, "")]),
    "python-tag": ("p.yaml", tasks("id: a, command: !!python/object/apply:os.system [x]"), [(5, "tag")]),
    "alias-in-itself": ("p.yaml", "name: x\ntasks: &t [*t]\n", [(2, "itself")]),
    "duplicate-key": ("p.yaml", "name: x\nname: y\ntasks:\n" + GOOD, [(2, "twice")]),
    "nul": ("p.yaml", b"name: x\0\n", [(1, "NUL")]),
    "not-utf-8": ("p.yaml", b"name: \xff\n", [(1, "UTF-8")]),
    "empty-file": ("p.yaml", b"", [(None, "")]),
    "binary": ("p.yaml", bytes(range(256)), [(2, "0x80")]),
    "too-large": ("p.yaml", b"# " + b"x" * (1 << 20) + b"\n", [(None, "bytes")]),
    "too-deep": ("p.json", "[" * 100_000, [(None, "deep")]),
    "json": ("p.json", '{"name": "x",\n "tasks": [{"id": "a", "command": "x",\n "scope": ["/a"]}]}', [(3, "/a")]),
    "json-surrogate": ("p.json", '{"name": "\\ud800", "tasks": [{"id": "a", "command": "x"}]}', [(1, "surrogate")]),
    "toml": ("p.toml", 'name = "x"\n[[tasks]]\nid = "a"\ncommand = "x"\nscope = [".."]\n', [(5, "..")]),
    "markdown-section": ("p.md", "# x\n\n## a\n\nscope: /etc\ndeps: nobody\n\nDo it.\n", [(5, "/etc"), (6, "nobody")]),
    "markdown-table": (
        "p.md",
        "# x\n\n| # | Campaign | Scope | Deps | Status |\n|---|---|---|---|---|\n| 1 | a | /etc | 9 | pending |\n",
        [(5, "/etc"), (5, "9")],
    ),
}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetEnv]:
    """One repository for the whole table: nothing may change it."""
    made = FleetEnv(tmp_path_factory.mktemp("wrong"))
    made.repo({"README.md": "x\n", ".planning/notes/mine.md": "mine\n"})
    yield made
    made.close()


def everything(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Each name below a directory with its mode, time of change and content."""
    found = {}
    for directory, inner, names in os.walk(root):
        for name in (*inner, *names):
            path = os.path.join(directory, name)  # noqa: PTH118 - as os.walk gives it
            facts = os.lstat(path)
            content = b""
            if name in names:
                with open(path, "rb") as file:  # noqa: PTH123 - as above
                    content = file.read()
            found[os.path.relpath(path, root)] = (facts.st_mode, 0 if name in inner else facts.st_mtime_ns, content)
    return found


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_plan_is_refused_whole(case: str, env: FleetEnv) -> None:
    name, content, wanted = WRONG[case]
    plan = env.root / name
    plan.write_bytes(content.encode() if isinstance(content, str) else content)
    before = everything(env.root)

    error = env.run("wave", plan, "--yes", "--json").ok(2).json["error"]

    assert (error["kind"], error["code"]) == ("document", "invalid-plan")
    problems = error["problems"]
    assert {problem["document"] for problem in problems} == {str(plan)}
    for line, words in wanted:
        told = [problem for problem in problems if problem.get("line") == line]
        assert any(words in json.dumps(problem, ensure_ascii=False) for problem in told), problems
    assert everything(env.root) == before


def test_everything_wrong_is_told_at_once(env: FleetEnv) -> None:
    plan = env.plan(
        tasks(
            "id: good, command: x, colour: red",
            "id: b, instructions: y, agent: nobody, depends_on: [gone, c]",
            "id: c, command: x, scope: [/abs, ../up, .git/x, ok], depends_on: [b]",
            "id: d..d, scope: ['!x'], timeout_seconds: -1",
        )
    )
    before = everything(env.root)

    told = env.run("wave", plan, "--yes").ok(2).err

    for words in (
        "twice",
        "colour",
        "nobody",
        "gone",
        "b -> c -> b",
        "/abs",
        "../up",
        ".git/x",
        "d..d",
        "excludes",
        "-1",
    ):
        assert words in told
    for line in (5, 6, 7, 8):
        assert f"{plan}:{line}:" in told
    assert everything(env.root) == before

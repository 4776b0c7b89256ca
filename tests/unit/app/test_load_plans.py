"""Plans in every format, right and wrong, as ``gitfleet plan`` and ``gitfleet wave`` read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitfleet.app.load import load_config, load_plan, load_plan_with_notes
from gitfleet.errors import ExitCode, GitfleetError
from gitfleet.model.plan import Check, Plan, TaskKind

CONFIG = load_config(b"agent: coder\nagents:\n  coder: {argv: [./agent, '{prompt_file}']}\n", "config.yaml")
TASK_FILES = Path(__file__).parent / "task_files"


def refused(data: bytes, name: str = "plan.yaml", *, fold: bool = False) -> GitfleetError:
    with pytest.raises(GitfleetError) as caught:
        load_plan(data, name, CONFIG, fold=fold)
    assert caught.value.code == "invalid-plan"
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.problems
    assert all(problem.document == name for problem in caught.value.problems)
    return caught.value


def places(error: GitfleetError) -> list[tuple[int | None, int | None, str]]:
    return [(problem.line, problem.column, problem.path) for problem in error.problems]


YAML = b"""\
name: auth refactor
direction: Move authentication to JWT
defaults: {timeout_seconds: 60, kind: research}
tasks:
  - id: api-auth
    instructions: |
      Add JWT middleware.
    scope: [src/api/, "src/ui/ (read-only)"]
    reads: docs/
    verify: [{run: "pytest -q"}]
  - id: changelog
    command: ./tools/changelog.sh
    workspace: {writable_paths: [CHANGELOG.md]}
    deps: [api-auth]
    kind: build
    timeout_seconds: 5
"""
TOML = b"""\
name = "auth refactor"
direction = "Move authentication to JWT"
[defaults]
timeout_seconds = 60
kind = "research"
[[tasks]]
id = "api-auth"
instructions = "Add JWT middleware.\\n"
scope = ["src/api/", "src/ui/ (read-only)"]
reads = "docs/"
verify = [{run = "pytest -q"}]
[[tasks]]
id = "changelog"
command = "./tools/changelog.sh"
workspace.writable_paths = ["CHANGELOG.md"]
deps = ["api-auth"]
kind = "build"
timeout_seconds = 5
"""
JSON = json.dumps(
    {
        "name": "auth refactor",
        "direction": "Move authentication to JWT",
        "defaults": {"timeout_seconds": 60, "kind": "research"},
        "tasks": [
            {
                "id": "api-auth",
                "instructions": "Add JWT middleware.\n",
                "scope": ["src/api/", "src/ui/ (read-only)"],
                "reads": "docs/",
                "verify": [{"run": "pytest -q"}],
            },
            {
                "id": "changelog",
                "command": "./tools/changelog.sh",
                "workspace": {"writable_paths": ["CHANGELOG.md"]},
                "deps": ["api-auth"],
                "kind": "build",
                "timeout_seconds": 5,
            },
        ],
    }
).encode()
SECTIONS = b"""\
---
defaults: {timeout_seconds: 60, kind: research}
---
# auth refactor

Move authentication to JWT

## api-auth
scope: src/api/, `src/ui/` (read-only)
reads: docs/
verify:
- pytest -q

Add JWT middleware.

## changelog
command: `./tools/changelog.sh`
**Scope:** CHANGELOG.md
deps: api-auth
kind: build
timeout seconds: 5
"""


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (YAML, "p.yaml"),
        (YAML, "p.yml"),
        (YAML, "-"),
        (TOML, "p.toml"),
        (TOML, "-"),
        (JSON, "p.json"),
        (JSON, "-"),
        (SECTIONS, "p.md"),
        (SECTIONS, "-"),
        (b"\xef\xbb\xbf" + YAML, "p.yaml"),
        (SECTIONS.replace(b"\n", b"\r\n"), "p.md"),
        (YAML.replace(b"\n", b"\r\n"), "p.yaml"),
    ],
)
def test_every_format_says_the_same(data: bytes, name: str) -> None:
    plan = load_plan(data, name, CONFIG)
    assert plan.name == "auth refactor"
    assert plan.direction == "Move authentication to JWT"
    first, second = plan.tasks
    assert first.id == "api-auth"
    assert first.instructions.strip() == "Add JWT middleware."
    assert first.scope == ("src/api/",)
    assert first.reads == ("docs/", "src/ui/")
    assert first.verify == (Check(run="pytest -q"),)
    assert (first.kind, first.timeout_seconds) == (TaskKind.RESEARCH, 60)
    assert second.command == "./tools/changelog.sh"
    assert second.scope == ("CHANGELOG.md",)
    assert second.depends_on == ("api-auth",)
    assert (second.kind, second.timeout_seconds) == (TaskKind.BUILD, 5)


def test_the_default_agent_of_a_plan_goes_to_tasks_without_command() -> None:
    plan = load_plan(
        b"defaults: {agent: coder}\ntasks:\n- {id: a, instructions: x}\n- {id: b, command: x}\n", "p.yaml", CONFIG
    )
    assert [task.agent for task in plan.tasks] == ["coder", None]


@pytest.mark.parametrize(("name", "wanted"), [("work/my plan.yaml", "my plan"), ("-", "plan"), (".yaml", ".yaml")])
def test_a_plan_without_name_takes_the_name_of_its_file(name: str, wanted: str) -> None:
    assert load_plan(b"tasks:\n- {id: a, command: x}\n", name, CONFIG).name == wanted


def test_a_minimal_task_file_runs_as_it_is() -> None:
    plan = load_plan((TASK_FILES / "local-smoke.json").read_bytes(), "local-smoke.json", CONFIG)
    assert plan.name == "local smoke"
    assert [(task.id, task.name, task.scope, task.expected_artifacts) for task in plan.tasks] == [
        ("lint", "Lint", (), ("log",))
    ]


def test_a_minimal_task_file_needs_an_agent() -> None:
    with pytest.raises(GitfleetError) as caught:
        load_plan((TASK_FILES / "local-smoke.json").read_bytes(), "t.json", load_config(None, ""))
    assert [problem.message for problem in caught.value.problems] == ["task `lint` has no command and no agent"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("release-triage", ["scorer", "expected_artifacts: report", "expected_artifacts: receipt"]),
        ("review-swarm", ["scorer", "expected_artifacts: report", "expected_artifacts: receipt"]),
    ],
)
def test_long_task_files_are_refused_with_every_field_that_is_not_built(name: str, fields: list[str]) -> None:
    data = (TASK_FILES / f"{name}.json").read_bytes()
    config = load_config(
        b"agent: a\nagents: {a: {kind: claude, capabilities: [github, release, rust, cli]}}\n", "c.yaml"
    )
    with pytest.raises(GitfleetError) as caught:
        load_plan(data, f"{name}.json", config)
    error = caught.value
    assert "is not built yet" in error.message
    for named in fields:
        assert f"`{named}`" in error.message
    tasks = json.loads(data)["tasks"]
    assert {problem.message for problem in error.problems} == {f"`{named}` is not built yet" for named in fields}
    lines = data.decode().split("\n")
    for problem in error.problems:
        assert problem.line is not None
        assert problem.column is not None
        word = problem.message.split("`")[1].split(": ")[-1].split(".")[-1]
        assert lines[problem.line - 1][problem.column - 1 :].startswith(f'"{word}"')
    for index in range(len(tasks)):
        assert any(problem.path.startswith(f"tasks[{index}].scorer") for problem in error.problems)


def test_shape_and_meaning_are_told_in_one_answer() -> None:
    error = refused(
        b"""\
name: x
tasks:
  - id: A
    scop: [src]
    instructions: do
  - id: b
    command: yes
    depends_on: [c, A, b]
    scope: [../x, .git/hooks, .planning/x, /etc, ""]
  - id: b
    command: 5
    timeout_seconds: 0
    agent: coder2
""",
        fold=False,
    )
    told = {(problem.line, problem.message.split(":")[0]) for problem in error.problems}
    assert told == {
        (3, "`A` has the wrong form"),
        (4, "unknown field `scop`"),
        (8, "unknown dependency `c`"),
        (8, "the tasks wait for each other"),
        (9, "bad entry `../x`"),
        (9, "bad entry `.git/hooks`"),
        (9, "bad entry `.planning/x`"),
        (9, "bad entry `/etc`"),
        (9, "bad entry ``"),
        (10, "the id `b` is given twice, first in tasks[1]"),
        (11, "found the value 5"),
        (12, "0 is out of range"),
        (13, "unknown agent `coder2`"),
    }
    hints = {problem.message: problem.hint for problem in error.problems}
    assert hints["unknown field `scop`"] == "did you mean `scope`?"
    assert hints["found the value 5"] == "put it in quotes"
    assert hints["unknown agent `coder2`"] == "did you mean `coder`?"


def test_problems_stand_where_people_wrote_the_value() -> None:
    error = refused(
        b"""\
tasks:
  - id: a
    command: x
    workspace: {writable_paths: [ok, ../no]}
    deps: [zz]
  - {id: c, command: x, scope: "../no (read-only)"}
"""
    )
    assert places(error) == [
        (4, 38, "tasks[0].workspace.writable_paths[1]"),
        (5, 12, "tasks[0].deps[0]"),
        (6, 32, "tasks[1].scope"),
    ]


def test_two_names_of_one_field_are_refused() -> None:
    error = refused(
        b"tasks:\n- {id: a, command: x, scope: [a], workspace: {writable_paths: [b]}}\n"
        b"- {id: b, command: x, deps: [a], depends_on: [a]}\n"
    )
    assert [problem.message for problem in error.problems] == [
        "`scope` and `workspace.writable_paths` are two names of one field",
        "`depends_on` and `deps` are two names of one field",
    ]


def test_cycles_are_named_in_full() -> None:
    error = refused(
        b"tasks:\n- {id: a, command: x, deps: [c]}\n- {id: b, command: x, deps: [a]}\n"
        b"- {id: c, command: x, deps: [b]}\n"
        b"- {id: d, command: x, deps: [d]}\n"
    )
    assert [problem.message for problem in error.problems] == [
        "the tasks wait for each other: a -> c -> b -> a",
        "the tasks wait for each other: d -> d",
    ]


def test_two_spellings_matter_where_case_is_ignored() -> None:
    data = b"tasks:\n- {id: a, command: x, scope: [SRC/ui]}\n- {id: b, command: x, scope: [src/api, SRC/UI]}\n"
    assert len(load_plan(data, "p.yaml", CONFIG).tasks) == 2
    error = refused(data, fold=True)
    assert [(problem.path, problem.message.partition(" are")[0]) for problem in error.problems] == [
        ("tasks[1].scope[0]", "`src` and `SRC`"),
        ("tasks[1].scope[1]", "`SRC/UI` and `SRC/ui`"),
    ]


def test_dependencies_outside_the_plan_are_known() -> None:
    data = b"tasks:\n- {id: b, command: x, deps: [a]}\n"
    assert load_plan(data, "p.yaml", CONFIG, outside=frozenset({"a"})).tasks[0].depends_on == ("a",)
    with pytest.raises(GitfleetError, match="cannot be used"):
        load_plan(data, "p.yaml", CONFIG, outside=frozenset({"a", "b"}))


@pytest.mark.parametrize(
    ("data", "name", "place", "message"),
    [
        (b'{"tasks": [{"id": "a", "command": "x",}]}', "p.json", (1, 39, ""), "not valid JSON"),
        (b'{"tasks":\n [{"id": "a",\n  "id": "b", "command": "x"}]}', "p.json", (3, 3, "tasks[0].id"), "given twice"),
        (b'{"tasks": NaN}', "p.json", (None, None, ""), "NaN"),
        (b"tasks:\n- id: a\n  id: b\n  command: x\n", "p.yaml", (3, 3, "tasks[0].id"), "given twice, first in line 2"),
        (b"tasks:\n- id: 'a\n", "p.yaml", (3, 1, ""), "not valid YAML"),
        (b"tasks:\n- {id: a, command: !!python/name:os.system x}", "p.yaml", (2, 20, "tasks[0].command"), "the tag"),
        (b"a: &x [*x]", "p.yaml", (1, 8, ""), "contains itself"),
        (b"a: *x", "p.yaml", (1, 4, ""), "no anchor"),
        (b"tasks: []\n---\na: b\n", "p.yaml", (2, 1, ""), "a second document"),
        (b"- a\n", "p.yaml", (1, 1, ""), "found a list"),
        (b"", "p.yaml", (None, None, ""), "found nothing"),
        (b"tasks: []\n", "p.yaml", (1, 8, "tasks"), "is empty"),
        (b"name: x\n", "p.yaml", (1, 1, "tasks"), "`tasks` is missing"),
        (b"tasks = [\n", "p.toml", (None, None, ""), "not valid TOML"),
        (b"tasks = 3 x\n", "p.toml", (1, 11, ""), "not valid TOML"),
        (b"a\nb\xff", "p.yaml", (2, 2, ""), "byte 0xff is not UTF-8"),
        (b"a\n\0", "p.yaml", (2, 1, ""), "NUL"),
        (b'{"tasks": [{"id": "a", "command": "a\\u0000b"}]}', "p.json", (1, 35, "tasks[0].command"), "NUL"),
        (b'{"tasks": [{"id": "a", "command": "\\ud800"}]}', "p.json", (1, 35, "tasks[0].command"), "surrogate"),
        (b"\xff\xfea\0", "p.yaml", (1, 1, ""), "UTF-8"),
        (b"[" * 100_000, "p.json", (None, None, ""), "deeply"),
        (b"[" * 100_000, "p.yaml", (1, 42, ""), "deeply"),
        (b"a = " + b"[" * 100_000, "p.toml", (None, None, ""), "deeply"),
        (b"x" * (1 << 21), "p.yaml", (None, None, ""), "2097152 bytes"),
        (b"just words", "p.md", (None, None, ""), "no task was found"),
        (b"---\na: b\n", "p.md", (1, 1, ""), "not closed"),
    ],
)
def test_documents_that_cannot_be_read(
    data: bytes, name: str, place: tuple[int | None, int | None, str], message: str
) -> None:
    error = refused(data, name)
    assert message in error.problems[0].message
    assert (error.problems[0].line, error.problems[0].column, error.problems[0].path) == place


def test_a_bomb_of_aliases_is_refused_and_a_plain_alias_is_read() -> None:
    levels = "\n".join(f"l{at}: &l{at} [{', '.join([f'*l{at - 1}'] * 9)}]" for at in range(1, 9))
    error = refused(f"l0: &l0 [x, x]\n{levels}\n".encode())
    assert "expand to too much" in error.problems[0].message
    text = "t: &t '" + "x" * 100_000 + "'\nu: [" + ", ".join(["*t"] * 200) + "]\n"
    assert "expand to too much" in refused(text.encode()).problems[0].message
    plan = load_plan(b"tasks:\n- {id: a, command: x, scope: &s [src]}\n- {id: b, command: x, scope: *s}\n", "p", CONFIG)
    assert plan.tasks[1].scope == ("src",)


def test_toml_problems_have_a_line() -> None:
    error = refused(b"[[tasks]]\nid = 'a'\ncommand = '''\nbogus = 1\n'''\n[[tasks]]\nid = 'b'\nbogus = 1\n", "p.toml")
    assert [(problem.line, problem.path) for problem in error.problems] == [(8, "tasks[1].bogus")]
    error = refused(
        b"[[tasks]]\nid = 'a'\ncommand = 'x'\n  [tasks.workspace]\n  root = 'x'\n[workers]\na = 1\n", "p.toml"
    )
    assert [(problem.line, problem.column, problem.path) for problem in error.problems] == [
        (5, 3, "tasks[0].workspace.root"),
        (6, 1, "workers"),
    ]


TABLE = """\
# Fleet Session: auth
Direction: Move to JWT

## Work Queue
| # | Campaign | Scope | Deps | Status | Wave | Agent |
|---|----------|-------|------|--------|------|-------|
| 1 | API auth | src/api/auth/ | none | complete | 1 | - |
| 2 | frontend | `src/ui/`, src/a\\|b (read-only) | — | pending | 1 | coder |
| 3 | Integration | src/api/,src/wiring/ | 1, frontend |  | 2 | - |

## Integration
verify: make check

Wire it up.

## Remarks
Nothing.
"""


def test_a_work_queue_table_is_a_plan() -> None:
    loaded = load_plan_with_notes(TABLE.encode(), "session.md", CONFIG)
    plan = loaded.plan
    assert plan.name == "Fleet Session: auth"
    assert plan.direction == "Move to JWT"
    front, wire = plan.tasks
    assert (front.id, front.agent, front.priority) == ("frontend", "coder", 1)
    assert (front.scope, front.reads) == (("src/ui/",), ("src/a|b",))
    assert front.instructions == "frontend"
    assert (wire.id, wire.name, wire.depends_on, wire.priority) == ("integration", "Integration", ("frontend",), 2)
    assert wire.scope == ("src/api/", "src/wiring/")
    assert wire.instructions == "Wire it up."
    assert wire.verify == (Check(run="make check"),)
    assert [note for note in loaded.notes if "api-auth" in note] == ["`api-auth` is complete and is left out"]
    assert any("Remarks" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("| Status |", "| Statu |", "unknown column `statu`", 5),
        ("| pending |", "| maybe |", "unknown status `maybe`", 8),
        ("| 3 |", "| 2 |", "row number 2 is given twice, first in line 8", 9),
        ("1, frontend", "1, 7", "unknown dependency `7`", 9),
        ("| coder |", "| coder | x |", "the row has 8 cells", 8),
        ("verify: make check", "scorer: high", "`scorer` is not built yet", 12),
        ("verify: make check", "scop: x", "unknown field `scop`", 12),
        ("verify: make check", "scope: x", "`scope` is given twice, first in line 9", 12),
        ("src/wiring/", "../wiring/", "bad entry `../wiring/`: `..` is not allowed in a scope", 9),
    ],
)
def test_a_wrong_table_says_where(old: str, new: str, message: str, line: int) -> None:
    assert old in TABLE
    error = refused(TABLE.replace(old, new).encode(), "p.md")
    assert [(problem.message, problem.line) for problem in error.problems] == [(message, line)]


def test_a_table_of_finished_rows_leaves_nothing_to_run() -> None:
    table = "| Campaign | Status |\n|---|---|\n| a | complete |\n| b | done |\n"
    assert "complete already" in refused(table.encode(), "p.md").problems[0].message


def test_sections_name_numbers_titles_and_keep_prose_word_for_word() -> None:
    plan = load_plan(
        b"""\
# P

## 1. API auth
scope: src/api/

Do it.

```sh
scope: not a field
## not a heading
```

### Part
More.

## ui: Build login
deps: 1
Note: carefully.
""",
        "p.md",
        CONFIG,
    )
    api, ui = plan.tasks
    assert (api.id, api.name) == ("api-auth", "API auth")
    assert api.instructions == "Do it.\n\n```sh\nscope: not a field\n## not a heading\n```\n\n### Part\nMore."
    assert (ui.id, ui.name, ui.depends_on) == ("ui", "Build login", ("api-auth",))
    assert ui.instructions == "Note: carefully."


def test_a_field_behind_prose_is_not_swallowed() -> None:
    error = refused(b"## a\nDo it.\n\nscope: src/\n", "p.md")
    assert [(problem.message, problem.line) for problem in error.problems] == [("`scope:` stands behind prose", 4)]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("{id: a}", "task `a` has nothing to do"),
        ("{id: a, instructions: '  '}", "task `a` has nothing to do"),
        ("{id: a, command: '  '}", "the command is blank"),
        ("{id: a, command: x, agent: coder}", "task `a` has a command and names an agent"),
        ("{id: a..b, command: x}", "`a..b` cannot be part of a branch name"),
        ("{id: a.lock, command: x}", "`a.lock` cannot be part of a branch name"),
        ("{id: a., command: x}", "`a.` cannot be part of a branch name"),
        ("{id: a/b, command: x}", "`a/b` has the wrong form"),
        ('{id: a, command: x, name: "a\\nb"}', "the name has line breaks or control characters"),
        ("{id: a, command: x, scope: ['!src']}", "the scope only excludes"),
        ("{id: a, command: x, verify: [{run: ' '}]}", "the command is blank"),
        ("{id: a, command: x, verify: [{}]}", "`run` is missing"),
        ("{id: a, command: x, kind: bild}", "`bild` is not a choice"),
        ("{id: a, command: x, priority: high}", "found the text `high`"),
        ("{id: a, command: x, deps: [b, b]}", "the dependency `b` is given twice"),
        ("{id: a, command: x, estimate: {minutes: 0}}", "0 is out of range"),
        ("{id: a, command: x, estimate: {tokens: 1.5}}", "found the value 1.5"),
        ("{id: a, command: x, prompt: y}", "unknown field `prompt`"),
        ("{id: a, command: x, scorer: {}}", "`scorer` is not built yet"),
        ("{id: a, command: x, worker: {rolle: y}}", "unknown field `rolle`"),
        ("{id: a, command: x, expected_artifacts: [lgo]}", "`lgo` is not a choice"),
        ("5", "found the value 5"),
    ],
)
def test_a_wrong_task_is_told_once(task: str, message: str) -> None:
    error = refused(f"tasks:\n- {task}\n- {{id: b, command: x}}\n".encode())
    assert [problem.message for problem in error.problems] == [message]
    assert error.problems[0].line == 2


def test_hints_name_what_was_meant() -> None:
    hints = {
        "dependencies": "did you mean `depends_on`?",
        "prompt": "did you mean `instructions`?",
        "instruction": "did you mean `instructions`?",
        "timout_seconds": "did you mean `timeout_seconds`?",
    }
    for field, hint in hints.items():
        assert refused(f"tasks:\n- {{id: a, command: x, {field}: y}}\n".encode()).problems[0].hint == hint


def test_a_long_chain_is_no_cycle() -> None:
    tasks = "\n".join(f"- {{id: t{at}, command: x, deps: [{f't{at + 1}' if at < 1500 else ''}]}}" for at in range(1501))
    plan = load_plan(f"tasks:\n{tasks}\n".encode(), "p.yaml", CONFIG)
    assert isinstance(plan, Plan)
    assert len(plan.tasks) == 1501


@pytest.mark.parametrize("name", ["plan.json", "plan.yaml"])
def test_json_escapes_of_an_emoji_are_one_character_in_either_format(name: str) -> None:
    data = json.dumps({"name": "ship \U0001f600", "tasks": [{"id": "a", "command": "true", "scope": ["a"]}]})
    assert "\\ud83d\\ude00" in data
    assert load_plan(data.encode(), name, CONFIG).name == "ship \U0001f600"

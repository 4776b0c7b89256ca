"""What gitfleet writes into people's documents: canonical plans and configs, and changes that keep comments."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.app.load import load_config, load_plan
from gitfleet.errors import GitfleetError
from gitfleet.model.agent_config import AgentConfig, EnvironmentConfig
from gitfleet.model.config import Config, PlanningConfig, Publish, WavesConfig
from gitfleet.model.plan import Check, Estimate, Plan, Task, TaskKind
from gitfleet.model.plan_document import PlanDocument, TaskDocument
from gitfleet.model.verify_config import VerifyConfig
from gitfleet.store.documents.configs import REMOVE, edit_config, write_config
from gitfleet.store.documents.emit import emit
from gitfleet.store.documents.plans import normalise, write_plan
from gitfleet.store.documents.reading import read
from gitfleet.store.documents.source import Json, Source
from gitfleet.store.documents.validation import problems_of

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
LINES = st.lists(st.text(st.sampled_from("ab :#-'\"\t{|>&*!%@`\\"), max_size=8), max_size=5).map("\n".join)
PROSE = (
    TEXT
    | LINES
    | st.sampled_from(["yes", "null", "1", "0x1f", "1e3", "~", "- a", "a: b", "a #b", "a\n", "a\n\n", "\na", " a\nb"])
)
CHECKS = st.builds(Check, run=PROSE.filter(bool), name=PROSE, timeout_seconds=st.none() | st.integers(1, 9))
TASKS = st.builds(
    Task,
    id=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,5}", fullmatch=True),
    name=PROSE,
    objective=PROSE,
    instructions=PROSE,
    command=st.none() | PROSE.filter(bool),
    scope=st.lists(PROSE, max_size=3).map(tuple),
    reads=st.lists(PROSE, max_size=2).map(tuple),
    depends_on=st.lists(PROSE, max_size=2).map(tuple),
    kind=st.sampled_from(TaskKind),
    agent=st.none() | PROSE,
    verify=st.lists(CHECKS, max_size=2).map(tuple),
    priority=st.integers(-5, 5),
    estimate=st.none()
    | st.builds(Estimate, tokens=st.none() | st.integers(0, 9), minutes=st.none() | st.floats(0.1, 1e9)),
    timeout_seconds=st.none() | st.integers(1, 10**9),
    context=st.lists(PROSE, max_size=2).map(tuple),
    expected_artifacts=st.sampled_from([(), ("log",)]),
)
PLANS = st.builds(
    Plan,
    name=PROSE.map(str.strip).filter(bool),
    direction=PROSE,
    tasks=st.lists(TASKS, min_size=1, max_size=3).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(PLANS)
def test_an_accepted_plan_reads_back_equal(plan: Plan) -> None:
    source = read(write_plan(plan), "plan.yaml")
    assert isinstance(source, Source)
    assert problems_of("plan", source) == []
    assert normalise(source, source.data).plan == plan


def test_a_canonical_plan_reads_well() -> None:
    plan = Plan(
        name="auth refactor",
        tasks=(
            Task(id="api-auth", instructions="Add it.\nTest it.\n", scope=("src/api/", "!src/api/gen/")),
            Task(id="log", command="true", depends_on=("api-auth",), verify=(Check(run="pytest -q"),)),
        ),
    )
    assert write_plan(plan).decode() == (
        "schema: gitfleet/plan/v1\n"
        "name: auth refactor\n"
        "tasks:\n"
        "  - id: api-auth\n"
        "    instructions: |\n"
        "      Add it.\n"
        "      Test it.\n"
        '    scope: [src/api/, "!src/api/gen/"]\n'
        "  - id: log\n"
        '    command: "true"\n'
        "    depends_on: [api-auth]\n"
        "    verify:\n"
        "      - run: pytest -q\n"
    )
    config = load_config(b"agent: a\nagents: {a: {argv: [x]}}", "config.yaml")
    assert load_plan(write_plan(plan), "plan.yaml", config) == plan


def test_people_and_programs_know_the_same_fields() -> None:
    people = {field.name for field in msgspec.structs.fields(PlanDocument)} - {"schema", "defaults"}
    assert people == {field.name for field in msgspec.structs.fields(Plan)}
    assert {field.name for field in msgspec.structs.fields(TaskDocument)} - {"deps"} == {
        field.name for field in msgspec.structs.fields(Task)
    }


def test_a_config_reads_back_equal() -> None:
    config = Config(
        agent="my coder",
        agents={
            "my coder": AgentConfig(argv=("./a b", "{prompt_file}", "yes"), env=EnvironmentConfig(allow=("CI",))),
            "5": AgentConfig(argv=("x",), stdin=True),
        },
        verify=VerifyConfig(commands=(Check(run="a\nb"), Check(run="c: d #e"))),
        waves=WavesConfig(max_agents=7, rolling=True),
        planning=PlanningConfig(publish=Publish.OFF),
    )
    assert load_config(write_config(config), "config.yaml") == config
    assert load_config(write_config(Config()), "config.yaml") == Config()


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | PROSE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PROSE, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(PROSE, JSONS, max_size=4))
def test_what_is_emitted_is_read_as_it_was(data: dict[str, Json]) -> None:
    source = read(emit(data), "x.yaml")
    assert isinstance(source, Source)
    assert source.problems == []
    assert (source.data or {}) == data


CONFIG = """\
# How this repository is worked on.
schema: gitfleet/config/v1

target: main   # never release
waves:
  # not too many
  max_agents: 3  # two cores
  rolling: false
verify:
  commands:
    - run: "pytest -q"   # fast
      # the slow one
      name: tests
agents:
    coder:
        argv: [./agent, '{prompt_file}']
# the end
"""


def test_a_change_keeps_everything_around_it() -> None:
    edited = edit_config(CONFIG.encode(), {("waves", "max_agents"): 5, ("planning", "publish"): "off"}).decode()
    for line in CONFIG.splitlines():
        if "#" in line:
            assert line.split("#")[1] in edited
    config = load_config(edited.encode(), "config.yaml")
    assert config.waves.max_agents == 5
    assert config.planning.publish is Publish.OFF
    assert '"pytest -q"' in edited
    assert "'{prompt_file}'" in edited


def test_a_key_is_removed_and_a_missing_one_is_no_change() -> None:
    edited = edit_config(CONFIG.encode(), {("waves", "rolling"): REMOVE, ("pool", "keep"): REMOVE})
    assert b"rolling" not in edited
    assert edit_config(CONFIG.encode(), {("pool", "keep"): REMOVE}) == CONFIG.encode()
    assert edit_config(CONFIG.encode(), {("target",): "main"}) == CONFIG.encode()


def test_a_file_of_comments_or_none_is_begun() -> None:
    assert edit_config(b"# mine\n", {("agent",): "a"}) == b"# mine\nagent: a\n"
    assert edit_config(b"", {("waves", "rolling"): True}) == b"waves:\n  rolling: true\n"


@pytest.mark.parametrize("data", [b"- a\n", b"a: [", b"\xff", b"waves: 3\n", b"a: 1\na: 2\n"])
def test_what_cannot_be_changed_is_refused(data: bytes) -> None:
    with pytest.raises(GitfleetError) as caught:
        edit_config(data, {("waves", "max_agents"): 3})
    assert caught.value.code == "invalid-config"


COMMENT = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9), COMMENT, COMMENT),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    st.sampled_from("abcdefghij"),
    st.integers(10, 99),
)
def test_comments_survive_every_change(rows: list[tuple[str, int, str, str]], key: str, value: int) -> None:
    text = "".join(
        f"# {above}\n{name}:\n  # {beside}\n  x: {number}  # {beside}\n" for name, number, above, beside in rows
    )
    edited = edit_config(text.encode(), {(key, "x"): value}).decode()
    for name, number, above, beside in rows:
        assert f"# {above}\n" in edited
        shown = value if name == key else number
        assert re.search(rf"^  # {beside}\n  x: {shown} +# {beside}$", edited, re.MULTILINE)

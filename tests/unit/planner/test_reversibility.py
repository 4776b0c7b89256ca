from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.model.config import Config
from gitfleet.model.plan import Plan, Task
from gitfleet.model.session import Reversibility
from gitfleet.planner import reversibility as grading
from gitfleet.planner.reversibility import reversibility, shared_kind
from gitfleet.planner.scopes import Scope
from gitfleet.planner.waves import schedule
from tests.support.steps import steps

TRACKED = (b"src/a.py", b"web/package-lock.json", b"app/db/migrations/1.sql", b"ops/Dockerfile.dev", b"a\xff")


def grade(*scopes: list[str], tracked: tuple[bytes, ...] = (), fold: bool = False) -> tuple[Reversibility, str]:
    tasks = tuple(Task(id=f"t{number}", command="x", scope=tuple(scope)) for number, scope in enumerate(scopes))
    found = schedule(Plan(name="p", tasks=tasks), Config())
    return reversibility(found, tasks, tracked, fold=fold)


def test_one_small_wave_is_green() -> None:
    assert grade(["src"], ["docs"]) == (Reversibility.GREEN, "1 wave, 2 agents")
    assert grade([]) == (Reversibility.GREEN, "1 wave, 1 agent")


def test_more_is_amber() -> None:
    assert grade(["a"], ["b"], ["c"]) == (
        Reversibility.AMBER,
        "1 wave, 3 agents",
    )
    assert grade(["a"], ["a"])[0] is Reversibility.AMBER


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (["."], "t0 may write everything, shared infrastructure included (its scope is `.`)"),
        ([".github"], "t0 may write CI (.github/workflows)"),
        ([".github/workflows/*.yml"], "t0 may write CI (.github/workflows/x.yml)"),
        (["*.json"], "t0 may write lock files (package-lock.json)"),
        (["src", "**/Dockerfile"], "t0 may write containers (Dockerfile)"),
        (["x/Dockerfile.dev"], "t0 may write containers (x/Dockerfile.dev)"),
        (["x/uv.lock"], "t0 may write lock files (x/uv.lock)"),
        (["app/db/migrations"], "t0 may write migrations (app/db/migrations)"),
        (["app/db/migrations/*.sql"], "t0 may write migrations (app/db/migrations/*.sql)"),
        (["db/migrate/1.rb"], "t0 may write migrations (db/migrate/1.rb)"),
        (["docker-compose.test.yml"], "t0 may write containers (docker-compose.test.yml)"),
    ],
)
def test_shared_infrastructure_is_red_with_the_place(scope: list[str], reason: str) -> None:
    assert grade(scope) == (Reversibility.RED, reason)


@pytest.mark.parametrize(
    "scope",
    [
        ["src"],
        ["**/*.css"],
        ["src/**/*.py", "docs"],
        [".github/ISSUE_TEMPLATE"],
        [".github", "!.github/workflows", "!.github/actions"],
        [".github/workflows/ci.yml", "!.github/workflows"],
    ],
)
def test_what_only_could_come_to_hold_such_a_thing_is_not(scope: list[str]) -> None:
    assert grade(scope)[0] is Reversibility.GREEN


def test_tracked_files_make_a_directory_red() -> None:
    assert grade(["web"], tracked=TRACKED) == (
        Reversibility.RED,
        "t0 may write lock files (web/package-lock.json)",
    )
    assert grade(["app", "ops", "web"], ["src"], tracked=TRACKED)[1] == (
        "t0 may write lock files (web/package-lock.json), migrations (app/db/migrations/1.sql), "
        "containers (ops/Dockerfile.dev)"
    )
    assert grade(["web", "!web/*.json"], tracked=TRACKED)[0] is Reversibility.GREEN


def test_names_fold_where_the_repository_folds_them() -> None:
    assert grade(["jenkinsFILE"])[0] is Reversibility.GREEN
    assert grade(["jenkinsFILE"], fold=True) == (Reversibility.RED, "t0 may write CI (Jenkinsfile)")
    assert grade([".GitHub/Workflows/x"], fold=True)[0] is Reversibility.RED


def test_scopes_after_symlinks_count() -> None:
    tasks = (Task(id="a", command="x", scope=("link",)),)
    found = schedule(Plan(name="p", tasks=tasks), Config())
    assert reversibility(found, tasks, scopes={"a": Scope.parse([".ci/run"])})[0] is Reversibility.RED


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"src/a.py", None),
        (b".github/workflows/ci.yml", "CI"),
        (b"x/.github/workflows/ci.yml", None),
        (b".gitlab/ci", "CI"),
        (b".gitlab/other", None),
        (b"db/migrate/1.rb", "migrations"),
        (b"x/db/migrate/1.rb", None),
        (b"a/b/go.sum", "lock files"),
        (b"alembic/versions/1.py", "migrations"),
        (b"x/.devcontainer/y", "containers"),
        (b"compose.prod.yaml", "containers"),
    ],
)
def test_kinds_of_tracked_paths(path: bytes, kind: str | None) -> None:
    assert shared_kind(path) == kind


ENTRIES = st.sampled_from(
    ["src", ".", "*", "**/Dockerfile", "*.json", ".github/*/x.yml", "Ops", "a?b/uv.lock", "!ops", "a", "DB/migrate/1"]
)
PATHS = st.sampled_from(
    [*TRACKED, b"ops/\xff/uv.lock", b"a*b/uv.lock", b"OPS/Dockerfile", b".planning/uv.lock", b"x/" * 2100 + b"uv.lock"]
)


@given(st.lists(st.lists(ENTRIES, max_size=3), min_size=1, max_size=4), st.lists(PATHS), st.booleans())
def test_what_is_not_near_a_scope_is_not_in_it(
    scopes: list[list[str]],
    tracked: list[bytes],
    fold: bool,  # noqa: FBT001
) -> None:
    found = grade(*scopes, tracked=tuple(tracked), fold=fold)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "_near", lambda _, filed, **__: sorted(filed.near(grading._entry(b"."))))
        assert grade(*scopes, tracked=tuple(tracked), fold=fold) == found


def test_twice_as_many_tasks_and_shared_paths_are_twice_as_many_steps() -> None:
    def cost(many: int) -> int:
        tasks = tuple(Task(id=f"t{n}", command="x", scope=(f"f{n}",)) for n in range(many))
        placed = schedule(Plan(name="p", tasks=tasks), Config())
        tracked = [b"g%d/Dockerfile" % n for n in range(many)]
        return steps(lambda: reversibility(placed, tasks, tracked))

    cost(1)
    assert cost(100) < 2.2 * cost(50)

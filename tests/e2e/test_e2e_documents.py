"""What a real session leaves behind: valid against the shipped schemas, and fit to be published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from gitfleet.store.documents.front_matter import parse_facts
from tests.support.sessions import common_dir, config_of, plan_of, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.fleet import FleetEnv

SCHEMAS = Path(__file__).parents[2] / "schemas"
# Which schema a file answers to; what matches none is text for people, a lock, or a log.
KINDS = (
    (r"config\.yaml|sessions/[^/]+/config\.yaml", "config"),
    (r"sessions/[^/]+/plan(\.\d+)?\.yaml", "plan"),
    (r"sessions/[^/]+/session\.md", "session"),
    (r"sessions/[^/]+/runs/[^/]+\.json", "run"),
    (r"discoveries/[^/]+/[^/]+\.json", "discoveries"),
    (r"momentum/[^/]+\.json", "momentum"),
    (r"claims/[^/]+\.json", "claim"),
)
TALK = (
    "pwd; echo $HOME $TMPDIR $GITFLEET_PROMPT; git rev-parse --absolute-git-dir; echo $LOCAL_DSN;"
    ' printf \'{"built":["in %s"],"failures":["%s and %s"],"discoveries":[{"fact":"%s/x","paths":["%s/a"]}]}\''
    ' "$PWD" "$HOME/x" "$TMPDIR/y" "$PWD" "$PWD" > $GITFLEET_HANDOFF; '
)
BRACED = TALK.replace("{", "{{").replace("}", "}}")
DSN = "db://ada:open-sesame@example/x"


def read(path: Path) -> Any:  # noqa: ANN401 - a document of any kind
    if path.suffix == ".md":
        return parse_facts(path.read_bytes())[0]
    if path.suffix == ".yaml":
        return json.loads(json.dumps(YAML(typ="safe").load(path.read_text())))
    return json.loads(path.read_text())


def documents(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        kind = next((kind for pattern, kind in KINDS if re.fullmatch(pattern, name)), None)
        if kind is not None and path.is_file():
            yield kind, path


def valid(kind: str, data: object) -> list[str]:
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    return [error.message for error in Draft202012Validator(schema).iter_errors(data)]


@pytest.mark.leaves_worktrees("runs that failed keep their trees")
def test_everything_a_session_wrote_is_valid_and_public(fleet: FleetEnv) -> None:
    fleet.variables["LOCAL_DSN"] = DSN
    repo = fleet.repo()
    agent = {
        "argv": ["sh", "-c", BRACED + "echo x > agent"],
        "env": {"allow": ["LOCAL_DSN"]},
    }
    fleet.config(repo, config_of(["pwd; echo $HOME $TMPDIR"], agents={"talker": agent}, agent="talker"))
    point = fleet.point("inside")
    plan = plan_of(
        {"id": "told", "instructions": "Talk.", "scope": ["agent"]},
        task("lands", TALK + "echo x > lands", ["lands"], verify=[{"run": "pwd; echo $HOME; env"}]),
        task("fails", TALK + f"{point.shell}; exit 3", ["f"]),
        task("red", TALK + "echo x > red", ["red"], verify=[{"run": "pwd; echo $HOME/.config $TMPDIR/z; exit 1"}]),
        task("strays", TALK + "echo x > other; ln -s $HOME link", ["in"]),
    )
    session = fleet.start("wave", fleet.plan(plan), "--yes", "--max-agents", "5")
    point.wait()
    state = common_dir(fleet, repo) / "gitfleet/state"
    claims = [valid(kind, read(path)) for kind, path in documents(state) if kind == "claim"]
    point.release()
    fleet.finish(session).ok(1)

    assert claims
    assert not any(claims)
    for root in (repo / ".planning", state):
        found = list(documents(root))
        assert {kind for kind, _ in found} >= {"config", "plan", "session", "run", "discoveries", "momentum"}
        assert {path.name: errors for kind, path in found if (errors := valid(kind, read(path)))} == {}
    journal = next((common_dir(fleet, repo) / "gitfleet/journal").glob("*.jsonl"))
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert events
    assert [errors for event in events if (errors := valid("event", event))] == []

    # The plan and the config are people's words and are published as they are; the rest is gitfleet's.
    published = [path for path in (repo / ".planning").rglob("*") if path.is_file() and path.suffix in {".json", ".md"}]
    records = {path: path.read_text() for path in published if "live" not in path.relative_to(repo).parts}
    assert len(records) > 10
    private = (str(fleet.root), fleet.environ["HOME"], DSN, "open-sesame", "/gitfleet-")
    for path, text in records.items():
        assert not [word for word in private if word in text.replace("<tmp>/gitfleet-", "")], (path, text)
    (told,) = (text for path, text in records.items() if path.name == "told.json" and path.parent.name == "runs")
    assert "~/x" in told
    assert "<worktrees>/" in told

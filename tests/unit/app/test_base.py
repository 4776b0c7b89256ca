"""Which checks the work of a plan may call for."""

from __future__ import annotations

from gitfleet.app.sessions.base import applying
from gitfleet.model.config import Config
from gitfleet.model.plan import Check
from gitfleet.model.verify_config import VerifyConfig
from gitfleet.planner.scopes import Scope


def test_a_check_whose_paths_no_task_may_write_says_nothing_about_a_start() -> None:
    always, docs, code = Check(run="a"), Check(run="d", when=("docs/",)), Check(run="c", when=("src/**/*.py",))
    config = Config(verify=VerifyConfig(commands=(always, docs, code)))
    assert applying(config, [Scope.parse(["src/api/"])], fold=False) == (always, code)
    assert applying(config, [Scope.parse(["docs/guide.md"]), Scope.parse([])], fold=False) == (always, docs)
    assert applying(config, [], fold=False) == (always,)

"""Nothing that is accepted is unenforced: every schema field and every option names the test that shows what it does.

The registry is ``behaviours.toml``: tests, and what each of them holds. Here the schemas and the command line are
walked; what no test claims, and what a test claims without even naming it, is a failure.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest

from gitfleet.cli.root import GROUP

ROOT = Path(__file__).parents[2]
REGISTRY: dict[str, dict[str, str]] = tomllib.loads((Path(__file__).parent / "behaviours.toml").read_text())


def fields() -> set[str]:
    """Every property of every struct in the schemas, such as ``Run.tip``; a document's own are under its file."""
    found = set()
    for path in (ROOT / "schemas").glob("*.schema.json"):
        schema = json.loads(path.read_text())
        structs = {path.name.split(".")[0]: schema, **schema.get("$defs", {})}
        for name, struct in structs.items():
            found |= {f"{name}.{field}" for field in struct.get("properties", {})}
    return found


def options() -> set[str]:
    """Every option of every command, such as ``wave --target``, by its longest spelling."""
    found = set()
    root = click.Context(GROUP, info_name="gitfleet", **GROUP.context_settings)
    for name in GROUP.list_commands(root):
        command = GROUP.get_command(root, name)
        assert command is not None
        below = command.commands.items() if isinstance(command, click.Group) else ()
        for words, one in ((name, command), *((f"{name} {word}", inner) for word, inner in below)):
            for parameter in one.params:
                if isinstance(parameter, click.Option):
                    found.add(f"{words} {max(parameter.opts, key=len)}")
    return found


def claims() -> dict[str, list[str]]:
    """What is registered, with the tests that hold it."""
    found: dict[str, list[str]] = {}
    for test, held in REGISTRY.items():
        for struct, names in held.items():
            for name in names.split():
                key = f"{struct} {name}" if name.startswith("-") else f"{struct}.{name}"
                found.setdefault(key, []).append(test)
    return found


@cache
def source(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def functions(file: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.walk(ast.parse(source(file))) if isinstance(node, ast.FunctionDef))


def test_every_field_has_a_behaviour() -> None:
    missing = sorted(fields() - claims().keys())
    assert missing == []


def test_every_option_has_a_behaviour() -> None:
    missing = sorted(options() - claims().keys())
    assert missing == []


def test_nothing_is_registered_that_does_not_exist() -> None:
    assert sorted(claims().keys() - fields() - options()) == []


@pytest.mark.parametrize("test", REGISTRY)
def test_registered_tests_exist_and_name_what_they_hold(test: str) -> None:
    file, _, function = test.partition("::")
    assert function in functions(file)
    for names in REGISTRY[test].values():
        for name in names.split():
            assert re.search(rf"\b{re.escape(name.lstrip('-'))}\b", source(file)), f"{file} never names {name}"

"""Write what is generated: the references of the command line and of fields, and the matrix of real agents.

``--check`` writes nothing and fails when a page is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import agents
import click
import fields

from gitfleet.cli.root import GROUP

ROOT = Path(__file__).parents[2]
WIDTH = 100

HEAD = """# Command line

This page is generated from `--help` by `docs/tools/generate.py`; a test holds the two equal.
`gitfleet` and `git fleet` are the same program.
"""


def help_of(command: click.Command, context: click.Context) -> str:
    """Render what ``--help`` prints at a fixed width."""
    with context:
        text = command.get_help(context)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip()


def cli_reference() -> str:
    """Render the whole page: the group, then every command in its own section."""
    root = GROUP.context_class(GROUP, info_name="gitfleet", terminal_width=WIDTH, **GROUP.context_settings)
    parts = [HEAD, f"```text\n{help_of(GROUP, root)}\n```\n"]
    for name in GROUP.list_commands(root):
        command = GROUP.get_command(root, name)
        assert command is not None, name
        context = click.Context(command, info_name=name, parent=root)
        parts.append(f"## gitfleet {name}\n\n```text\n{help_of(command, context)}\n```\n")
        if isinstance(command, click.Group):
            for below, inner in command.commands.items():
                text = help_of(inner, click.Context(inner, info_name=below, parent=context))
                parts.append(f"### gitfleet {name} {below}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


GENERATED = {"docs/cli.md": cli_reference, "docs/fields.md": fields.page, "docs/agents.md": agents.page}


def main() -> int:
    """Write the pages, or with ``--check`` say which are stale; exit code 1 when one is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = 0
    for name, render in GENERATED.items():
        path = ROOT / name
        text = render()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if options.check:
            print(f"{name} is stale: run python docs/tools/generate.py")
            stale = 1
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{name} written")
    return stale


if __name__ == "__main__":
    sys.exit(main())

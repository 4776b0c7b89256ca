"""The entry point: ``gitfleet``, ``git fleet`` and ``python -m gitfleet``.

Two questions are answered before click is imported, because prompts and scripts ask them often: ``--version``, and
``status`` in its plain forms.
"""

from __future__ import annotations

import sys

# In place of the one of `typing`, whose import would be a third of what `--version` takes; type checkers know it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (the process's own unless given) and give its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args in (["--version"], ["-V"]):
        from gitfleet import __version__  # noqa: PLC0415

        sys.stdout.write(f"gitfleet {__version__}\n")
        return 0
    from gitfleet.cli.boundary import guard  # noqa: PLC0415

    return guard(lambda: _run(args), args)


def _run(args: list[str]) -> int:
    if args[:1] == ["status"]:
        from gitfleet.cli import quick  # noqa: PLC0415

        wanted = quick.parse(args[1:])
        if wanted is not None:
            return quick.run(wanted)
    from gitfleet.cli.root import run  # noqa: PLC0415

    return run(args)


if __name__ == "__main__":
    sys.exit(main())

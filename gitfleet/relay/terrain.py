"""A repository's tree in a few lines: where its files are and what they are written in. Pure, and bounded.

It says nothing of what is in the files. Directories are opened up largest first, until the lines are used up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.relay.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

LINES = 120
"""Directories that are named, at most."""

TOP_FILES = 60
"""Files at the top that are named, at most."""

_NAME = 120
_LANGUAGES = 12
_DEEPEST = 6

_SUFFIXES = {
    "C": "c h",
    "C#": "cs",
    "C++": "cc cpp cxx hpp hh",
    "CSS": "css scss less",
    "Clojure": "clj cljs",
    "Dart": "dart",
    "Elixir": "ex exs",
    "Go": "go",
    "HTML": "html htm",
    "Haskell": "hs",
    "JSON": "json",
    "Java": "java",
    "JavaScript": "js jsx mjs cjs",
    "Kotlin": "kt kts",
    "Lua": "lua",
    "Markdown": "md markdown",
    "OCaml": "ml mli",
    "PHP": "php",
    "Perl": "pl pm",
    "Protocol Buffers": "proto",
    "Python": "py pyi",
    "R": "r",
    "Ruby": "rb",
    "Rust": "rs",
    "SQL": "sql",
    "Scala": "scala",
    "Shell": "sh bash zsh",
    "Svelte": "svelte",
    "Swift": "swift",
    "TOML": "toml",
    "Terraform": "tf",
    "TypeScript": "ts tsx",
    "Vue": "vue",
    "YAML": "yaml yml",
    "Zig": "zig",
}
_LANGUAGE = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}


@dataclass(slots=True)
class _Directory:
    files: int = 0
    own: int = 0
    below: dict[str, _Directory] = field(default_factory=dict)


def terrain(paths: Iterable[bytes]) -> str:
    """Summarise tracked paths; the same paths give the same text, in whatever order they come."""
    root = _Directory()
    languages: Counter[str] = Counter()
    top = []
    for path in paths:
        *directories, name = path.decode("utf-8", "replace").split("/")
        _count(root, directories)
        languages[_language(name)] += 1
        if not directories:
            top.append(name)
    if not root.files:
        return "The repository has no files yet."
    known = sorted(((count, name) for name, count in languages.items() if name), key=lambda one: (-one[0], one[1]))
    told = ", ".join(f"{name} {count}" for count, name in known[:_LANGUAGES])
    lines = [f"{root.files} tracked files" + (f"; by suffix: {told}." if told else ".")]
    if top:
        names = ", ".join(one_line(name, _NAME) for name in sorted(top)[:TOP_FILES])
        more = f" and {len(top) - TOP_FILES} more" if len(top) > TOP_FILES else ""
        lines.append(f"At the top: {names}{more}.")
    shown = _shown(root)
    if shown:
        lines += ["", "Directories, with the tracked files below each:", ""]
        lines += [f"- {one_line(name, _NAME)}/ ({found.files})" for name, found in sorted(shown.items())]
        if len(shown) >= LINES:
            lines.append("- (more are left out)")
    return "\n".join(lines)


def _count(root: _Directory, directories: list[str]) -> None:
    root.files += 1
    place = root
    for name in directories[:_DEEPEST]:
        place = place.below.setdefault(name, _Directory())
        place.files += 1
    place.own += 1


def _language(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return _LANGUAGE.get(suffix.lower(), "") if dot and stem else ""


def _shown(root: _Directory) -> dict[str, _Directory]:
    """Open directories up, the one with most files first, while there are lines left."""
    shown: dict[str, _Directory] = {}
    waiting = [("", root)]
    while waiting and len(shown) < LINES:
        waiting.sort(key=lambda one: (-one[1].files, one[0]))
        prefix, place = waiting.pop(0)
        for name, found in sorted(place.below.items(), key=lambda one: (-one[1].files, one[0])):
            if len(shown) >= LINES:
                break
            shown[prefix + name] = found
            waiting.append((f"{prefix}{name}/", found))
    return shown

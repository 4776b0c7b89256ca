"""One task as Markdown says it: the lines of ``key: value`` at the top of its section, and how their text is read."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from gitfleet.errors import Problem
from gitfleet.model.budget import Budget
from gitfleet.model.later import later_names
from gitfleet.model.retry import RetryPolicy
from gitfleet.store.documents.source import Json, Place, Source, show

LISTS = frozenset({"scope", "reads", "deps", "depends_on", "expected_artifacts"})
RETRY = frozenset(f"retry_policy.{name}" for name in RetryPolicy.__struct_fields__)
BUDGET = frozenset(f"budget.{name}" for name in Budget.__struct_fields__)
NUMBERS = frozenset({"priority", "timeout_seconds", "estimate.tokens", "estimate.minutes"}) | RETRY | BUDGET
TEXTS = frozenset({"id", "name", "objective", "instructions", "command", "agent", "kind", "model", "effort", "status"})
KNOWN = LISTS | NUMBERS | TEXTS | {"context", "verify", "workspace.writable_paths", "retry_safe"}
DONE = frozenset({"complete", "completed", "done", "finished", "landed", "merged"})
OPEN = frozenset({"", "pending", "queued", "ready", "todo", "open", "active", "in-progress", "failed", "blocked"})

_WORDS: dict[str, Json] = {"true": True, "yes": True, "false": False, "no": False}
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_FIELD = re.compile(
    r"(?:[-*+] +)?(?:\*\*|__)?([A-Za-z][A-Za-z0-9_.]*(?:[ -][A-Za-z]+)?)(?:\*\*|__)?\s*:(?:\*\*|__)?(?:\s+(.*)|\s*)$"
)
_BULLET = re.compile(r"\s*[-*+] +(.*)$")
_NUMBERED = re.compile(r"(\d+)[.)]?\s+(.*)$")
_TITLED = re.compile(r"([a-z0-9][a-z0-9._-]{0,63}):\s+(.+)$")
_VALID_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"(?:\s*\([^)]*\))?|`[^`]*`(?:\s*\([^)]*\))?|[^,]+')
NONE = frozenset({"", "-", "--", "\u2013", "\u2014", "none", "n/a"})


@dataclass(slots=True)
class Section:
    """A ``##`` section: its heading and its lines, each with its number."""

    heading: str
    line: int
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """A task as Markdown says it, before row numbers and names in its dependencies are resolved."""

    line: int
    fields: dict[str, Json]
    places: dict[str, Place]
    number: int | None = None
    label: str = ""

    @property
    def done(self) -> bool:
        """Whether its status says that nothing is left to do."""
        return str(self.fields.get("status", "")).lower() in DONE


def items(text: str) -> list[str]:
    """Split a comma list; backticks around an item are dropped, a quoted path stays whole, ``none`` is nothing."""
    found = []
    for match in _ITEM.finditer(text.replace("<br>", ",")):
        item = match[0].strip()
        if item.startswith("`"):
            item = re.sub(r"^`([^`]*)`", r"\1", item).strip()
        if item.lower() not in NONE:
            found.append(item)
    return found


def identity(label: str) -> tuple[int | None, str, str]:
    """Read what a heading or a cell calls a task: its number if it begins with one, its id, and its title."""
    plain = re.sub(r"\*\*|__|`", "", label).strip()
    number = None
    numbered = _NUMBERED.match(plain)
    if numbered:
        number, plain = int(numbered[1][:9]), numbered[2]
    titled = _TITLED.match(plain)
    if titled:
        return number, titled[1], titled[2]
    if _VALID_ID.fullmatch(plain):
        return number, plain, ""
    return number, slug(plain), plain


def slug(text: str) -> str:
    """Make an id for a title: lower case, everything else a dash."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9._-]+", "-", text.lower())).strip("-._")[:64].rstrip("-._")


def put(draft: Draft, key: str, value: str, place: Place, bullets: list[str]) -> None:
    """Set one field of a task from its text."""
    parts = bullets or [value]
    converted: Json
    if key in LISTS or key == "workspace.writable_paths":
        converted = [item for part in parts for item in items(part)]
    elif key == "context":
        converted = [part for part in parts if part.lower() not in NONE]
    elif key == "verify":
        converted = [{"run": part.strip("`")} for part in parts if part.lower() not in NONE]
    elif key in NUMBERS:
        converted = _number(value)
    elif key == "retry_safe":
        converted = _WORDS.get(value.lower(), value)
    elif key in {"agent", "kind", "model", "effort"}:
        bare = value.strip("`")
        if bare.lower() in NONE:
            return
        converted = bare
    else:
        converted = value[1:-1] if re.fullmatch(r"`[^`]*`", value) else value
    draft.fields[key] = converted
    draft.places[key] = place


def _number(value: str) -> Json:
    """Read a number; text that is none stays, and is refused by its place."""
    if re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return float(value) if re.fullmatch(r"-?[0-9]{1,18}\.[0-9]{1,18}", value) else value


def fields_of(section: Section, draft: Draft, source: Source) -> str:
    """Read the field lines at the top of a section into ``draft``; returns the prose behind them."""
    lines = section.lines
    at = 0
    while at < len(lines):
        number, line = lines[at]
        if not line.strip():
            at += 1
            continue
        match = _FIELD.match(line)
        key = match and re.sub(r"[ -]", "_", match[1].lower())
        if match is None or key is None or not _is_field(match[1], key):
            break
        at += 1
        value = (match[2] or "").strip()
        bullets: list[str] = []
        while (
            not value and at < len(lines) and (bullet := _BULLET.match(lines[at][1])) and not _known_field(lines[at][1])
        ):
            bullets.append(bullet[1].strip())
            at += 1
        place = Place(number, line.index(match[1]) + 1)
        if key in draft.places:
            source.problems.append(
                problem_at(
                    source, place, f"`{show(key)}` is given twice, first in line {draft.places[key].line}", "keep one"
                )
            )
        put(draft, key, value, place, bullets)
    prose = lines[at:]
    _misplaced(prose, source)
    return "\n".join(line for _, line in prose).strip("\n").rstrip()


def _is_field(written: str, key: str) -> bool:
    if key in KNOWN or key in later_names("plan"):
        return True
    if written[0].isupper() or " " in written:
        return bool(difflib.get_close_matches(key, KNOWN, 1, 0.8))
    return True


def _known_field(line: str) -> bool:
    match = _FIELD.match(line)
    return match is not None and re.sub(r"[ -]", "_", match[1].lower()) in KNOWN


def _misplaced(prose: list[tuple[int, str]], source: Source) -> None:
    fence = ""
    for number, line in prose:
        fence = fenced(line, fence)
        match = None if fence else re.match(r"(scope|deps|depends_on|reads):(\s|$)", line)
        if match:
            source.problems.append(
                problem_at(
                    source, Place(number, 1), f"`{match[1]}:` stands behind prose", "move it directly below the heading"
                )
            )


def fenced(line: str, fence: str) -> str:
    """Return the fence that is open after this line."""
    match = _FENCE.match(line)
    if not match:
        return fence
    if not fence:
        return match[1]
    return "" if match[1].startswith(fence) and not line.strip().strip(fence[0]) else fence


def problem_at(source: Source, place: Place, message: str, hint: str) -> Problem:
    """Make a problem of a line."""
    return Problem(source.name, "", message, "", hint, place.line, place.column)

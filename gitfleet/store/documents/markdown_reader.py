"""A plan in Markdown: a work-queue table, or one ``##`` section per task.

A section begins with ``key: value`` lines (a list bullet or bold around the key changes nothing; a key without a value
takes the bullets below it), and what follows is the task's instructions, word for word. The first ``#`` heading names
the plan, the text below it is the plan's direction, and YAML front matter may hold plan-level fields. What is read is
put into the shape of a YAML plan, so that one schema and one set of messages serve every format.
"""

from __future__ import annotations

import re

from gitfleet.store.documents.markdown_table import read_table
from gitfleet.store.documents.markdown_task import (
    DONE,
    NONE,
    OPEN,
    Draft,
    Section,
    fenced,
    fields_of,
    identity,
    problem_at,
    slug,
)
from gitfleet.store.documents.source import BrokenError, Json, Place, Source, Trail, show

_HEADING = re.compile(r"(#{1,2})[ \t]+(.*?)[ \t]*#*[ \t]*$")


class ProseError(BrokenError):
    """There is no task in a text."""


def read_markdown(text: str, name: str) -> Source:
    """Read a plan; raises ``ProseError`` where there is no task in it."""
    source = Source(name, None, values={(): Place(1, 1)})
    lines = list(enumerate(text.replace("\r\n", "\n").split("\n"), start=1))
    plan, lines = _front_matter(lines, source)
    preamble, sections = _split(lines, plan, source)
    drafts = read_table([preamble, *sections], source)
    if drafts is None:
        drafts = [_task(section, source) for section in sections]
    if not drafts:
        raise ProseError(
            "no task was found",
            expected="a work-queue table or one `##` section per task",
            hint="free text is for `gitfleet plan` and `gitfleet wave`, which let the planner agent make tasks of it",
        )
    _direction(preamble, plan, source)
    plan["tasks"] = [*_resolve(drafts, source)]
    if not plan["tasks"]:
        raise BrokenError(
            "every task of the plan is complete already", Place(drafts[0].line), hint="nothing is left to run"
        )
    source.data = plan
    return source


def _front_matter(lines: list[tuple[int, str]], source: Source) -> tuple[dict[str, Json], list[tuple[int, str]]]:
    if not lines or lines[0][1].rstrip() != "---":
        return {}, lines
    from gitfleet.store.documents.yaml_reader import read_yaml  # noqa: PLC0415

    end = next((at for at, (_, line) in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise BrokenError("the front matter is not closed", Place(1, 1), expected="a second `---` line")
    # The empty first line keeps the line numbers of the document.
    front = read_yaml("\n" + "\n".join(line for _, line in lines[1:end]), source.name)
    if front.data is not None and not isinstance(front.data, dict):
        raise BrokenError("the front matter is not a mapping", Place(2, 1), expected="`key: value` lines")
    source.values.update(front.values)
    source.keys.update(front.keys)
    source.problems.extend(front.problems)
    plan = front.data or {}
    if "tasks" in plan:
        source.problems.append(
            source.problem(("tasks",), "tasks of a Markdown plan are its sections or its table", key=True)
        )
    return dict(plan), lines[end + 1 :]


def _split(lines: list[tuple[int, str]], plan: dict[str, Json], source: Source) -> tuple[Section, list[Section]]:
    preamble = Section("", 1)
    sections: list[Section] = []
    fence = ""
    titled = False
    for number, line in lines:
        fence = fenced(line, fence)
        match = None if fence else _HEADING.match(line)
        if match and match[1] == "##":
            sections.append(Section(match[2], number))
        elif match and not titled and not sections:
            titled = True
            if "name" not in plan:
                plan["name"] = match[2].strip()
                source.values["name",] = Place(number, 1)
        else:
            (sections[-1] if sections else preamble).lines.append((number, line))
    return preamble, sections


def _direction(preamble: Section, plan: dict[str, Json], source: Source) -> None:
    prose: list[str] = []
    for number, line in preamble.lines:
        match = re.match(r"(?:\*\*)?direction(?:\*\*)?:(?:\*\*)?\s*(.*)$", line, re.IGNORECASE)
        if line.startswith("|"):
            continue
        if match:
            source.values["direction",] = Place(number, 1)
        prose.append(match[1] if match else line)
    text = "\n".join(prose).strip()
    if text and "direction" not in plan:
        plan["direction"] = text


def _task(section: Section, source: Source) -> Draft:
    number, task_id, title = identity(section.heading)
    draft = Draft(section.line, {}, {}, number, section.heading)
    prose = fields_of(section, draft, source)
    draft.fields.setdefault("id", task_id or f"task-{section.line}")
    if title:
        draft.fields.setdefault("name", title)
    if prose:
        given = draft.fields.get("instructions")
        draft.fields["instructions"] = f"{given}\n\n{prose}" if given else prose
    return draft


def _resolve(drafts: list[Draft], source: Source) -> list[Json]:
    """Turn drafts into tasks: dependencies become ids, finished tasks fall away with a note."""
    names: dict[str, Draft] = {}
    for draft in drafts:
        for key in (str(draft.fields.get("id", "")), slug(identity(draft.label)[2] or draft.label)):
            names.setdefault(key, draft)
    for draft in drafts:
        if draft.number is not None:
            names[str(draft.number)] = draft
    tasks: list[Json] = []
    for draft in drafts:
        status = str(draft.fields.get("status", "")).lower().replace(" ", "-")
        if status not in DONE | OPEN | NONE:
            source.problems.append(
                problem_at(
                    source, draft.places["status"], f"unknown status `{show(status)}`", "use pending or complete"
                )
            )
        if draft.done:
            source.notes.append(f"`{show(str(draft.fields['id']))}` is {status} and is left out")
            continue
        _place_task(draft, len(tasks), source)
        tasks.append(_fields(draft, names))
    return tasks


def _fields(draft: Draft, names: dict[str, Draft]) -> Json:
    task: dict[str, Json] = {}
    for key, value in draft.fields.items():
        if key == "status":
            continue
        if key in {"deps", "depends_on"} and isinstance(value, list):
            wanted = [(str(item), names.get(str(item)) or names.get(slug(str(item)))) for item in value]
            task[key] = [
                item if found is None else found.fields["id"]
                for item, found in wanted
                if found is None or not found.done
            ]
            continue
        outer, _, inner = key.partition(".")
        if inner:
            nested = task.setdefault(outer, {})
            if isinstance(nested, dict):
                nested[inner] = value
        else:
            task[key] = value
    return task


def _place_task(draft: Draft, index: int, source: Source) -> None:
    trail: Trail = ("tasks", index)
    source.values[trail] = Place(draft.line, 1)
    for key, place in draft.places.items():
        member = (*trail, *key.split("."))
        source.values[member] = source.keys[member] = place

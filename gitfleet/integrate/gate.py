"""The gate: what a run's commits changed, held against its scope, before anything of them is merged.

Each own commit is looked at by itself, so that nothing hides in a net diff: a secret that one commit adds and the
next removes would reach the target's history all the same. Bytes are compared, and doubt is a violation. Replacement
objects, grafts and commit-graph files, which a run could have written, are ignored. What this does not see: writes to
anything that git does not track.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.index import GITLINK, SYMLINK, Change, Entry, parse_raw
from gitfleet.git.objects import MissingObject
from gitfleet.integrate.links import Links
from gitfleet.model.evidence import GateReport, Violation
from gitfleet.model.paths import quote_path, unquote_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.planner.scopes import Scope

REPORTED = 500
"""Violations named in a report; a record stays bounded whatever a run did."""

PLANNING = b".planning"

_LONGEST_LINE = 1000
"""Commits read one by one before git is asked for all of them."""

# Code points that HFS+ ignores in names, so that `.g<U+200C>it` is `.git` there (git's utf8.c, is_hfs_dotgit).
_IGNORABLE = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))


def inspect(
    git: Git, objects: Objects, *, base: str, tip: str, target: str, scope: Scope, fold: bool = False
) -> GateReport:
    """Hold every commit of a run's own against its scope.

    Own is what ``tip`` has and neither ``target`` nor ``base``, the commit of the target that the run began from, has.
    ``fold`` says that the repository folds the case of names. Violations come in the order of the commits, each path
    and reason once, with the first commit that has it.
    """
    git = _unbent(git)
    judge = _Judge(scope, literal_paths(scope), fold)
    looked_at = _line(objects, tip, [target, base])
    if looked_at is None:
        looked_at = list(_changes(git, _own_commits(git, tip, [target, base]), judge))
    links: list[tuple[str, Change]] = []
    for commit, changes in looked_at:
        for change in changes:
            judge.look(commit, change)
            if any(side is not None and side.mode == SYMLINK for side in (change.old, change.new)):
                links.append((commit, change))
    if links:
        _look_at_links(git, tip, links, judge)
    return judge.report(len(looked_at))


def carried(objects: Objects, merge: str, scope: Scope, *, fold: bool = False) -> tuple[Violation, ...]:
    """Paths outside the scope that a run's merge commit brings to its first parent; such a run is ``conflicted``.

    The run's own commits passed, so these come from the merge itself: the target renamed what the run changed.
    """
    judge = _Judge(scope, literal_paths(scope), fold)
    try:
        for change in _between(objects, objects.commit(merge).parents[0], merge):
            judge.look(merge, change)
    except ValueError:
        judge.add(b".", "malformed-tree", merge)
    return judge.report(1).violations


def _unbent(git: Git) -> Git:
    """The door without what a run could have written to make history look different."""
    return git.having("core.commitGraph=false", GIT_NO_REPLACE_OBJECTS="1", GIT_GRAFT_FILE="/dev/null")


def literal_paths(scope: Scope) -> frozenset[bytes]:
    """The paths that entries of the scope name without a pattern."""
    found = (_literal(entry) for entry in scope.entries)
    return frozenset(path for path in found if path)


def is_planning(path: bytes, *, fold: bool) -> bool:
    """Whether a path is ``.planning`` or below it, in any spelling that a folding repository takes for it."""
    top = path.split(b"/", 1)[0]
    return top == PLANNING or (fold and _plain(top) == PLANNING.decode())


def is_git_name(path: bytes) -> bool:
    """Whether a component of a path is, or is taken by some file system for, ``.git`` or a step elsewhere."""
    for part in path.split(b"/"):
        if part in {b"", b".", b".."}:
            return True
        # NTFS drops trailing dots and spaces and takes what follows a colon for a stream; git~1 is a short name.
        if _plain(part).replace("\\", "/").split(":")[0].rstrip(". ") in {".git", "git~1"}:
            return True
    return False


@dataclass(slots=True)
class _Judge:
    scope: Scope
    literal: frozenset[bytes]
    fold: bool
    found: dict[tuple[bytes, str], Violation] = field(default_factory=dict)

    def add(self, path: bytes, reason: str, commit: str) -> None:
        self.found.setdefault((path, reason), Violation(path=quote_path(path), reason=reason, commit=commit))

    def look(self, commit: str, change: Change) -> None:
        path = change.path
        if is_planning(path, fold=self.fold):
            self.add(path, "planning", commit)
        elif is_git_name(path):
            self.add(path, "git-name", commit)
        elif self.scope.is_empty:
            self.add(path, "read-only", commit)
        elif not self.scope.matches(path):
            self.add(path, "out-of-scope", commit)
        elif path not in self.literal and any(
            side is not None and side.mode == GITLINK for side in (change.old, change.new)
        ):
            self.add(path, "submodule", commit)

    def report(self, commits: int) -> GateReport:
        found = tuple(self.found.values())
        if len(found) > REPORTED:
            more = Violation(path=f"{len(found) - REPORTED} more", reason="more")
            return GateReport(passed=False, commits=commits, violations=(*found[:REPORTED], more))
        return GateReport(passed=not found, commits=commits, violations=found)


@dataclass(frozen=True, slots=True)
class _Own:
    commit: str
    parents: tuple[str, ...]


def _line(objects: Objects, tip: str, known: Sequence[str]) -> list[tuple[str, list[Change]]] | None:
    """Own commits of the usual run with what each changed: a line without merges on what base and target both are.

    None where it is not so simple, or a tree is not as git writes it, and git is asked. Raw objects are read, so
    nothing bends what is seen here either.
    """
    ends = {objects.resolve(rev) for rev in known}
    if len(ends) != 1 or None in ends:
        return None
    line: list[tuple[str, list[Change]]] = []
    at = objects.resolve(tip)
    try:
        while at not in ends:
            parents = objects.commit(at).parents if at is not None else ()
            if at is None or len(parents) != 1 or len(line) == _LONGEST_LINE:
                return None
            line.append((at, _between(objects, parents[0], at)))
            at = parents[0]
    except (MissingObject, ValueError):
        return None
    return line[::-1]


def _between(objects: Objects, old: str, new: str) -> list[Change]:
    """Every path that differs between two commits, renames not followed; ``ValueError`` for a tree read in two ways."""
    return [
        Change(change.path, *(Entry(*side) if side is not None else None for side in (change.old, change.new)))
        for change in objects.diff(objects.commit(old).tree, objects.commit(new).tree, strict=True)
    ]


def _own_commits(git: Git, tip: str, known: Sequence[str]) -> list[_Own]:
    hidden = [f"^{commit}" for commit in known]
    lines = git.run("rev-list", "--topo-order", "--reverse", "--parents", tip, *hidden, "--").text
    return [_Own(words[0], tuple(words[1:])) for words in (line.split(" ") for line in lines.split("\n")) if words[0]]


def _changes(git: Git, own: Sequence[_Own], judge: _Judge) -> Iterator[tuple[str, list[Change]]]:
    """What each own commit changed; a merge only what it took from none of the target's commits.

    All that is reachable from the tip and not from the target is own, so a parent that is not own is the target's.
    """
    names = {one.commit for one in own}
    asked: list[tuple[_Own, str]] = []
    for one in own:
        theirs = [parent for parent in one.parents if parent not in names]
        if len(one.parents) > 1 and len(one.parents) - len(theirs) > 1:
            judge.add(b".", "foreign-merge", one.commit)
        # Against the target's side: what it has outside the scope must have come through unchanged.
        asked += [(one, parent) for parent in theirs or one.parents[:1] or ("",)]
    raw = git.run(
        "diff-tree", "--stdin", "--always", "--root", "-r", "-z", "--no-renames", "--no-abbrev", "--raw",
        stdin="".join(f"{one.commit} {parent}".rstrip() + "\n" for one, parent in asked).encode(),
    ).stdout  # fmt: skip
    answers = list(_by_header(raw, [one.commit for one, _ in asked]))
    at = 0
    while at < len(asked):
        one = asked[at][0]
        sides = []
        while at < len(asked) and asked[at][0] is one:
            sides.append(answers[at])
            at += 1
        common = set.intersection(*({change.path for change in side} for side in sides))
        yield one.commit, [change for change in sides[0] if change.path in common]


def _by_header(raw: bytes, commits: Sequence[str]) -> Iterator[list[Change]]:
    """Split ``diff-tree --stdin --always`` output at its headers, of which there is one for each line asked."""
    tokens = raw.split(b"\0")
    at = 0
    for commit in commits:
        if tokens[at] != commit.encode():
            msg = f"diff-tree answered about {tokens[at]!r} where {commit} was asked"
            raise AssertionError(msg)
        at += 1
        start = at
        while at < len(tokens) and tokens[at].startswith(b":"):
            at += 2
        yield [change for _, change in parse_raw(b"\0".join(tokens[start:at]))]


def _look_at_links(git: Git, tip: str, changed: Sequence[tuple[str, Change]], judge: _Judge) -> None:
    touched: dict[bytes, str] = {}
    for commit, change in changed:
        touched.setdefault(change.path, commit)
    links = _links(git, tip, [change for _, change in changed])
    for path in links.paths():
        passed = links.escape(path) or ()
        # A link that was there before is a violation of the run only where the run changed its way.
        for guilty in [path] if path in touched and passed else [step for step in passed if step in touched]:
            if guilty not in judge.literal:
                judge.add(guilty, "symlink-escape", touched[guilty])


def _links(git: Git, tip: str, changes: Sequence[Change]) -> Links:
    """Every link at the tip, and every one that a commit on the way had."""
    paths: dict[str, list[bytes]] = {}
    for line in git.run("ls-tree", "-r", "-z", "--full-tree", tip).stdout.split(b"\0"):
        if line.startswith(b"120000 "):
            meta, path = line.split(b"\t", 1)
            paths.setdefault(meta.split(b" ")[2].decode(), []).append(path)
    for change in changes:
        if change.new is not None and change.new.mode == SYMLINK:
            paths.setdefault(change.new.oid, []).append(change.path)
    links = Links()
    for oid, target in _blobs(git, list(paths)):
        for path in paths[oid]:
            links.add(path, target)
    return links


def _blobs(git: Git, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    raw = git.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in oids).encode()).stdout
    at = 0
    for oid in oids:
        end = raw.index(b"\n", at)
        size = int(raw[at:end].split(b" ")[2])
        yield oid, raw[end + 1 : end + 1 + size]
        at = end + 1 + size + 1


def _literal(entry: str) -> bytes | None:
    """Read an entry back into the one path that it names; ``None`` for patterns and exclusions."""
    if entry.startswith("!"):
        return None
    text = unquote_path(entry).decode("utf-8", "surrogateescape")
    if re.search(r"(?<!\\)(?:\\\\)*[*?]", text):
        return None
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).rstrip("/").encode("utf-8", "surrogateescape")


def _plain(part: bytes) -> str:
    text = unicodedata.normalize("NFC", part.decode("utf-8", "surrogateescape").translate(_IGNORABLE))
    return text.casefold().rstrip(". ")

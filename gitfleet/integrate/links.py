"""Where symbolic links of a tree lead, decided without a file system.

A link leaves the repository when it is absolute or when some way of following it climbs above the root. Names that are
not in the tree are taken for directories, since a build may create them; a path that was a link in any commit looked
at may be that link. Doubt (a loop, very many ways) counts as leaving.
"""

from __future__ import annotations

STEPS = 2000
"""Steps of one resolution before it is given up as leaving; the kernel follows 40 links."""


class Links:
    """Every link, with each target that it has had."""

    def __init__(self) -> None:
        """Know no links."""
        self._targets: dict[bytes, set[bytes]] = {}

    def add(self, path: bytes, target: bytes) -> None:
        """Note that ``path`` is, or was, a link to ``target``."""
        self._targets.setdefault(path, set()).add(target)

    def paths(self) -> list[bytes]:
        """Every link."""
        return sorted(self._targets)

    def escape(self, path: bytes) -> tuple[bytes, ...] | None:
        """The links on a way from ``path`` out of the repository; ``None`` when there is no such way."""
        # A state is the directory reached, the parts still to walk, and the links passed.
        parent = tuple(path.split(b"/")[:-1])
        states: list[tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]] = [
            (parent, (path.split(b"/")[-1],), ())
        ]
        for _ in range(STEPS):
            if not states:
                return None
            place, parts, passed = states.pop()
            if not parts:
                continue
            part, rest = parts[0], parts[1:]
            if part in {b"", b"."}:
                states.append((place, rest, passed))
                continue
            if part == b"..":
                if not place:
                    return passed
                states.append((place[:-1], rest, passed))
                continue
            here = b"/".join((*place, part))
            targets = self._targets.get(here, ())
            if here in passed and len(passed) > 40:
                # A loop leads nowhere: following it fails on every system.
                continue
            for target in targets:
                if target.startswith((b"/", b"\\")) or target[1:2] == b":":
                    return (*passed, here)
                states.append((place, (*target.split(b"/"), *rest), (*passed, here)))
            if not targets:
                states.append(((*place, part), rest, passed))
        return (path,)

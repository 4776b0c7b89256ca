"""Tasks that wait for each other: every knot of dependencies, and a shortest way around each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def circles(waits: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield a shortest way around each knot, from its first task in the order of ``waits`` back to that task."""
    place = {task: number for number, task in enumerate(waits)}
    for knot in knots(waits):
        path = around(min(knot, key=lambda task: place[task]), waits, knot)
        if path:
            yield path


def knots(waits: Mapping[str, Sequence[str]]) -> list[frozenset[str]]:
    """Find strongly connected components by Tarjan's algorithm, without recursion: a chain may be thousands long."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    held: set[str] = set()
    found: list[frozenset[str]] = []
    for root in waits:
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack.append(root)
        held.add(root)
        work = [(root, iter(waits[root]))]
        while work:
            task, rest = work[-1]
            following = next((wanted for wanted in rest if wanted not in order or wanted in held), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[task])
                if low[task] == order[task]:
                    cut = stack.index(task)
                    found.append(frozenset(stack[cut:]))
                    held.difference_update(stack[cut:])
                    del stack[cut:]
            elif following in order:
                low[task] = min(low[task], order[following])
            else:
                order[following] = low[following] = len(order)
                stack.append(following)
                held.add(following)
                work.append((following, iter(waits[following])))
    return found


def around(start: str, waits: Mapping[str, Sequence[str]], knot: frozenset[str]) -> list[str]:
    """Find a shortest path from ``start`` back to itself inside its knot; empty when there is none."""
    came: dict[str, str] = {}
    edge = [start]
    while edge:
        further: list[str] = []
        for task in edge:
            for wanted in waits[task]:
                if wanted == start:
                    path = [start, task]
                    while path[-1] != start:
                        path.append(came[path[-1]])
                    return path[::-1]
                if wanted in knot and wanted not in came:
                    came[wanted] = task
                    further.append(wanted)
        edge = further
    return []

"""Where symbolic links lead, over small trees."""

from __future__ import annotations

import pytest

from gitfleet.integrate.links import Links


def links(**targets: str) -> Links:
    known = Links()
    for path, target in targets.items():
        known.add(path.replace("__", "/").encode(), target.encode())
    return known


@pytest.mark.parametrize(
    "target", ["/", "/etc/passwd", "../..", "../../x", "x/../../../y", "./.././..", "\\\\host\\x", "C:\\x", "c:x"]
)
def test_out_of_the_repository(target: str) -> None:
    assert links(dir__l=target).escape(b"dir/l") == (b"dir/l",)


@pytest.mark.parametrize("target", ["", ".", "..", "../x", "x/../../y", "a//b/./..", "../dir/../z", "..."])
def test_inside_the_repository(target: str) -> None:
    assert links(dir__l=target).escape(b"dir/l") is None


def test_through_other_links() -> None:
    known = links(a="deep/er", deep__er__out="../../..", deep__er__in="../..", b="a/out", c="a/in", d="a/in/..")
    assert known.escape(b"c") is None
    assert known.escape(b"b") == (b"b", b"a", b"deep/er/out")
    assert known.escape(b"d") == (b"d", b"a", b"deep/er/in")


def test_any_target_that_a_link_has_had_counts() -> None:
    known = links(l="inside")
    known.add(b"l", b"../outside")
    assert known.escape(b"l") == (b"l",)


def test_loops_lead_nowhere_and_many_ways_lead_out() -> None:
    assert links(a="b", b="a").escape(b"a") is None
    assert links(a="a/x").escape(b"a") is None
    known = Links()
    for number in range(30):
        for other in range(3):
            known.add(f"n{number}".encode(), f"n{number + 1}/{other}/..".encode())
    assert known.escape(b"n0") == (b"n0",)

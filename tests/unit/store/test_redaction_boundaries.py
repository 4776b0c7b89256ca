"""Where a local directory begins and ends in a text, and that values of variables have no such borders."""

from __future__ import annotations

import pytest

from gitfleet.store.redaction import Redaction

REDACTION = Redaction({"/root": "~", "/tmp": "<tmp>", "/": "<all>"}, {"postgres://u:pw@h/db": "<$DB>", "short": "<$S>"})


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("/root", "~"),
        ("/root/x and '/root/y'", "~/x and '~/y'"),
        ("HOME=/root:/root/bin", "HOME=~:~/bin"),
        ("file:///root/x", "file://~/x"),
        ("gcc -I/root/include", "gcc -I~/include"),
        ("/tmp/gitfleet-0123456789ab/x", "<tmp>/gitfleet-0123456789ab/x"),
        ("chroot/root/x", "chroot/root/x"),
        ("a-/root", "a-/root"),
        ("./root/x", "./root/x"),
        ("src/tmp/x", "src/tmp/x"),
        ("/rootfs /root-2 /root_x", "/rootfs /root-2 /root_x"),
        ("xpostgres://u:pw@h/dby", "x<$DB>y"),
        ("a short word", "a short word"),
    ],
)
def test_a_directory_is_replaced_where_it_is_one(text: str, public: str) -> None:
    assert REDACTION.text(text) == public

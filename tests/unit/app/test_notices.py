"""The words of a notice are one plain line, whatever they quote."""

from __future__ import annotations

from gitfleet.app.notices import MESSAGE_CHARACTERS, plain


def test_nothing_in_a_message_acts_on_a_terminal() -> None:
    assert plain("a\x1b]9;b\x07c\x9bd\u202ee\u2028f\ng\th") == "a]9;bcdef g h"
    assert plain("é" * 500) == "é" * (MESSAGE_CHARACTERS - 3) + "..."

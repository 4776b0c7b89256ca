"""Guards for every test; see ``tests/support/guards.py`` for what they hold."""

from __future__ import annotations

pytest_plugins = ["tests.support.guards"]

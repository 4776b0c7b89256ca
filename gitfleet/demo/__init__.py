"""A sample repository, a plan of three waves and scripted agents, so that a first run needs no model and no account.

The agents are shell scripts, tracked in the sample so that a person can read what an agent sees and leaves. They stand
in for the models and for nothing else: worktrees, gate, checks and landing are the real ones. Not promised: that the
sample is good software.
"""

from __future__ import annotations

from gitfleet.demo.build import DemoRepository, build, default_destination, history

__all__ = ["DemoRepository", "build", "default_destination", "history"]

"""The warden: one small process per attempt that owns the agent's process tree and outlives the coordinator.

It runs with the standard library alone (``python -I -S``) in a session of its own, inherits no descriptor but its lock,
and needs nobody: it enforces the deadline, bounds the log and clears up after the agent when the coordinator is dead.
It decides nothing about the work: how the agent ended is written to ``exit.json``, once, and that is all it says.
"""

"""What people ask of a running session: add, cancel, pause, stop, restart; and the order in which it ends."""

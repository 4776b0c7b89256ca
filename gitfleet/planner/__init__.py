"""Pure decisions before anything runs: what scopes are, whether they overlap, and which wave a task belongs to."""

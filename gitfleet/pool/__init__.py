"""The worktree pool: which tree an attempt gets, what is done to it first, and how it comes back."""

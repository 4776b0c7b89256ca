"""History as a judge: what one person did in a row, done again by a session of many agents, must end in the same tree.

``python -m bench.replay REPOSITORY`` clones the repository into a temporary directory, cuts a piece of its linear
history into tasks, runs them as one session through the command line, and compares the final tree with history's own.
Nothing of the repository is written, none of its hooks or settings runs, and nothing is fetched.

Not promised: that merges are replayed, or that a piece says something about another.
"""

"""The one door to git: the only package that imports pygit2, and the only one that runs the git binary."""

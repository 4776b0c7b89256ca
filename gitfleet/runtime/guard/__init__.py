"""The guard around agents' git: hooks, an environment and a wrapper that keep it from what is not the task's.

It is a guard against what agents do by habit, not a wall: an agent that clears its environment, calls libgit2 or edits
files below ``.git`` is past it. What changed all the same is found by comparing before and after.
"""

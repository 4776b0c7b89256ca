"""Calls of the planner agent: what it is told of the repository, its tree, and each call under a warden."""

"""Conflicts told before they happen: what work in progress would clash with, merged in memory and thrown away."""

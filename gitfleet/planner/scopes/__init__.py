"""Scopes: what a task may write, whether two of them share a path, and where symlinks lead them.

Pure: the tracked symlinks and whether a repository ignores case come in as arguments.
"""

from gitfleet.planner.scopes.deciding import overlap
from gitfleet.planner.scopes.entries import Entry, Scope, entry_for, parse_entry
from gitfleet.planner.scopes.index import ScopeIndex
from gitfleet.planner.scopes.links import resolve_links
from gitfleet.planner.scopes.patterns import ScopeError, fold_name

__all__ = [
    "Entry",
    "Scope",
    "ScopeError",
    "ScopeIndex",
    "entry_for",
    "fold_name",
    "overlap",
    "parse_entry",
    "resolve_links",
]

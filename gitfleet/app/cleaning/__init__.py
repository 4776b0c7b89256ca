"""What closed sessions and planners left, removed where that is provably safe; what stays is named with the reason."""

"""A direction in words that becomes a plan: checked, asked for, repaired, edited; planners that were left behind."""

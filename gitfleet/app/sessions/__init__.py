"""A session from its plan to its end: what is looked at and told first, then started, continued, taken over."""

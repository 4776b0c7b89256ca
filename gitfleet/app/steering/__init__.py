"""What people ask of a session that is under way, whether or not a coordinator runs it."""

"""A sample repository with scripted agents."""

"""What one wave learned, for the next: handoffs are read, compressed into briefs, and put into prompts."""

"""What keeps gitfleet from working here: found and said, and with ``--fix`` put right where nothing can be lost."""

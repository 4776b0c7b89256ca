"""What a crash left, and how the books are brought up to date; nothing here starts anything new."""

"""What agents use: followed while they run, kept as rows at their end, and held against budgets."""

"""Accounts of the user: each with a home, a key or a login of its own, shared by all repositories and processes."""

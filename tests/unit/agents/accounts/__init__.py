"""Accounts: their documents, leases and readiness."""

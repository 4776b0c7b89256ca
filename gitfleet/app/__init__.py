"""Use cases: each module is one thing that a command asks for, built from the parts below."""

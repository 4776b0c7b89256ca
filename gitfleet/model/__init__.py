"""Frozen data, no I/O: every document that gitfleet reads or writes is a struct here, and ``schemas/`` follows."""

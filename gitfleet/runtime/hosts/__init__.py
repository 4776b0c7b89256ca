"""Where an attempt's process runs: each host is a module that implements the Protocol in ``base``."""

"""Backends that do the work; each is a module that implements the Protocol in ``base`` and an entry in ``registry``."""

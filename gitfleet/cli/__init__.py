"""The command line: one file per command that parses, makes one call into ``app`` and renders. Click lives only here."""

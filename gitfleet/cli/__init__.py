"""The command line: one file a command that parses, makes one call into ``app`` and renders. Click lives only here."""

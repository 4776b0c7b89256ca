"""The one door to state and records: durable files, locks, documents, claims, the journal. Knows nothing of git."""

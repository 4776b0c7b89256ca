. agents/agent.sh

say "writing the store"
cat >parcels/storage.py <<'CODE'
"""Parcels in a file, one JSON object a line; a line is never changed."""

import json


def append(path, parcel):
    """Add a parcel, a dict with a "number"."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(parcel, sort_keys=True) + "\n")


def load(path):
    """All parcels by number; a later line wins."""
    try:
        with open(path, encoding="utf-8") as file:
            return {parcel["number"]: parcel for parcel in map(json.loads, file)}
    except FileNotFoundError:
        return {}
CODE
work
commit "Keep parcels in a file"

cat >tests/test_storage.py <<'CODE'
import os
import tempfile
import unittest

from parcels.storage import append, load


class StorageTest(unittest.TestCase):
    def test_the_last_word_on_a_parcel_wins(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "parcels")
            self.assertEqual(load(path), {})
            append(path, {"number": "PX1", "state": "sent"})
            append(path, {"number": "PX1", "state": "delivered"})
            self.assertEqual(load(path)["PX1"]["state"], "delivered")
CODE
work
check
commit "Test that the last word on a parcel wins"

handoff <<END
{
  "built": ["parcels/storage.py: append(path, parcel) and load(path)"],
  "decisions": ["Append only: a crash can lose the last line and no other."]
}
END

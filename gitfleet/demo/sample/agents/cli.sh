. agents/agent.sh

say "writing the commands"
cat >parcels/__main__.py <<'CODE'
"""python3 -m parcels: quote and send parcels."""

import sys

from parcels import labels, rates, storage, tracking

USAGE = "usage: python3 -m parcels quote ZONE GRAMS | send FILE SERIAL NAME STREET ZONE GRAMS"


def run(words):
    """Exit code and text for the words of a command line."""
    if len(words) == 3 and words[0] == "quote":
        return 0, str(rates.price(words[1], int(words[2])))
    if len(words) == 7 and words[0] == "send":
        _, path, serial, name, street, zone, grams = words
        number = tracking.tracking_number(int(serial))
        text = labels.label(number, name, street, zone, int(grams))
        storage.append(path, {"number": number, "state": "sent"})
        return 0, text
    return 2, USAGE


if __name__ == "__main__":
    code, text = run(sys.argv[1:])
    print(text)
    sys.exit(code)
CODE
work
commit "Add the commands quote and send"

cat >tests/test_main.py <<'CODE'
import os
import tempfile
import unittest

from parcels.__main__ import run
from parcels.storage import load


class MainTest(unittest.TestCase):
    def test_a_sent_parcel_is_stored(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "parcels")
            code, text = run(["send", path, "41", "Ada", "1 Loom St", "home", "300"])
            self.assertEqual(code, 0)
            self.assertEqual(list(load(path)), [text.splitlines()[-1]])

    def test_anything_else_is_a_usage_error(self):
        self.assertEqual(run([])[0], 2)
CODE
work
check
commit "Test the command line end to end"

handoff <<END
{
  "built": ["python3 -m parcels with quote and send"],
  "remaining": ["A command that starts the service."]
}
END

. agents/agent.sh

say "writing check digits"
cat >parcels/tracking.py <<'CODE'
"""Tracking numbers: a prefix, nine digits and a check digit."""

PREFIX = "PX"


def check_digit(digits):
    """The last digit of a tracking number: weights 3 and 1 in turn, modulo 10."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return str(-total % 10)


def tracking_number(serial):
    """The tracking number of the parcel with this serial number."""
    digits = f"{serial:09d}"
    return PREFIX + digits + check_digit(digits)
CODE
work
commit "Make tracking numbers with a check digit"

say "writing validation"
cat >>parcels/tracking.py <<'CODE'


def is_valid(number):
    """Whether a tracking number is well formed and its check digit agrees; upper case only."""
    digits = number[len(PREFIX):]
    if not number.startswith(PREFIX) or len(digits) != 10 or not digits.isdigit():
        return False
    return check_digit(digits[:-1]) == digits[-1]
CODE
cat >tests/test_tracking.py <<'CODE'
import unittest

from parcels.tracking import is_valid, tracking_number


class TrackingTest(unittest.TestCase):
    def test_a_number_that_we_made_is_valid(self):
        for serial in (0, 7, 41, 123456789):
            self.assertTrue(is_valid(tracking_number(serial)))

    def test_a_changed_digit_is_found(self):
        number = tracking_number(41)
        self.assertFalse(is_valid(number[:-1] + str((int(number[-1]) + 1) % 10)))

    def test_lower_case_is_refused(self):
        self.assertFalse(is_valid(tracking_number(41).lower()))
CODE
work
check
commit "Validate tracking numbers"

handoff <<END
{
  "built": ["parcels/tracking.py: tracking_number(serial) and is_valid(number)"],
  "decisions": ["Check digit: weights 3 and 1, modulo 10, as carriers print it."],
  "discoveries": [
    {"fact": "is_valid() refuses lower case; upper-case what a person typed first.", "paths": ["parcels/tracking.py"], "kind": "pitfall"}
  ]
}
END

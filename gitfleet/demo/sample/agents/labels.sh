. agents/agent.sh

say "reading what the last wave left: $(grep -c . "$GITFLEET_PROMPT") lines of prompt"
cat >parcels/labels.py <<'CODE'
"""Labels: what is printed and stuck on a parcel."""

from parcels.rates import price
from parcels.tracking import is_valid


def label(number, name, street, zone, grams):
    """The lines of a label; raises ValueError for a tracking number that is not one."""
    number = number.upper()
    if not is_valid(number):
        raise ValueError(f"{number} is not a tracking number")
    cents = price(zone, grams)
    return "\n".join([name, street, f"{grams} g, {zone}, {cents // 100}.{cents % 100:02d}", number])
CODE
work
commit "Render labels"

cat >tests/test_labels.py <<'CODE'
import unittest

from parcels.labels import label
from parcels.tracking import tracking_number


class LabelTest(unittest.TestCase):
    def test_a_label_shows_price_and_number(self):
        text = label(tracking_number(41).lower(), "Ada", "1 Loom St", "near", 750)
        self.assertEqual(text.splitlines()[2:], ["750 g, near, 9.30", tracking_number(41)])

    def test_a_wrong_number_is_refused(self):
        with self.assertRaises(ValueError):
            label("PX1", "Ada", "1 Loom St", "near", 750)
CODE
work
check
commit "Test labels, lower-case numbers included"

handoff <<END
{
  "built": ["parcels/labels.py: label(number, name, street, zone, grams)"],
  "decisions": ["label() upper-cases the number, since is_valid() refuses lower case."]
}
END

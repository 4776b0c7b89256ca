. agents/agent.sh

say "writing the price table"
cat >parcels/rates.py <<'CODE'
"""Prices by zone and weight, in whole cents."""

ZONES = {"home": (450, 80), "near": (790, 140), "far": (1490, 320)}


def price(zone, grams):
    """Cents for one parcel: a base for the zone, and a step for each started 500 g after the first."""
    if grams <= 0:
        raise ValueError("a parcel weighs something")
    base, step = ZONES[zone]
    return base + step * ((grams - 1) // 500)
CODE
work
commit "Price parcels by zone and weight"

cat >tests/test_rates.py <<'CODE'
import unittest

from parcels.rates import price


class RatesTest(unittest.TestCase):
    def test_the_first_half_kilo_costs_the_base(self):
        self.assertEqual(price("home", 500), 450)

    def test_each_started_step_costs_more(self):
        self.assertEqual(price("near", 501), 930)
        self.assertEqual(price("near", 1001), 1070)

    def test_nothing_weighs_nothing(self):
        with self.assertRaises(ValueError):
            price("far", 0)
CODE
work
check
commit "Test prices at the edges of a step"

handoff <<END
{
  "built": ["parcels/rates.py: price(zone, grams)"],
  "decisions": ["Money is whole cents everywhere; no floats."],
  "discoveries": [{"fact": "Zones are home, near and far; any other raises KeyError.", "paths": ["parcels/rates.py"], "kind": "api"}]
}
END

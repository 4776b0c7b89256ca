"""The gate: a run's own commits before they are merged, and the merge itself, held against what the run may change."""

from gitfleet.integrate.gate.bounds import Bounds, widened
from gitfleet.integrate.gate.inspecting import Inspection, Outside, carried, inspect, recorded

__all__ = ["Bounds", "Inspection", "Outside", "carried", "inspect", "recorded", "widened"]

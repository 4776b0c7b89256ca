"""gitfleet: a Git-native coordinator that runs a fleet of coding agents on one repository."""

__version__ = "0.1.0"

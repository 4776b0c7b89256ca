"""From a finished branch to a moved target: gate, candidates, checks, landing."""

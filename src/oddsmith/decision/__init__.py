"""Probabilities to actions: costs, thresholds, deferral, capacity, and what can be proved of them."""

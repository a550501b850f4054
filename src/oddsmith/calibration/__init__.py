"""Scores to probabilities: maps, learned on rows that did not train the model."""

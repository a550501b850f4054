"""The evidence of a model on rows that had no part in making it, as numbers: verdicts, drift, slices, label flips."""

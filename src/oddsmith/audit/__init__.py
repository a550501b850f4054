"""The evidence for a model, as numbers: one audit, verdicts, and the gate between two models."""

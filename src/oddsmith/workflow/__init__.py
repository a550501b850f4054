"""The verbs as functions: tables and records in, records out."""

from oddsmith.workflow.training import describe, train

__all__ = ["describe", "train"]

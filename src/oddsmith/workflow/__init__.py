"""The verbs as functions: tables and records in, records out."""

from oddsmith.workflow.calibrating import calibrate
from oddsmith.workflow.deciding import decide
from oddsmith.workflow.description import describe
from oddsmith.workflow.training import train

__all__ = ["calibrate", "decide", "describe", "train"]

"""The verbs as functions: tables and records in, records out."""

from oddsmith.workflow.auditing import audit
from oddsmith.workflow.building import build
from oddsmith.workflow.calibrating import calibrate
from oddsmith.workflow.deciding import decide
from oddsmith.workflow.description import describe
from oddsmith.workflow.training import train

__all__ = ["audit", "build", "calibrate", "decide", "describe", "train"]

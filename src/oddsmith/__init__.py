"""oddsmith: logistic regression that can be read, trusted and put in charge of a decision.

model = oddsmith.train("requests.csv", target="needs_review")
model.predict_proba({"department": "sales", "privileged": True, "ambiguity": 3.1, "support": 4})
model.save("model.json")
oddsmith.load("model.json").evaluate("validation.csv", thresholds=[0.2, 0.5])
"""

from __future__ import annotations

from importlib import import_module

from oddsmith.version import __version__

# Without `typing` the command line is ready to be interrupted some milliseconds earlier.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from oddsmith.data.read import Reading, read_table
    from oddsmith.decision.capacity import Capacity
    from oddsmith.decision.costs import CostMatrix, Reviewer, RowCosts
    from oddsmith.errors import DataWarning, FitWarning, InputError
    from oddsmith.estimator import LogisticRegression as LogisticRegression
    from oddsmith.estimator_cv import LogisticRegressionCV as LogisticRegressionCV
    from oddsmith.evaluate.metrics import Cost
    from oddsmith.evidence.margins import Margins
    from oddsmith.evidence.verdicts import Bars
    from oddsmith.model import Explanation, Model, load
    from oddsmith.model.reasons import Reasons
    from oddsmith.workflow import audit, build, calibrate, decide, describe, gate, train

_HOME = {
    "Bars": "oddsmith.evidence.verdicts",
    "Capacity": "oddsmith.decision.capacity",
    "Cost": "oddsmith.evaluate.metrics",
    "CostMatrix": "oddsmith.decision.costs",
    "DataWarning": "oddsmith.errors",
    "Explanation": "oddsmith.model",
    "FitWarning": "oddsmith.errors",
    "InputError": "oddsmith.errors",
    "LogisticRegression": "oddsmith.estimator",
    "LogisticRegressionCV": "oddsmith.estimator_cv",
    "Margins": "oddsmith.evidence.margins",
    "Model": "oddsmith.model",
    "Reading": "oddsmith.data.read",
    "Reasons": "oddsmith.model.reasons",
    "Reviewer": "oddsmith.decision.costs",
    "RowCosts": "oddsmith.decision.costs",
    "audit": "oddsmith.workflow.auditing",
    "build": "oddsmith.workflow.building",
    "calibrate": "oddsmith.workflow.calibrating",
    "decide": "oddsmith.workflow.deciding",
    "describe": "oddsmith.workflow",
    "gate": "oddsmith.workflow.gating",
    "load": "oddsmith.model",
    "read_table": "oddsmith.data.read",
    "train": "oddsmith.workflow",
}

__all__ = [
    "Bars",
    "Capacity",
    "Cost",
    "CostMatrix",
    "DataWarning",
    "Explanation",
    "FitWarning",
    "InputError",
    "Margins",
    "Model",
    "Reading",
    "Reasons",
    "Reviewer",
    "RowCosts",
    "__version__",
    "audit",
    "build",
    "calibrate",
    "decide",
    "describe",
    "gate",
    "load",
    "read_table",
    "train",
]
"""What every installation has: `LogisticRegression` needs scikit-learn, and `import *` does not."""


def __getattr__(name: str) -> Any:
    """Load a public name where it is first used, so that `import oddsmith` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'oddsmith' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, "LogisticRegression", "LogisticRegressionCV"})

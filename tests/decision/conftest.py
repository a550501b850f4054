"""Eight validation rows of access-change requests: log-odds, labels, costs."""

import numpy as np
import pytest

from oddsmith.evaluate.metrics import Cost
from oddsmith.evaluate.score_table import ScoreTable

PROBA = np.array([0.061, 0.169, 0.595, 0.624, 0.971, 0.325, 0.99, 0.244])
NEEDS_REVIEW = np.array([0, 0, 1, 0, 1, 0, 1, 1])


@pytest.fixture
def requests():
    """The table of the eight rows."""
    return ScoreTable.from_scores(np.log(PROBA / (1 - PROBA)), NEEDS_REVIEW)


@pytest.fixture
def price():
    """A miss at 120, a false alarm at 18."""
    return Cost(fn=120, fp=18)

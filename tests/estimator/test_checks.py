"""scikit-learn's own checks of an estimator, every one of them, for the settings that change what is computed.

Its checks fit separable data with no penalty, where a `FitWarning` is what should happen. Without an
intercept one check cannot hold for any linear model (scikit-learn's own fails it too): it wants a class
weight to win nearly all rows.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from oddsmith import LogisticRegression

pytestmark = pytest.mark.filterwarnings("ignore::oddsmith.errors.FitWarning")


@parametrize_with_checks([LogisticRegression()])
def test_all_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        LogisticRegression(alpha=1.0),
        LogisticRegression(alpha=0.01, l1_ratio=1.0),
        LogisticRegression(multi_class="ovr"),
        LogisticRegression(multi_class="ovr", alpha=0.01, standardize=True),
        LogisticRegression(alpha=0.1, class_weight="balanced", n_threads=2),
        LogisticRegression(alpha=0.1, solver="mini-batch", max_iter=5, random_state=0),
    ]
)
def test_all_checks_with_other_settings(estimator, check):
    check(estimator)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from oddsmith.calibration.fitting import (
    FITS,
    fit_beta,
    fit_isotonic,
    fit_map,
    fit_platt,
    fit_temperature,
)
from oddsmith.calibration.maps import Beta, Isotonic, Platt, calibrated
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import log_loss
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit, softplus

from .scores import CASES, drawn

PARAMETRIC = ["temperature", "platt", "beta"]
LEARNED = [*PARAMETRIC, "isotonic", "venn-abers"]


def platt_targets(y, weight):
    """Labels as Platt smooths them."""
    n_positive, n_negative = weight[y == 1].sum(), weight[y == 0].sum()
    return np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))


def beta_columns(eta):
    return np.stack([np.ones_like(eta), -softplus(-eta), softplus(eta)])


def parts(method, mapping, eta, y, weight):
    """Coefficients, columns and targets whose cross-entropy the map makes least."""
    if method == "platt":
        return (
            np.array([mapping.intercept, mapping.slope]),
            np.stack([np.ones_like(eta), eta]),
            platt_targets(y, weight),
        )
    if method == "temperature":
        return np.array([1 / mapping.temperature]), eta[None, :], y
    return np.array([mapping.c, mapping.a, mapping.b]), beta_columns(eta), y


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
@pytest.mark.parametrize("method", PARAMETRIC)
def test_no_slope_is_left_at_the_solution(method, seed, ties, weighted):
    eta, y, weight = drawn(seed, ties, weighted)
    weight = np.ones_like(eta) if weight is None else weight
    mapping = fit_map(method, ScoreTable.from_scores(eta, y, weight))
    theta, columns, target = parts(method, mapping, eta, y, weight)
    terms = weight * (expit(theta @ columns) - target) * columns
    slope, size = terms.sum(axis=1), np.abs(terms).sum(axis=1)
    free = theta != 0.0
    assert (np.abs(slope[free]) <= 1e-14 * size[free]).all()
    # A number at its bound of 0 would have to fall to gain.
    assert (slope[~free] >= -1e-12 * size[~free]).all()
    np.testing.assert_allclose(calibrated(mapping, eta), theta @ columns, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
@pytest.mark.parametrize("method", PARAMETRIC)
def test_a_general_minimiser_finds_no_less_loss(method, seed, ties, weighted):
    eta, y, weight = drawn(seed, ties, weighted)
    weight = np.ones_like(eta) if weight is None else weight
    mapping = fit_map(method, ScoreTable.from_scores(eta, y, weight))
    theta, columns, target = parts(method, mapping, eta, y, weight)

    def loss(at):
        z = at @ columns
        return (weight * (target * softplus(-z) + (1 - target) * softplus(z))).sum() / weight.sum()

    bounds = [(0 if method == "beta" and k > 0 else None, None) for k in range(len(theta))]
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10_000}
    other = minimize(
        loss, np.ones(len(theta)), method="L-BFGS-B", jac="3-point", bounds=bounds, options=options
    )
    assert loss(theta) <= other.fun + 1e-14
    np.testing.assert_allclose(theta, other.x, rtol=1e-4, atol=1e-4)


def scikit_learn(method, eta, y, weight):
    """Probabilities of its CalibratedClassifierCV on log-odds, at the same scores."""
    # A model that gives eta back: one column, coefficient 1, intercept 0.
    model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    model.coef_, model.intercept_ = np.array([[1.0]]), np.array([0.0])
    peer = CalibratedClassifierCV(FrozenEstimator(model), method=method, ensemble=False)
    # Frozen models are calibrated on all rows, whatever the folds.
    peer.fit(eta[:, None], y.astype(int), sample_weight=weight)
    return peer.predict_proba(eta[:, None])[:, 1]


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
@pytest.mark.parametrize("method", ["sigmoid", "temperature"])
@pytest.mark.filterwarnings("ignore:Since FrozenEstimator does not appear to accept sample_weight")
def test_platt_and_temperature_agree_with_scikit_learn(method, seed, ties, weighted):
    eta, y, weight = drawn(seed, ties, weighted)
    mapping = fit_map({"sigmoid": "platt"}.get(method, method), ScoreTable.from_scores(eta, y, weight))
    # Its minimisers stop at slopes of 1e-6 and at a temperature's half of the digits.
    np.testing.assert_allclose(
        expit(calibrated(mapping, eta)), scikit_learn(method, eta, y, weight), atol=2e-6
    )


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
def test_isotonic_agrees_with_scikit_learn_but_for_blocks_of_one_class(seed, ties, weighted):
    eta, y, weight = drawn(seed, ties, weighted)
    peer = IsotonicRegression(out_of_bounds="clip").fit(eta, y, sample_weight=weight).predict(eta)
    found = expit(calibrated(fit_isotonic(ScoreTable.from_scores(eta, y, weight)), eta))
    mixed = (peer > 0.0) & (peer < 1.0)
    assert mixed.any()
    np.testing.assert_allclose(found[mixed], peer[mixed], rtol=1e-12)
    assert ((found > 0.0) & (found < 1.0)).all()


def test_a_block_of_one_class_is_as_sure_as_its_rows_allow():
    # 5 negatives, 4 mixed, 6 positives: the shares are 1/7, 1/2 and 7/8.
    y = np.array([0] * 5 + [1, 0, 1, 0] + [1] * 6, dtype=float)
    eta = np.concatenate([np.arange(5), [10, 10, 10, 10], np.arange(20, 26)]).astype(float)
    mapping = fit_isotonic(ScoreTable.from_scores(eta, y))
    assert mapping.knots == [0.0, 4.0, 10.0, 20.0, 25.0]
    np.testing.assert_allclose(expit(np.array(mapping.values)), [1 / 7, 1 / 7, 1 / 2, 7 / 8, 7 / 8])


def test_a_short_block_of_one_class_stays_beyond_its_neighbour():
    # One negative alone is no reason for 1/3 where 100 scores above it have 1/50.
    y = np.concatenate([[0.0], np.tile([1.0] + [0.0] * 49, 2), np.tile([0.0] + [1.0] * 49, 2), [1.0]])
    eta = np.concatenate([[-5.0], np.zeros(100), np.ones(100), [6.0]])
    values = expit(np.array(fit_isotonic(ScoreTable.from_scores(eta, y)).values))
    np.testing.assert_allclose(values, [0.01, 0.02, 0.98, 0.99], rtol=1e-12)


# Made with betacal 1.1.0, which minimises by L-BFGS to about four digits:
#   rng = np.random.default_rng(7); eta = rng.normal(scale=2, size=500)
#   y = (rng.random(500) < 1 / (1 + np.exp(-true(eta)))).astype(int)         the cases in turn, one generator
#   model = BetaCalibration("abm").fit(1 / (1 + np.exp(-eta)), y); a, b, m = model.calibrator_.map_
#   c = b * np.log(1 - m) - a * np.log(m)
BETACAL = [
    (lambda eta: 0.4 * eta + 0.4 * np.abs(eta) - 0.5, 0.0, 0.6854281719615446, -0.5262625132917826),
    (lambda eta: np.where(eta < 0, -0.4 * eta, 2 * eta) - 0.5, 0.0, 1.3804000994263674, -0.46723424394758273),
    (lambda eta: np.where(eta < 0, 2 * eta, -0.4 * eta) + 0.5, 1.2362972392507663, 0.0, 0.3685108592748386),
    (lambda eta: 1.2 * eta + 0.4 * np.abs(eta), 0.5250475275667978, 2.1207443889162354, -1.0230784209368091),
]


def test_beta_agrees_with_betacal():
    rng = np.random.default_rng(7)
    eta = rng.normal(scale=2, size=500)
    for true, a, b, c in BETACAL:
        y = (rng.random(500) < 1 / (1 + np.exp(-true(eta)))).astype(float)
        found = fit_beta(ScoreTable.from_scores(eta, y))
        np.testing.assert_allclose([found.a, found.b, found.c], [a, b, c], rtol=1e-3)


def test_beta_is_least_over_numbers_from_0_up():
    rng = np.random.default_rng(3)
    for _ in range(200):
        eta = rng.normal(scale=3, size=60)
        y = (rng.random(60) < expit(rng.normal(scale=0.7, size=3) @ beta_columns(eta))).astype(float)
        try:
            found = fit_beta(ScoreTable.from_scores(eta, y))
        except InputError:
            continue
        theta, columns = np.array([found.c, found.a, found.b]), beta_columns(eta)
        slope = columns @ (expit(theta @ columns) - y) / 60
        np.testing.assert_allclose(slope[theta != 0], 0.0, atol=1e-13)
        assert (slope[theta == 0] >= -1e-12).all()


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.sampled_from(LEARNED))
def test_weight_2_is_a_row_twice_and_order_does_not_matter(random, method):
    rng = np.random.default_rng(random.randrange(2**32))
    eta = np.round(rng.normal(scale=2, size=60), 1)
    y = (rng.random(60) < expit(eta / 2)).astype(float)
    weight = rng.integers(1, 4, size=60)
    again = np.repeat(np.arange(60), weight)
    shuffled = rng.permutation(again)
    one, other = (
        ScoreTable.from_scores(eta, y, weight),
        ScoreTable.from_scores(eta[shuffled], y[shuffled]),
    )
    assert fit_map(method, one) == fit_map(method, other)


@pytest.mark.parametrize("method", PARAMETRIC[:2])
def test_the_unit_of_the_scores_does_not_matter(method):
    eta, y, _ = drawn(0, ties=False, weighted=False)
    for unit in (2.0**-40, 2.0**30):
        near, far = (fit_map(method, ScoreTable.from_scores(scale * eta, y)) for scale in (1.0, unit))
        np.testing.assert_allclose(calibrated(far, unit * eta), calibrated(near, eta), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("far", [1e4, 1e8, 1e15])
def test_a_score_far_out_hides_nothing(far):
    eta, y, _ = drawn(0, ties=False, weighted=False)
    with_far = ScoreTable.from_scores(np.append(eta, far), np.append(y, 1.0))
    # Labels that are not smoothed: the far row has no loss, and the others decide alone.
    alone = ScoreTable.from_scores(eta, y)
    assert fit_temperature(with_far).temperature == pytest.approx(
        fit_temperature(alone).temperature, rel=1e-12
    )
    found, expected = fit_beta(with_far), fit_beta(alone)
    np.testing.assert_allclose([found.a, found.b], [expected.a, expected.b], rtol=1e-10)
    # Smoothed ones: it must not be surer than its target, and decides almost alone.
    line = fit_platt(with_far)
    x, target = np.append(eta, far), platt_targets(np.append(y, 1.0), np.ones(len(eta) + 1))
    residual = expit(line.slope * x + line.intercept) - target
    assert abs(residual.sum()) <= 1e-15 * len(x)
    assert abs(residual @ x) <= 1e-15 * np.abs(x).sum()


def test_newton_finds_the_optimum_where_whole_steps_would_lead_away():
    eta = np.array([-4.81, 0.17, -44.54, -3.23, -3.96, -2.79, 1.45, 10.32, 1.02, 3.43, -2.11, 0.09, 29.4])
    y = np.array([0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1, 1], dtype=float)
    weight = np.array(
        [0.494, 0.149, 2.433, 0.462, 0.017, 0.925, 119.954, 406.505, 0.182, 15.117, 1.488, 2.344, 44.796]
    )
    found = fit_beta(ScoreTable.from_scores(eta, y, weight))
    theta, columns = np.array([found.c, found.a, found.b]), beta_columns(eta)
    terms = weight * (expit(theta @ columns) - y) * columns
    assert (np.abs(terms.sum(axis=1)) <= 1e-13 * np.abs(terms).sum(axis=1)).all()


def test_platt_of_classes_that_are_told_apart_is_finite():
    found = fit_platt(ScoreTable.from_scores([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1]))
    # Two of each: the targets are 1/4 and 3/4, met on average by scores at -2, -1, 1, 2.
    residual = expit(found.slope * np.array([-2.0, -1, 1, 2])) - [0.25, 0.25, 0.75, 0.75]
    assert found.intercept == pytest.approx(0.0, abs=1e-15)
    assert residual @ [-2.0, -1, 1, 2] == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("method", LEARNED)
def test_scores_that_rank_backwards_are_refused(method):
    eta, y, _ = drawn(0, ties=False, weighted=False)
    with pytest.raises(InputError, match="these scores rank backwards"):
        fit_map(method, ScoreTable.from_scores([-1.0, -0.5, 0.5, 1.0], [1, 1, 0, 0]))
    if method in PARAMETRIC:
        with pytest.raises(InputError, match="these scores rank backwards"):
            fit_map(method, ScoreTable.from_scores(-eta, y))


@pytest.mark.parametrize(
    ("eta", "y", "method", "said"),
    [
        ([1.0, 2.0, 3.0], [1, 1, 1], "platt", "none of 3 rows to calibrate on is negative"),
        ([1.0, 2.0, 3.0], [0, 0, 0], "venn-abers", "at least one row of each class"),
        ([], [], "isotonic", "none of 0 rows"),
        ([1.0, 1.0], [0, 1], "platt", "1 distinct score. A platt map needs at least 2"),
        ([1.0, 1.0, 2.0], [0, 1, 1], "beta", "2 distinct scores. A beta map needs at least 3"),
        ([-1.0, 1.0], [0, 1], "temperature", "the best temperature is 0"),
        ([-1.0, 0.0, 1.0], [0, 0, 1], "beta", "infinitely steep"),
        ([1.0, 2.0, 3.0], [0, 0, 1], "temperature", "wrong side of even odds"),
        ([0.0, 2.0, 3e15], [0, 1, 1], "platt", "a score is beyond 1e\\+15"),
        ([0.0, 1.0], [0, 1], "histogram", "calibration method 'histogram': unknown. Choose one of identity"),
    ],
)
def test_rows_that_cannot_teach_a_map_are_refused_with_what_is_needed(eta, y, method, said):
    with pytest.raises(InputError, match=said):
        fit_map(method, ScoreTable.from_scores(eta, y))


rows = st.lists(
    st.tuples(st.integers(-6, 6), st.integers(0, 1), st.integers(1, 3)), min_size=4, max_size=40
).map(lambda cells: np.array(cells, dtype=float).T)


@settings(max_examples=150)
@given(rows, st.sampled_from([*FITS]))
def test_a_map_learned_from_any_rows_never_falls_and_keeps_the_log_loss_finite(cells, method):
    eta, y, weight = cells
    try:
        mapping = fit_map(method, ScoreTable.from_scores(eta, y, weight))
    except InputError:
        return
    grid = np.linspace(-9.0, 9.0, 181)
    found = calibrated(mapping, grid)
    assert (np.diff(found) >= -1e-13 * np.abs(found[1:])).all()
    assert np.isfinite(softplus(np.abs(found))).all()


@settings(max_examples=100)
@given(rows)
def test_an_isotonic_map_gives_each_mixed_block_its_share(cells):
    eta, y, weight = cells
    try:
        mapping = fit_isotonic(ScoreTable.from_scores(eta, y, weight))
    except InputError:
        return
    assert isinstance(mapping, Isotonic)
    proba = expit(calibrated(mapping, eta))
    for value in np.unique(proba):
        block = proba == value
        share = np.average(y[block], weights=weight[block])
        if 0.0 < share < 1.0:
            assert value == pytest.approx(share, rel=1e-12)
        else:
            assert abs(value - share) <= 1 / (weight[block].sum() + 2) + 1e-15


def test_calibrated_scores_are_left_almost_as_they_are():
    rng = np.random.default_rng(0)
    eta = rng.normal(scale=2, size=200_000)
    table = ScoreTable.from_scores(eta, (rng.random(200_000) < expit(eta)).astype(float))
    line, bent = fit_platt(table), fit_beta(table)
    assert isinstance(line, Platt)
    assert isinstance(bent, Beta)
    np.testing.assert_allclose([line.slope, line.intercept], [1, 0], atol=0.03)
    np.testing.assert_allclose([bent.a, bent.b, bent.c], [1, 1, 0], atol=0.05)
    assert fit_temperature(table).temperature == pytest.approx(1.0, abs=0.03)


def test_platt_is_found_where_scores_hardly_differ():
    eta, y, _ = drawn(0, ties=False, weighted=False)
    near = 500.0 + 1e-6 * eta
    line = fit_platt(ScoreTable.from_scores(near, y))
    expected = fit_platt(ScoreTable.from_scores((near - 500.0) * 1e6, y))
    assert line.slope == pytest.approx(1e6 * expected.slope, rel=1e-12)
    residual = expit(line.slope * near + line.intercept) - platt_targets(y, np.ones_like(y))
    assert abs(residual @ (near - 500.0)) < 1e-6 * np.abs(near - 500.0).sum()


@pytest.mark.parametrize("width", [1e-2, 1e-5, 1e-7])
@pytest.mark.parametrize("centre", [-40.0, -0.5, 3.0, 40.0, 900.0])
def test_beta_of_scores_that_hardly_differ_is_as_good_as_a_line_or_is_refused(centre, width):
    eta, y, _ = drawn(0, ties=False, weighted=False)
    table = ScoreTable.from_scores(centre + width * eta, y)
    try:
        found = fit_beta(table)
    except InputError as error:
        assert "the numbers of a beta map cannot be told" in str(error)  # noqa: PT017
        return
    bent, line = (
        ScoreTable.from_scores(calibrated(m, table.eta), y_of(table)) for m in (found, fit_platt(table))
    )
    # Smoothed labels cost the line a little.
    assert log_loss(bent) <= log_loss(line) + 1e-6


def y_of(table):
    return (table.count_positive > 0).astype(float)

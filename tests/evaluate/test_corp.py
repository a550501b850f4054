import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as peer_log_loss

from oddsmith.errors import InputError
from oddsmith.evaluate.cells import MOST_CELLS
from oddsmith.evaluate.corp import decomposition, reliability_curve
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit

LOSSES = ("brier", "log_loss")

whole_rows = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
).map(lambda cells: tuple(np.array(cells).T))


def parts(found):
    return (found.score, found.miscalibration, found.discrimination, found.uncertainty)


def sample(n, slope=1.0, shift=0.0, seed=7):
    random = np.random.default_rng(seed)
    eta = np.round(random.normal(scale=2, size=n), 1)
    y = (random.random(n) < 1 / (1 + np.exp(-slope * eta - shift))).astype(float)
    return eta, y, random.integers(1, 5, n) / 2


# model-diagnostics 1.5.0, with eta, y, weight of sample(200, 0.7, 0.3) as above:
#     decompose(y, 1 / (1 + np.exp(-eta)), weight, scoring_function=SquaredError())    or LogLoss(), or weights None
# gives score, miscalibration, discrimination, uncertainty.
GOLDEN = [
    ("brier", False, 0.19236980363282222, 0.017707904793684587, 0.07531310116086232, 0.24997499999999995),
    ("brier", True, 0.1761357304360911, 0.01897324040642709, 0.09280235866348849, 0.2499648486931525),
    ("log_loss", False, 0.55706985303502, 0.049707734739772524, 0.18573506143133123, 0.6930971797265787),
    ("log_loss", True, 0.517546368251069, 0.05358120379852532, 0.22911171184612827, 0.693076876298672),
]


@pytest.mark.parametrize(("loss", "weighted", "score", "mcb", "dsc", "unc"), GOLDEN)
def test_parts_are_those_of_model_diagnostics(loss, weighted, score, mcb, dsc, unc):
    eta, y, weight = sample(200, 0.7, 0.3)
    found = decomposition(ScoreTable.from_scores(eta, y, weight if weighted else None), loss)
    assert parts(found) == pytest.approx((score, mcb, dsc, unc), abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_parts_are_losses_of_scores_curve_and_share_as_scikit_learn_computes_them(weighted):
    eta, y, weight = sample(500, 1.6, -0.5, seed=1)
    weight = weight if weighted else None
    table = ScoreTable.from_scores(eta, y, weight)
    curve = IsotonicRegression().fit(eta, y, sample_weight=weight).predict(eta)
    share = np.full(len(y), np.average(y, weights=weight))
    for loss, peer in (("brier", brier_score_loss), ("log_loss", peer_log_loss)):
        of_scores, of_curve, of_share = (peer(y, p, sample_weight=weight) for p in (expit(eta), curve, share))
        expected = (of_scores, of_scores - of_curve, of_share - of_curve, of_share)
        assert parts(decomposition(table, loss)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(whole_rows, st.sampled_from(LOSSES))
def test_the_parts_add_to_the_score_and_none_is_negative(cells, loss):
    found = decomposition(ScoreTable.from_scores(*cells), loss)
    assert found.miscalibration - found.discrimination + found.uncertainty == pytest.approx(
        found.score, rel=1e-13, abs=1e-15
    )
    assert min(parts(found)) >= 0.0


@settings(max_examples=60, deadline=None)
@given(
    whole_rows,
    st.sampled_from([lambda x: 3 * x + 1, lambda x: x**3, lambda x: np.sinh(x / 5), np.arctan]),
    st.sampled_from(LOSSES),
)
def test_a_rising_map_of_the_scores_keeps_discrimination_and_uncertainty_to_the_bit(cells, rising, loss):
    eta, y, weight = cells
    before = decomposition(ScoreTable.from_scores(eta, y, weight), loss)
    after = decomposition(ScoreTable.from_scores(rising(eta / 2), y, weight), loss)
    assert (after.discrimination, after.uncertainty) == (before.discrimination, before.uncertainty)


@settings(max_examples=60, deadline=None)
@given(whole_rows, st.randoms(), st.integers(0, 25))
def test_weight_2_is_a_row_twice_and_neither_order_nor_blocks_matter(cells, shuffler, cut):
    eta, y, weight = cells
    found = ScoreTable.from_scores(eta, y, weight)
    repeated = ScoreTable.from_scores(np.repeat(eta, weight), np.repeat(y, weight))
    order = list(range(len(y)))
    shuffler.shuffle(order)
    shuffled = ScoreTable.from_scores(eta[order], y[order], weight[order])
    added = ScoreTable.from_scores(eta[:cut], y[:cut], weight[:cut]) + ScoreTable.from_scores(
        eta[cut:], y[cut:], weight[cut:]
    )
    for loss in LOSSES:
        assert decomposition(repeated, loss) == decomposition(found, loss)
        assert decomposition(shuffled, loss) == decomposition(found, loss)
        assert decomposition(added, loss) == decomposition(found, loss)
    curve = reliability_curve(found, n_resamples=1)
    assert reliability_curve(repeated, n_resamples=1).steps == curve.steps
    assert reliability_curve(shuffled, n_resamples=1) == curve
    assert reliability_curve(added, n_resamples=1) == curve


@pytest.mark.parametrize("loss", LOSSES)
def test_scores_that_are_their_own_curve_are_not_miscalibrated(loss):
    # 1 of 4 at log 1/3 and 3 of 4 at log 3: the probabilities are the shares.
    table = ScoreTable.from_scores(np.repeat([-np.log(3), np.log(3)], 4), [0, 0, 1, 0, 1, 1, 0, 1])
    found = decomposition(table, loss)
    assert found.miscalibration == pytest.approx(0.0, abs=1e-15)
    assert found.discrimination > 0.05


@pytest.mark.parametrize("loss", LOSSES)
def test_scores_that_rank_backwards_or_not_at_all_discriminate_nothing(loss):
    y = np.repeat([1, 0], 10)
    for eta in (np.linspace(-2, 2, 20), np.zeros(20)):
        found = decomposition(ScoreTable.from_scores(eta, y), loss)
        assert found.discrimination == 0.0
        assert found.miscalibration == pytest.approx(found.score - found.uncertainty, abs=1e-15)


def test_a_perfect_ranking_leaves_miscalibration_alone():
    found = decomposition(ScoreTable.from_scores([-3.0, -1.0, 1.0, 2.0], [0, 0, 0, 1]), "log_loss")
    assert found.miscalibration == found.score
    assert (
        found.discrimination == found.uncertainty == pytest.approx(-0.25 * np.log(0.25) - 0.75 * np.log(0.75))
    )


def test_the_curve_is_the_isotonic_regression_in_steps():
    eta, y, weight = sample(400, 0.8)
    found = reliability_curve(ScoreTable.from_scores(eta, y, weight), n_resamples=1)
    peer = IsotonicRegression().fit(eta, y, sample_weight=weight)
    shares = [step.observed_share for step in found.steps]
    assert shares == pytest.approx(np.unique(np.round(peer.predict(np.unique(eta)), 12)), abs=1e-11)
    for step in found.steps:
        inside = (expit(eta) >= step.lower) & (expit(eta) <= step.upper)
        assert step.observed_share == pytest.approx(np.average(y[inside], weights=weight[inside]))
        assert step.mean_proba == pytest.approx(np.average(expit(eta[inside]), weights=weight[inside]))
        assert step.count == weight[inside].sum()
        assert step.lower <= step.mean_proba <= step.upper


def test_counts_of_steps_are_whole_where_rows_weigh_1():
    steps = reliability_curve(ScoreTable.from_scores([-1.0, 0.0, 1.0], [0, 1, 1]), n_resamples=1).steps
    assert [(step.count, step.observed_share) for step in steps] == [(1, 0.0), (2, 1.0)]
    assert all(isinstance(step.count, int) for step in steps)


def test_the_seed_decides_the_band():
    table = ScoreTable.from_scores(*sample(150)[:2])
    one, same, other = (reliability_curve(table, n_resamples=50, seed=seed).band for seed in (3, 3, 4))
    assert one == same
    assert one.lower != other.lower
    assert (one.level, one.n_resamples, one.seed) == (0.9, 50, 3)


def test_one_score_has_the_band_of_a_binomial():
    # 100 rows at 1/2: the share is Binomial(100, 1/2) / 100, whose quantiles at 5% and 95% are .42 and .58.
    table = ScoreTable.from_scores(np.zeros(100), np.arange(100) < 50)
    band = reliability_curve(table, n_resamples=4000).band
    assert (band.proba, band.lower, band.upper) == ((0.5,), (0.42,), (0.58,))


def test_rows_of_unequal_weight_count_as_their_effective_number():
    # 20 rows of weight 6 and 80 of 1 are 200^2 / (20 * 36 + 80) = 50 rows, and 19 and 31 are the quantiles
    # of Binomial(50, 1/2).
    weight = np.where(np.arange(100) < 20, 6.0, 1.0)
    band = reliability_curve(
        ScoreTable.from_scores(np.zeros(100), np.arange(100) % 2, weight), n_resamples=4000
    ).band
    assert (band.lower, band.upper) == ((19 / 50,), (31 / 50,))


def test_many_scores_have_the_band_of_their_cells():
    random = np.random.default_rng(2)
    eta = random.normal(size=3 * MOST_CELLS) * 2
    y = random.random(len(eta)) < expit(eta)
    few = ScoreTable.from_scores(eta[:MOST_CELLS], y[:MOST_CELLS])
    many = ScoreTable.from_scores(eta, y)
    widths = []
    for table in (few, many):
        band = reliability_curve(table, n_resamples=200).band
        proba, lower, upper = (np.array(values) for values in (band.proba, band.lower, band.upper))
        assert (np.diff(proba) > 0).all()
        assert len(proba) <= 256
        middle = (proba > 0.05) & (proba < 0.95)
        assert ((lower < proba) & (proba < upper))[middle].all()
        widths.append((upper - lower)[middle].mean())
    # The error of an isotonic regression falls as n^(-1/3).
    assert widths[1] == pytest.approx(widths[0] * 3 ** (-1 / 3), rel=0.1)


@pytest.mark.slow
def test_the_curve_of_calibrated_scores_lies_in_the_band_in_nine_of_ten_samples():
    random = np.random.default_rng(0)
    eta = np.sort(np.random.default_rng(1).normal(size=400) * 1.5)
    band = reliability_curve(ScoreTable.from_scores(eta, eta > 0), n_resamples=2000).band
    at = np.searchsorted(expit(eta), band.proba)
    inside = []
    for _ in range(1000):
        curve = IsotonicRegression().fit(eta, random.random(400) < expit(eta)).predict(eta)[at]
        inside.append((curve >= np.array(band.lower) - 1e-12) & (curve <= np.array(band.upper) + 1e-12))
    covered = np.mean(inside, axis=0)
    assert covered.min() > 0.87
    assert covered[40:-40].mean() == pytest.approx(0.9, abs=0.015)


@pytest.mark.parametrize("measure", [lambda table: decomposition(table, "brier"), reliability_curve])
def test_no_rows_have_no_curve(measure):
    with pytest.raises(InputError, match="no rows to evaluate"):
        measure(ScoreTable.from_scores([], []))


def test_a_band_needs_a_level_and_samples():
    table = ScoreTable.from_scores([0.0], [1])
    with pytest.raises(InputError, match=r"level 1\.0: not a confidence"):
        reliability_curve(table, level=1.0)
    with pytest.raises(InputError, match="0 resamples"):
        reliability_curve(table, n_resamples=0)

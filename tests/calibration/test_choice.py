import numpy as np
import pytest

from oddsmith.calibration.choice import FEWEST, FOLDS, MANY, MapChoice, choose_map
from oddsmith.calibration.fitting import FITS, fit_map
from oddsmith.calibration.maps import calibrated
from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import log_loss
from oddsmith.evaluate.score_table import ScoreTable
from oddsmith.fit.losses import expit, softplus
from oddsmith.fit.path import folds_of

TRUTHS = {
    "identity": lambda eta: eta,
    "temperature": lambda eta: 0.4 * eta,
    "platt": lambda eta: 0.6 * eta - 1.5,
    "beta": lambda eta: 1.8 * softplus(eta) - 0.2 * softplus(-eta) - 1.0,
    "isotonic": lambda eta: 4.0 * np.sign(eta) * (np.abs(eta) > 2.5),
}


def rows(truth, n=6000, seed=0):
    rng = np.random.default_rng(seed)
    eta = rng.normal(scale=2, size=n)
    return eta, (rng.random(n) < expit(TRUTHS[truth](eta))).astype(float)


def method_of(choice: MapChoice) -> str:
    return choice.map.method


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_map_that_the_rows_were_made_with_is_chosen(truth):
    found = choose_map(*rows(truth))
    wanted = {"isotonic": {"isotonic", "venn-abers"}}.get(truth, {truth})
    assert method_of(found) in wanted
    assert found.reason.startswith(method_of(found))


def test_the_map_is_learned_from_all_rows():
    eta, y = rows("platt")
    assert choose_map(eta, y).map == fit_map("platt", ScoreTable.from_scores(eta, y))


def test_figures_are_those_of_rows_that_the_maps_have_not_seen():
    eta, y = rows("platt", n=300)
    weight = np.random.default_rng(1).exponential(size=300)
    found = {item.method: item for item in choose_map(eta, y, weight, seed=4).candidates}
    folds = folds_of(y.astype(int), None, FOLDS, 4)
    losses = {}
    for method in ("identity", "platt"):
        unseen = np.empty(300)
        for k in range(FOLDS):
            out = folds == k
            table = ScoreTable.from_scores(eta[~out], y[~out], weight[~out])
            unseen[out] = calibrated(fit_map(method, table), eta[out])
        losses[method] = softplus(np.where(y == 1, -unseen, unseen))
        assert found[method].log_loss == pytest.approx(np.average(losses[method], weights=weight), rel=1e-13)
    assert found["platt"].excess == 0.0
    difference = losses["identity"] - losses["platt"]
    mean = np.average(difference, weights=weight)
    spread = np.sqrt((weight**2 * (difference - mean) ** 2).sum()) / weight.sum()
    assert found["identity"].excess == pytest.approx(mean, rel=1e-12)
    assert found["identity"].standard_error == pytest.approx(spread, rel=1e-12)
    table = ScoreTable.from_scores(eta, y, weight)
    assert found["identity"].log_loss == pytest.approx(log_loss(table), rel=1e-13)


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_choice_is_the_first_within_one_standard_error_of_the_least(truth):
    for seed in range(5):
        found = choose_map(*rows(truth, n=400, seed=seed))
        scored = [item for item in found.candidates if item.log_loss is not None]
        assert [item.method for item in found.candidates] == list(FITS)
        assert min(item.excess for item in scored) == 0.0
        assert method_of(found) == next(item.method for item in scored if item.excess <= item.standard_error)


def test_step_functions_are_candidates_above_a_thousand_rows():
    eta, y = rows("identity", n=MANY + 1)
    few, many = choose_map(eta[:MANY], y[:MANY]), choose_map(eta, y)
    for method in ("isotonic", "venn-abers"):
        (left,) = (item for item in few.candidates if item.method == method)
        (tried,) = (item for item in many.candidates if item.method == method)
        assert (left.log_loss, left.excess, left.standard_error) == (None, None, None)
        assert left.note == "needs more than 1,000 rows to be a candidate; there are 1,000"
        assert np.isfinite(tried.log_loss)
        assert tried.note == ""
    # Rows of weight 0 do not count.
    weight = np.ones(MANY + 1)
    weight[5] = 0.0
    assert choose_map(eta, y, weight).candidates[4].log_loss is None


def test_a_method_that_cannot_be_learned_says_why_and_the_others_go_on():
    # Told apart at 0: the best temperature and the best beta are infinitely steep.
    eta = np.concatenate([np.linspace(-2, -0.5, 15), np.linspace(0.5, 2, 15)])
    found = choose_map(eta, eta > 0)
    notes = {item.method: item.note for item in found.candidates}
    assert "the best temperature is 0" in notes["temperature"]
    assert "infinitely steep" in notes["beta"]
    assert notes["platt"] == notes["identity"] == ""
    assert method_of(found) == "platt"


def test_the_seed_draws_the_folds():
    eta, y = rows("platt", n=200)
    assert choose_map(eta, y, seed=3) == choose_map(eta, y, seed=3)
    losses = {choose_map(eta, y, seed=seed).candidates[2].log_loss for seed in range(3)}
    assert len(losses) == 3


def test_scores_that_rank_backwards_are_refused():
    eta, y = rows("identity", n=200)
    with pytest.raises(InputError, match="these scores rank backwards"):
        choose_map(-eta, y)


def test_too_few_rows_are_refused_with_the_count_needed():
    eta = np.linspace(-1, 1, 40)
    y = np.zeros(40)
    y[-(FEWEST - 1) :] = 1
    with pytest.raises(InputError, match="at least 10 rows of each class; one has 9"):
        choose_map(eta, y)
    y[-FEWEST] = 1
    assert choose_map(eta, y).n_folds == FOLDS


@pytest.mark.slow
def test_a_calibrated_model_is_left_alone_and_a_miscalibrated_one_is_mended():
    left_alone, gains = 0, []
    for seed in range(40):
        left_alone += method_of(choose_map(*rows("identity", n=500, seed=seed))) == "identity"
        fresh = rows("platt", n=5000, seed=1000 + seed)
        found = choose_map(*rows("platt", n=500, seed=seed)).map
        before, after = (
            log_loss(ScoreTable.from_scores(eta, fresh[1])) for eta in (fresh[0], calibrated(found, fresh[0]))
        )
        gains.append(before - after)
    assert left_alone >= 28
    assert min(gains) > 0.0

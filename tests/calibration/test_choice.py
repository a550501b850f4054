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


def test_scores_that_rank_backwards_are_left_as_they_are_and_no_map_is_bent_to_them():
    eta, y = rows("identity", n=200)
    found = choose_map(-eta, y)
    assert (method_of(found), found.n_folds, found.candidates) == ("identity", 0, [])
    assert found.reason.startswith("identity: these scores rank backwards")
    with pytest.raises(InputError, match="these scores rank backwards"):
        fit_map("platt", ScoreTable.from_scores(-eta, y))


def few_positives(n, positives):
    """Scores of which the highest are positive, but for one."""
    y = np.zeros(n)
    y[-positives - 1 :] = 1
    y[-2] = 0
    return np.linspace(-1, 1, n), y


@pytest.mark.parametrize("fewest", [2, 5, FEWEST - 1])
def test_few_rows_of_a_class_have_fewer_folds_and_two_candidates(fewest):
    eta, y = few_positives(40, fewest)
    found = choose_map(eta, y)
    assert found.n_folds == fewest
    assert method_of(found) in ("identity", "platt")
    for item in found.candidates:
        if item.method in ("identity", "platt"):
            assert item.note == ""
            assert np.isfinite(item.log_loss)
        else:
            assert item.note == f"needs 10 rows of each class; one has {fewest}"
    enough = choose_map(*few_positives(40, FEWEST))
    assert enough.n_folds == FOLDS
    assert enough.candidates[1].log_loss is not None


def test_few_rows_that_teach_nothing_leave_the_scores_as_they_are():
    eta, y = few_positives(40, 1)
    found = choose_map(eta, y)
    assert (method_of(found), found.candidates, found.n_folds) == ("identity", [], 0)
    assert found.reason.startswith("identity: a class has only 1 row, and a map is judged by others")
    eta, y = few_positives(40, 5)
    backwards = choose_map(-eta, y)
    assert (method_of(backwards), backwards.n_folds) == ("identity", 0)
    assert backwards.reason.startswith("identity: a class has only 5 rows, and these scores rank backwards")
    for labels in (np.zeros(40), np.ones(40)):
        with pytest.raises(InputError, match="none of 40 rows to calibrate on is"):
            choose_map(eta, labels)
    with pytest.raises(InputError, match="none of 0 rows"):
        choose_map([], [])


def test_rows_as_groups_of_their_own_are_rows():
    eta, y = rows("platt", n=200)
    weight = np.where(np.arange(200) % 9 == 0, 0.0, 1.5)
    alone = choose_map(eta, y, weight, seed=2)
    assert choose_map(eta, y, weight, seed=2, groups=np.arange(200)) == alone
    assert choose_map(eta, y, weight, seed=2, groups=[f"{k:03d}" for k in range(200)]) == alone


def test_groups_stay_together_in_folds_and_in_the_standard_error():
    # Ten copies of each row: with groups their figures are those of the rows, and without they pass for more evidence.
    eta, y = rows("platt", n=90)
    group = np.repeat(np.arange(90), 10)
    once = choose_map(eta, y, np.full(90, 10.0), seed=1)
    grouped, apart = (
        choose_map(np.repeat(eta, 10), np.repeat(y, 10), seed=1, groups=groups) for groups in (group, None)
    )
    for one, other, blind in zip(
        once.candidates[:4], grouped.candidates[:4], apart.candidates[:4], strict=True
    ):
        assert other.log_loss == pytest.approx(one.log_loss, rel=1e-9)
        assert other.excess == pytest.approx(one.excess, abs=1e-9)
        assert other.standard_error == pytest.approx(one.standard_error, abs=1e-9)
        assert blind.standard_error < 0.5 * other.standard_error or other.standard_error == 0.0


def test_few_groups_with_a_class_are_few_however_many_rows_they_have():
    eta, y = rows("platt", n=600)
    found = choose_map(eta, y, groups=np.arange(600) % 4)
    assert found.n_folds == 4
    assert found.candidates[1].note == "needs 10 groups of each class; one has 4"
    whole = choose_map(eta, y, groups=np.zeros(600))
    assert whole.reason.startswith("identity: a class has only 1 group, and a map is judged")
    # A class that three groups hold, and each of them with the other class: every fold learns from both.
    y = np.where(np.arange(600) % 12 < 3, y, 0.0)
    assert choose_map(eta, y, groups=np.arange(600) % 12).n_folds == 3
    with pytest.raises(InputError, match="groups have shape"):
        choose_map(eta, y, groups=[1, 2])


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

"""The path and its choice: each fit is the one that would be made by itself, and folds are what they should be."""

import numpy as np
import pytest

from oddsmith.data.block import ArraySource, Narrowed, Picked, Reweighted, WithoutOffset
from oddsmith.engines import threads
from oddsmith.fit.losses import Bernoulli, Softmax
from oddsmith.fit.path import Validation, cross_validate, fit_path, folds_of, grid, strongest_alpha
from oddsmith.fit.solvers import proximal_newton, solve

from .test_lasso import BINARY, LASSOS, MANY, SEVERAL, by_sample

__all__ = ["by_sample"]

NAMES = [
    "binary",
    "elastic net",
    "weights, some zero",
    "offsets",
    "softmax elastic net",
    "more columns than rows",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["exact", "sampled"])
def test_every_fit_of_a_path_is_the_one_made_by_itself(name, way, request):
    if way == "sampled":
        request.getfixturevalue("by_sample")
    problem = LASSOS[name]
    objective = problem.objective()
    alphas = grid(objective, count=8, ratio=0.02)
    found = fit_path(objective, alphas, tolerance=1e-9)
    for place in (1, 4, 7):
        alone = solve(problem.changed(alpha=alphas[place]).objective(), "newton")
        np.testing.assert_allclose(found.theta[place], alone.theta, atol=1e-4)
        assert found.mean_loss[place] == pytest.approx(alone.optimality.mean_loss.sum(), abs=2e-6)
    assert found.n_nonzero[0] <= (way == "sampled")
    assert (np.diff(found.mean_loss) < 1e-9).all()


@pytest.mark.parametrize("name", [*NAMES, "one-vs-rest", "no intercept", "user's scale", "softmax"])
def test_the_strongest_alpha_leaves_nothing_and_a_weaker_one_something(name):
    problem = LASSOS[name]
    strongest = strongest_alpha(problem.objective())
    for factor, some in ((1.0 + 1e-9, False), (0.99, True)):
        theta = solve(problem.changed(alpha=factor * strongest).objective(), "newton").theta
        columns = theta.reshape(-1, problem.X.shape[1] + 1)[:, 1:]
        assert columns.any() == some


def test_ridge_has_a_path_too():
    problem = BINARY.changed(l1_ratio=0.0)
    found = fit_path(problem.objective(), np.array([1.0, 0.1, 0.01]), tolerance=1e-9)
    for alpha, theta in zip(found.alphas, found.theta, strict=True):
        np.testing.assert_allclose(
            theta, solve(problem.changed(alpha=alpha).objective(), "newton").theta, atol=1e-5
        )
    alphas = grid(problem.objective())
    assert (len(alphas), np.isfinite(alphas).all()) == (100, True)
    assert (alphas[0], alphas[-1]) == pytest.approx((alphas[0], 1e-6 * alphas[0]))


@pytest.mark.parametrize("n_folds", [2, 5, 10])
def test_every_fold_has_its_share_of_every_class(n_folds):
    y = np.sort(np.random.default_rng(0).choice(4, size=997, p=[0.6, 0.3, 0.08, 0.02]))
    folds = folds_of(y, None, n_folds, seed=3)
    counts = np.array([np.bincount(y[folds == fold], minlength=4) for fold in range(n_folds)])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    sizes = counts.sum(axis=1)
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(folds, folds_of(y, None, n_folds, seed=3))
    assert (folds != folds_of(y, None, n_folds, seed=4)).any()


def test_rows_without_weight_take_no_place_in_a_fold():
    y, weight = np.repeat([0, 1], 50), (np.arange(100) % 10 == 0).astype(float)
    folds = folds_of(y, weight, 5, seed=1)
    counted = weight > 0.0
    np.testing.assert_array_equal(np.bincount(2 * folds[counted] + y[counted]), np.ones(10))


@pytest.mark.parametrize("name", ["weights, some zero", "softmax elastic net", "offsets"])
def test_deviances_are_those_of_fits_without_the_fold(name):
    problem = LASSOS[name]
    objective = problem.objective()
    alphas = np.array([0.1, 0.02])
    folds = folds_of(problem.y, problem.weight, 3, seed=1)
    found = cross_validate(objective, alphas, folds, tolerance=1e-9)
    weight = np.ones(900) if problem.weight is None else problem.weight
    for fold in range(3):
        out = folds == fold
        without = objective.source.take(np.flatnonzero(~out))
        for place, alpha in enumerate(alphas):
            changed = problem.changed(alpha=alpha).objective()
            changed.source = ArraySource(without.X, without.y, without.sample_weight, offset=without.offset)
            theta = solve(changed, "newton").theta
            changed.source = Reweighted(objective.source, np.where(out, weight, 0.0))
            changed = changed.with_penalty(changed.penalty)
            loss = changed.evaluate(theta, order=0).value - changed.penalty.value(theta)
            assert found.deviance[fold, place] == pytest.approx(2.0 * loss.sum(), rel=1e-5)
        assert found.weight[fold] == pytest.approx(weight[out].sum(), rel=1e-12)


def test_the_choice_is_the_least_or_the_strongest_within_one_standard_error():
    deviance = np.array([[1.5, 1.10, 1.0, 1.2], [1.7, 1.10, 1.2, 1.4], [1.6, 1.19, 1.1, 1.3]])
    found = Validation(np.array([1.0, 0.5, 0.25, 0.1]), deviance, np.ones(3))
    np.testing.assert_allclose(found.mean, [1.6, 1.13, 1.1, 1.3])
    np.testing.assert_allclose(found.standard_error, deviance.std(axis=0, ddof=1) / np.sqrt(3))
    assert (found.least, found.one_standard_error) == (2, 1)
    heavy = Validation(found.alphas, deviance, np.array([1.0, 1.0, 2.0]))
    np.testing.assert_allclose(heavy.mean, (deviance.sum(axis=0) + deviance[2]) / 4)


def test_threads_change_no_bit_of_a_choice(by_sample):
    problem = BINARY.changed(block_rows=64)
    alphas, folds = np.array([0.1, 0.03, 0.01]), folds_of(problem.y, problem.weight, 3)
    alone = cross_validate(problem.objective(), alphas, folds)
    with threads(3) as engine:
        objective = problem.objective()
        objective.engine = engine
        assert cross_validate(objective, alphas, folds).deviance.tobytes() == alone.deviance.tobytes()
    assert proximal_newton.CHEAP == 0.0


def test_progress_counts_the_penalties_of_all_folds():
    seen = []
    problem = LASSOS["one-vs-rest"]
    cross_validate(
        problem.objective(),
        np.array([0.1, 0.05]),
        folds_of(problem.y, None, 2),
        progress=lambda *step: seen.append(step[:2]),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_views_of_a_source_are_its_rows_columns_weights_and_offsets():
    source = LASSOS["offsets"].changed(block_rows=70).source()
    y, w, offset = source.y, source.sample_weight, source.offset
    picked, columns = np.arange(900) % 7 == 2, np.array([5, 0, 31])
    views = [
        (Picked(source, picked), MANY[picked], y[picked], w[picked], offset[picked]),
        (Narrowed(source, columns), MANY[:, columns], y, w, offset),
        (Reweighted(source, np.arange(900.0)), MANY, y, np.arange(900.0), offset),
        (WithoutOffset(source), MANY, y, w, None),
        (Picked(WithoutOffset(source), picked), MANY[picked], y[picked], w[picked], None),
    ]
    for view, X, y, weight, offset in views:
        assert (view.n_rows, view.n_columns, view.dtype) == (*X.shape, X.dtype)
        np.testing.assert_array_equal(view.y, y)
        np.testing.assert_array_equal(view.sample_weight, weight)
        rows = np.array([1, 50, 100])
        for block, part in ((view.take(rows), rows), (None, slice(None))):
            blocks = list(view) if block is None else [block]
            np.testing.assert_array_equal(np.concatenate([b.X for b in blocks]), X[part])
            np.testing.assert_array_equal(np.concatenate([b.y for b in blocks]), y[part])
            np.testing.assert_array_equal(np.concatenate([b.sample_weight for b in blocks]), weight[part])
            if offset is None:
                assert view.offset is None
                assert all(b.offset is None for b in blocks)
            else:
                np.testing.assert_array_equal(view.offset, offset)
                np.testing.assert_array_equal(np.concatenate([b.offset for b in blocks]), offset[part])


def test_many_fits_are_measured_in_one_pass():
    for loss, y in ((Bernoulli(), BINARY.y), (Softmax(4, symmetric=True), SEVERAL)):
        objective = BINARY.changed(loss=loss, y=y, X=MANY).objective()
        thetas = np.random.default_rng(0).normal(
            scale=0.1, size=(5, objective.n_problems, objective.n_coefficients)
        )
        found = objective.mean_losses(thetas)
        assert objective.n_passes == 1
        expected = [objective.evaluate(t, order=0).value - objective.penalty.value(t) for t in thetas]
        np.testing.assert_allclose(found, expected, rtol=1e-12)

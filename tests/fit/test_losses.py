"""Losses are exact in both tails, and each derivative is the derivative of the one before."""

from functools import partial

import numpy as np
import pytest

from oddsmith.fit.losses import Bernoulli, Softmax, expit, softmax, softplus

EPS = np.finfo(float).eps

# eta, softplus(eta), expit(eta), expit(eta) expit(-eta). The recipe, with mpmath at mp.dps = 60:
#     log1p(exp(eta)), 1 / (1 + exp(-eta)), expit(eta) / (1 + exp(eta)), each as float
BERNOULLI = np.array(
    [
        (-1e8, 0.0, 0.0, 0.0),
        (-1000.0, 0.0, 0.0, 0.0),
        (-708.0, 3.307553003638408e-308, 3.307553003638408e-308, 3.307553003638408e-308),
        (-40.0, 4.248354255291589e-18, 4.248354255291589e-18, 4.248354255291589e-18),
        (-1.0, 0.3132616875182228, 0.2689414213699951, 0.19661193324148185),
        (-1e-9, 0.6931471800599454, 0.49999999975, 0.25),
        (0.0, 0.6931471805599453, 0.5, 0.25),
        (1e-9, 0.6931471810599453, 0.50000000025, 0.25),
        (1.0, 1.3132616875182228, 0.7310585786300049, 0.19661193324148185),
        (40.0, 40.0, 1.0, 4.248354255291589e-18),
        (708.0, 708.0, 1.0, 3.307553003638408e-308),
        (1000.0, 1000.0, 1.0, 0.0),
        (1e8, 1e8, 1.0, 0.0),
    ]
)

# eta_1, eta_2, y, loss, residual_1, residual_2 of three classes. The recipe, with mpmath at mp.dps = 60,
# full = [0, eta_1, eta_2] and proba = exp(full) / sum(exp(full)):
#     loss = log1p(sum of exp(full_k - full_y) over k != y)
#     residual_k = proba_k, and minus the sum of the other proba where k = y
SOFTMAX = np.array(
    [
        (0.0, 0.0, 0, 1.0986122886681098, 0.3333333333333333, 0.3333333333333333),
        (0.0, 0.0, 1, 1.0986122886681098, -0.6666666666666666, 0.3333333333333333),
        (1.0, -2.0, 0, 1.3490122167681864, 0.7053845126982412, 0.03511902695933972),
        (1.0, -2.0, 1, 0.3490122167681864, -0.29461548730175885, 0.03511902695933972),
        (1.0, -2.0, 2, 3.349012216768186, 0.7053845126982412, -0.9648809730406602),
        (1000.0, -1000.0, 0, 1000.0, 1.0, 0.0),
        (1000.0, -1000.0, 1, 0.0, 0.0, 0.0),
        (1000.0, -1000.0, 2, 2000.0, 1.0, -1.0),
        (-1000.0, -999.0, 0, 0.0, 0.0, 0.0),
        (-1000.0, -999.0, 1, 1000.0, -1.0, 0.0),
        (-1000.0, -999.0, 2, 999.0, 0.0, -1.0),
        (1e8, -1e8, 0, 1e8, 1.0, 0.0),
        (1e8, -1e8, 1, 0.0, 0.0, 0.0),
        (1e8, -1e8, 2, 2e8, 1.0, -1.0),
        (-40.0, -50.0, 0, 4.248547130276385e-18, 4.248354255291589e-18, 1.9287498479639178e-22),
        (-40.0, -50.0, 1, 40.0, -1.0, 1.9287498479639178e-22),
        (-40.0, -50.0, 2, 50.0, 4.248354255291589e-18, -1.0),
        (700.0, -700.0, 1, 9.85967654375977e-305, -9.85967654375977e-305, 0.0),
        (30.0, 30.5, 0, 30.974076984180144, 0.3775406687981321, 0.6224593312018326),
        (30.0, 30.5, 1, 0.974076984180142, -0.6224593312018679, 0.6224593312018326),
        (30.0, 30.5, 2, 0.474076984180142, 0.3775406687981321, -0.37754066879816744),
    ]
)


def residuals(loss, eta, truth):
    """Derivatives of the loss (k, n); what comes with them is the loss and its curvature."""
    value, residual, (own, share) = loss.derivatives(eta, truth)
    np.testing.assert_allclose(value, loss.loss(eta, truth), rtol=8 * EPS)
    expected, shares = loss.curvature(eta)
    np.testing.assert_allclose(own, expected, rtol=8 * EPS)
    assert share is shares or np.array_equal(share, shares)
    return residual


def test_pointwise_functions_are_exact_in_both_tails():
    eta, plus, proba, curvature = BERNOULLI.T
    np.testing.assert_allclose(softplus(eta), plus, rtol=4 * EPS)
    np.testing.assert_allclose(expit(eta), proba, rtol=4 * EPS)
    found = Bernoulli().curvature(eta[None, :])[0][0]
    np.testing.assert_allclose(found, curvature, rtol=4 * EPS)


@pytest.mark.parametrize("y", [0, 1])
def test_bernoulli_loss_and_residual_are_exact_in_both_tails(y):
    eta, plus, proba, _ = BERNOULLI.T
    mirrored = BERNOULLI[::-1]
    np.testing.assert_array_equal(mirrored[:, 0], -eta)
    loss = Bernoulli()
    truth = loss.truth(np.full(len(eta), y))
    expected_loss = mirrored[:, 1] if y else plus
    expected_residual = -mirrored[:, 2] if y else proba
    np.testing.assert_allclose(loss.loss(eta[None, :], truth)[0], expected_loss, rtol=4 * EPS)
    np.testing.assert_allclose(residuals(loss, eta[None, :], truth)[0], expected_residual, rtol=4 * EPS)


def test_softmax_loss_and_residual_are_exact_in_every_tail():
    eta, y = SOFTMAX[:, :2].T, SOFTMAX[:, 2].astype(np.int64)
    loss = Softmax(3)
    truth = loss.truth(y)
    np.testing.assert_allclose(loss.loss(eta, truth)[0], SOFTMAX[:, 3], rtol=8 * EPS)
    np.testing.assert_allclose(residuals(loss, eta, truth), SOFTMAX[:, 4:].T, rtol=8 * EPS)


@pytest.mark.parametrize(
    "loss", [Bernoulli(), Bernoulli((0, 1, 2)), Softmax(3), Softmax(3, symmetric=True)], ids=repr
)
@pytest.mark.parametrize("spread", [1.0, 30.0, 1e3])
def test_loss_and_squash_at_once_are_those_one_after_the_other(loss, spread):
    rng = np.random.default_rng(0)
    eta = rng.normal(scale=spread, size=(loss.n_problems * loss.n_coupled, 200))
    truth = loss.truth(rng.integers(loss.n_choices, size=200))
    value, squashed = loss.loss_and_squash(eta.copy(), truth)
    np.testing.assert_allclose(value, loss.loss(eta, truth), rtol=8 * EPS, atol=1e-300)
    np.testing.assert_allclose(squashed, loss.squash(loss.unit * eta), rtol=2e-14, atol=1e-300)
    residual = loss.unit * squashed - loss.aim(truth)
    np.testing.assert_allclose(residual, residuals(loss, eta, truth), atol=4 * EPS)


def second(loss, eta, k, m, problem=0):
    """Second derivatives (n,) in the k-th and m-th predictor of a problem."""
    own, share = loss.curvature(eta)
    return own[problem * loss.n_coupled + k] if k == m else -share[k] * share[m]


def sample(n_classes, n=60, spread=4.0):
    rng = np.random.default_rng(n_classes)
    return rng.normal(scale=spread, size=(n_classes - 1, n)), rng.integers(n_classes, size=n)


def test_bernoulli_residual_is_the_derivative_of_the_textbook_loss():
    eta, y = sample(2)
    loss = Bernoulli()
    z = eta + 1e-30j
    by_complex_step = (np.log(1.0 + np.exp(z)) - y * z).imag / 1e-30
    np.testing.assert_allclose(residuals(loss, eta, loss.truth(y)), by_complex_step, rtol=1e-12, atol=1e-15)
    by_complex_step = (1.0 / (1.0 + np.exp(-z))).imag / 1e-30
    np.testing.assert_allclose(loss.curvature(eta)[0], by_complex_step, rtol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_softmax_residual_and_curvature_are_derivatives_of_the_textbook_loss(n_classes):
    eta, y = sample(n_classes)
    loss = Softmax(n_classes)
    truth = loss.truth(y)
    for k in range(n_classes - 1):
        z = eta.astype(complex)
        z[k] += 1e-30j
        full = np.vstack([np.zeros(len(y)), z])
        textbook = np.log(np.exp(full).sum(axis=0)) - full[y, np.arange(len(y))]
        np.testing.assert_allclose(
            residuals(loss, eta, truth)[k], textbook.imag / 1e-30, rtol=1e-11, atol=1e-15
        )
        proba = np.exp(full) / np.exp(full).sum(axis=0)
        for m in range(n_classes - 1):
            np.testing.assert_allclose(
                second(loss, eta, k, m), proba[m + 1].imag / 1e-30, rtol=1e-11, atol=1e-16
            )


@pytest.mark.parametrize("loss", [Bernoulli(), Bernoulli((0, 1, 2)), Softmax(3), Softmax(4)], ids=str)
def test_residual_and_curvature_are_slopes_of_the_code_itself(loss):
    """Central differences: error step^2 / 6 times the third derivative, plus rounding / step."""
    predictors, step = loss.n_problems * loss.n_coupled, 1e-5
    rng = np.random.default_rng(3)
    eta, y = rng.normal(scale=3.0, size=(predictors, 40)), rng.integers(predictors + 1, size=40)
    truth = loss.truth(y)
    for j in range(predictors):
        problem, k = divmod(j, loss.n_coupled)
        up, down = eta.copy(), eta.copy()
        up[j] += step
        down[j] -= step
        slope = (loss.loss(up, truth) - loss.loss(down, truth))[problem] / (2 * step)
        np.testing.assert_allclose(residuals(loss, eta, truth)[j], slope, atol=1e-9)
        bend = (residuals(loss, up, truth) - residuals(loss, down, truth)) / (2 * step)
        for m in range(loss.n_coupled):
            np.testing.assert_allclose(
                second(loss, eta, k, m, problem), bend[problem * loss.n_coupled + m], atol=1e-9
            )


def test_softmax_with_two_classes_is_bernoulli():
    eta = np.concatenate([BERNOULLI[:, :1].T, sample(2)[0]], axis=1)
    for y in np.repeat([[0], [1]], eta.shape[1], axis=1):
        one, other = Bernoulli(), Softmax(2)
        np.testing.assert_array_equal(one.truth(y), other.truth(y))
        truth = one.truth(y)
        for measured in (
            lambda loss: loss.loss,
            lambda loss: loss.margin,
            lambda loss: partial(residuals, loss),
        ):
            found, expected = (measured(loss)(eta, truth) for loss in (one, other))
            np.testing.assert_allclose(found, expected, rtol=4 * EPS)
        np.testing.assert_allclose(second(one, eta, 0, 0), second(other, eta, 0, 0), rtol=4 * EPS)


def test_softmax_probabilities_sum_to_one_and_ignore_a_common_shift():
    eta = np.random.default_rng(0).normal(scale=50.0, size=(30, 4))
    np.testing.assert_allclose(softmax(eta).sum(axis=1), 1.0, rtol=4 * EPS)
    np.testing.assert_array_equal(softmax(eta.round() + 2.0**30), softmax(eta.round()))


def test_margin_is_the_lead_of_the_true_class():
    eta = np.array([[2.0, -1.0], [2.0, 5.0], [-3.0, -1.0]]).T
    truth = Softmax(3).truth(np.array([1, 1, 0]))
    np.testing.assert_array_equal(Softmax(3).margin(eta, truth)[0], [2.0, -3.0, 1.0])
    one_vs_rest = Bernoulli((1, 2))
    truth = one_vs_rest.truth(np.array([1, 1, 0]))
    np.testing.assert_array_equal(one_vs_rest.margin(eta, truth).T, [[2.0, 1.0], [2.0, -5.0], [3.0, 1.0]])


@pytest.mark.parametrize("loss", [Bernoulli(), Bernoulli((0, 1, 2)), Softmax(3), Softmax(4)], ids=str)
@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
def test_what_is_squashed_less_the_aim_is_the_residual(loss, size):
    rng = np.random.default_rng(4)
    k = loss.n_problems * loss.n_coupled
    eta, truth = size * rng.normal(size=(k, 200)), loss.truth(rng.integers(k + 1, size=200))
    single = loss.unit * loss.squash((loss.unit * eta).astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(
        single - loss.aim(truth), residuals(loss, eta, truth), atol=1e-6 * min(size, 1e2), rtol=0.0
    )
    np.testing.assert_allclose(
        loss.unit * loss.squash(loss.unit * eta) - loss.aim(truth),
        residuals(loss, eta, truth),
        atol=4 * EPS,
        rtol=0.0,
    )

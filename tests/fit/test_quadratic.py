"""The lasso of a quadratic, against its optimality conditions and against solvers that share no code with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.fit.quadratic import lasso


def value(B, c, v, w):
    return 0.5 * w @ B @ w - c @ w + v @ np.abs(w)


def violation(B, c, v, w):
    slope = B @ w - c
    return np.where(w == 0.0, np.maximum(np.abs(slope) - v, 0.0), np.abs(slope + v * np.sign(w)))


def by_coordinates(B, c, v, sweeps=20_000):
    """Cyclic coordinate descent until nothing moves."""
    w = np.zeros(len(c))
    for _ in range(sweeps):
        before = w.copy()
        for j in range(len(w)):
            rest = c[j] - B[j] @ w + B[j, j] * w[j]
            w[j] = np.sign(rest) * max(abs(rest) - v[j], 0.0) / B[j, j]
        if np.abs(w - before).max() < 1e-15:
            break
    return w


def problem(seed, d, rows, weight, free=1):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(rows, d)) @ np.diag(10.0 ** rng.uniform(-2, 2, d))
    B = A.T @ A / rows
    c = B @ (rng.normal(size=d) * (rng.random(d) < 0.4)) + 0.1 * np.sqrt(np.diag(B)) * rng.normal(size=d)
    v = weight * np.abs(c).max() * rng.uniform(0.5, 1.0, d)
    v[:free] = 0.0
    return B, c, v


@pytest.mark.parametrize("weight", [0.0, 1e-4, 1e-2, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("d", [1, 2, 7, 15])
def test_agrees_with_long_coordinate_descent(d, weight):
    B, c, v = problem(d, d, 4 * d + 5, weight, free=min(1, d - 1))
    found, slow = lasso(B, c, v, np.zeros(d)), by_coordinates(B, c, v)
    np.testing.assert_allclose(found, slow, rtol=1e-9, atol=1e-11 * np.abs(slow).max(initial=1e-3))
    np.testing.assert_array_equal(found == 0.0, slow == 0.0)


def test_agrees_with_scipy_on_positive_and_negative_parts():
    """w = a - b with a, b >= 0 makes it a smooth problem in a box."""
    from scipy.optimize import minimize

    B, c, v = problem(3, 12, 60, 0.05)

    def smooth(parts):
        w = parts[:12] - parts[12:]
        slope = B @ w - c
        return 0.5 * w @ B @ w - c @ w + v @ (parts[:12] + parts[12:]), np.r_[slope + v, v - slope]

    their = minimize(
        smooth,
        np.zeros(24),
        jac=True,
        bounds=[(0, None)] * 24,
        method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 50_000, "ftol": 0, "gtol": 1e-12},
    )
    ours = value(B, c, v, lasso(B, c, v, np.zeros(12)))
    assert ours <= their.fun + 1e-12 * abs(ours)
    assert ours == pytest.approx(their.fun, rel=1e-7)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 30),
    st.floats(0.1, 3.0),
    st.sampled_from([0.0, 1e-3, 0.03, 0.3]),
    st.booleans(),
)
def test_optimality_conditions_from_any_start(seed, d, share, weight, far):
    """More columns than rows too, where the optimum is on a face that Cholesky can barely solve."""
    B, c, v = problem(seed, d, max(2, int(share * d)), weight)
    start = np.random.default_rng(seed + 1).normal(size=d) / np.sqrt(np.diag(B)) if far else np.zeros(d)
    if weight == 0.0 or share < 1.0:
        B = B + 1e-6 * np.diag(np.diag(B))
    found = lasso(B, c, v, start)
    unit = np.sqrt(np.diag(B))
    size = np.abs(B / unit[:, None]) @ np.abs(found) + np.abs(c / unit) + v / unit
    assert (violation(B, c, v, found) / unit <= 1e-9 * size.max()).all()


def test_copies_of_a_column_share_what_is_theirs_and_flat_ones_stay():
    B, c, v = problem(5, 6, 40, 0.02, free=0)
    alone = lasso(B, c, v, np.zeros(6))
    j = int(np.argmax(np.abs(alone)))
    twice = np.append(np.arange(6), j)
    wide = np.pad(B[np.ix_(twice, twice)], (0, 1))
    found = lasso(wide, np.append(c[twice], 0.0), np.append(v[twice], 0.0), np.append(np.zeros(7), 4.0))
    assert found[7] == 4.0
    merged = found[:6].copy()
    merged[j] += found[6]
    np.testing.assert_allclose(merged, alone, rtol=1e-9, atol=1e-12)


def test_the_solution_is_left_at_once_and_rounding_does_not_keep_it_busy():
    B, c, v = problem(9, 30, 100, 0.02)
    found = lasso(B, c, v, np.zeros(30))
    np.testing.assert_allclose(lasso(B, c, v, found), found, rtol=1e-12)

"""What the parameters of the scikit-learn face must be, in one table; a fit begins by asking."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from oddsmith.errors import InputError, visible
from oddsmith.fit.solvers import SOLVERS


def refuse_parameters(estimator: Any) -> None:
    """Raise InputError at the first parameter of an estimator, of those in the table, that is none."""
    for name, is_sound, wanted in _PARAMETERS:
        value = getattr(estimator, name, None)
        if hasattr(estimator, name) and not is_sound(value):
            raise InputError(f"{name}={visible(repr(value))}: give {wanted}.")


def _is_number(value: Any, least: float, most: float = math.inf) -> bool:
    is_real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return is_real and least <= value <= most and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return value is None or (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1
    )


def is_seed(value: Any) -> bool:
    """Whether this is a seed that NumPy takes."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= int(value) < 2**32


_PARAMETERS: list[tuple[str, Callable[[Any], bool], str]] = [
    ("alpha", lambda value: _is_number(value, 0.0), "a finite number, 0 or more"),
    ("l1_ratio", lambda value: _is_number(value, 0.0, 1.0), "a number from 0 to 1"),
    ("standardize", lambda value: isinstance(value, bool | np.bool_), "True or False"),
    (
        "solver",
        lambda value: isinstance(value, str) and value in {"auto", *SOLVERS},
        f"'auto' or one of {', '.join(map(repr, SOLVERS))}",
    ),
    (
        "multi_class",
        lambda value: isinstance(value, str) and value in {"softmax", "ovr"},
        "'softmax' or 'ovr'",
    ),
    ("fit_intercept", lambda value: isinstance(value, bool | np.bool_), "True or False"),
    (
        "class_weight",
        lambda value: (
            value is None or isinstance(value, Mapping) or (isinstance(value, str) and value == "balanced")
        ),
        "None, 'balanced' or a mapping from labels to weights",
    ),
    ("max_iter", _is_count, "None or a whole number, 1 or more"),
    ("tol", lambda value: _is_number(value, math.ulp(0.0)), "a finite number above 0"),
    ("n_threads", _is_count, "None, for all cores, or a whole number, 1 or more"),
    (
        "random_state",
        lambda value: (
            value is None or value is np.random or isinstance(value, np.random.RandomState) or is_seed(value)
        ),
        "None, a whole number from 0 to 4294967295, or a numpy.random.RandomState",
    ),
]
"""What each parameter must be."""

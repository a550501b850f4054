"""What a notebook hands over: rows that are numbers and labels of one kind, or a sentence that says why not.

scikit-learn's own checks come after these and see what they understand. They know neither that text can be
encoded, nor labels with gaps, nor booleans that pandas keeps as objects.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.block import Codes, Floats
from oddsmith.data.native import is_missing
from oddsmith.data.sparse import is_sparse
from oddsmith.errors import InputError, visible

NARROW = 1 << 16
"""Differences of whole numbers that are counted one by one."""
NO_NUMBER = (
    "Encode it as numbers in a pipeline, or use oddsmith.train, which reads text columns as categories."
)


def refuse_unfit(X: Any) -> None:
    """Raise InputError where `X` has two columns of one name, or some that are no numbers."""
    if isinstance(X, np.ndarray):
        if X.dtype.kind in "USMm":
            raise InputError(f"X holds {X.dtype}, which is no number. {NO_NUMBER}")
        return
    if is_sparse(X):
        return
    import narwhals as nw

    try:
        table = nw.from_native(X, pass_through=True)
        schema = table.schema if isinstance(table, nw.DataFrame) else None
    except nw.exceptions.DuplicateError as error:
        cause = visible(" ".join(str(error).split()), 200)
        raise InputError(f"X has two columns of one name: {cause}. Rename one of them.") from None
    if isinstance(table, nw.LazyFrame):
        raise InputError("X is a lazy table. Give X.collect().")
    if schema is None:
        return
    if any(str(dtype).startswith("Sparse[") for dtype in getattr(X, "dtypes", ())):
        raise InputError(
            "X has sparse columns. Give one sparse matrix, in pandas X.sparse.to_coo(), or dense columns, "
            "X.sparse.to_dense()."
        )
    for name, dtype in schema.items():
        if not (dtype.is_numeric() or dtype in (nw.Boolean, nw.Object, nw.Unknown)):
            raise InputError(
                f"column '{visible(str(name))}' of X holds {dtype}, which is no number. {NO_NUMBER}"
            )


def as_numbers(X: Any) -> Any:
    """`X` (n, p), an array or sparse, with Python objects - decimals, booleans with gaps - as doubles, None as NaN.

    Raises:
        InputError: it holds something that is no real number.
    """
    if X.dtype.kind in "fiub":
        return X
    try:
        if X.dtype.kind == "O":
            return X.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise InputError(f"X holds {X.dtype}, which is no number. {NO_NUMBER}")


def as_labels(y: Any) -> Any:
    """`y` (n,) as an array with the type of its labels; anything but a column of labels as it is.

    Raises:
        InputError: a row has no label, or labels are of different kinds.
    """
    if isinstance(y, list | tuple):
        try:
            y = np.asarray(y)
        except ValueError:  # rows of unequal length, of which scikit-learn speaks
            return y
    if not isinstance(y, np.ndarray):
        import narwhals as nw

        series = nw.from_native(y, pass_through=True, allow_series=True)
        if not isinstance(series, nw.Series):
            return y
        _refuse_gaps(series.is_null().to_numpy())
        y = series.to_numpy()
    if y.ndim != 1:
        return y
    if y.dtype.kind == "f":
        _refuse_gaps(np.isnan(y))
    return _of_one_kind(y) if y.dtype.kind == "O" else y


def one_a_row(given: Any, name: str, n_rows: int) -> Floats:
    """Numbers (n,) as a caller in Python gives them under this name: one for each row, or one for all.

    Raises:
        InputError: it holds something that is no number, or there are too many or too few.
    """
    try:
        found = np.asarray(given)
        found = found.astype(np.float64, casting="unsafe" if found.dtype.kind in "OUS" else "same_kind")
    except (TypeError, ValueError):
        raise InputError(
            f"{name} holds something that is no number. Give one number for each of {n_rows:,} rows."
        ) from None
    found = np.full(n_rows, float(found)) if found.ndim == 0 else found
    if found.shape != (n_rows,):
        raise InputError(f"{name} has the shape {found.shape}. Give one number for each of {n_rows:,} rows.")
    return found


def coded(y: NDArray[Any]) -> tuple[NDArray[Any], Codes]:
    """Labels in order (K,), and the place of each row's label among them (n,)."""
    least = int(y.min()) if y.dtype.kind in "iu" and len(y) else None
    if least is not None and int(y.max()) - least < NARROW:  # counting is faster than sorting or hashing
        places = (y - y.dtype.type(least) if y.itemsize == 8 else y.astype(np.int64) - least).astype(np.int64)
        found = [0, 1] if places.max() == 1 else np.flatnonzero(np.bincount(places)).tolist()
        classes = np.array([least + place for place in found], dtype=y.dtype)
        if len(found) == found[-1] + 1:
            return classes, places
    else:
        classes = np.unique(y)
    if len(classes) == 2:
        return classes, (y == classes[1]).astype(np.int64)
    return classes, np.searchsorted(classes, y)


def _of_one_kind(y: NDArray[Any]) -> NDArray[Any]:
    """Python objects (n,) as texts, booleans or numbers, whichever all of them are."""
    kinds = set(map(type, y))
    if all(issubclass(kind, str) for kind in kinds):
        return y
    _refuse_gaps(np.array([is_missing(label) for label in y], dtype=bool))
    for common, dtype in ((bool | np.bool_, np.bool_), (Integral, np.int64), (Real, np.float64)):
        if all(issubclass(kind, common) for kind in kinds):
            try:
                return y.astype(dtype)
            except OverflowError:
                return y
    first = y[0]
    other = next((label for label in y if type(label) is not type(first)), first)
    if isinstance(first, str) or isinstance(other, str):
        raise InputError(
            f"y has labels of different kinds, such as {visible(repr(first))} and {visible(repr(other))}. "
            f"Give all as one kind, for example as texts."
        )
    return y


def _refuse_gaps(missing: NDArray[np.bool_]) -> None:
    if missing.any():
        raise InputError(
            f"y has no label in row {int(missing.argmax())} (from 0), {int(missing.sum()):,} of {len(missing):,} "
            f"rows in all. Leave out rows without a label."
        )

"""Cells come back as they were kept, whatever was expected; the matrix of numbers is the design matrix itself."""

import numpy as np
import polars as pl
import pytest

from oddsmith.data.kept import Kept

HEIGHTS = [5, 7, 1, 9]
BATCHES = np.split(np.random.default_rng(2).normal(size=(sum(HEIGHTS), 3)), np.cumsum(HEIGHTS)[:-1])


def kept(expected: float, room: float = 1e9) -> Kept:
    found = Kept(expected, room)
    for number, batch in enumerate(BATCHES):
        found.begin(len(batch))
        for name, column in zip("abc", batch.T, strict=True):
            found.add(number, name, column)
    return found


@pytest.mark.parametrize("expected", [0.0, 5.0, 22.0, 1e6])
def test_numbers_lie_row_by_row_however_many_were_expected(expected):
    found = kept(expected)
    for number, batch in enumerate(BATCHES):
        assert np.array_equal(np.transpose(found.cells(number, ["c", "a"])), batch[:, [2, 0]])
    X = found.filled(dict.fromkeys("abc", 0.0))
    assert X is not None
    assert np.array_equal(X, np.concatenate(BATCHES))
    assert X.flags.c_contiguous
    assert found.held == X.nbytes


def test_gaps_are_filled_and_other_columns_are_no_matrix():
    found = kept(22.0)
    found.add(2, "b", np.array([np.nan]))
    assert found.filled({"a": 0.0, "b": 0.0}) is None
    assert found.filled({"b": 0.0, "a": 0.0, "c": 0.0}) is None
    X = found.filled({"a": 1.0, "b": 2.0, "c": 3.0})
    assert X is not None
    assert X[12].tolist() == [BATCHES[2][0, 0], 2.0, BATCHES[2][0, 2]]


def test_texts_take_the_place_of_numbers():
    found = kept(22.0)
    words = pl.Series(["u"] * 7)
    found.add(1, "b", words)
    assert found.cells(1, ["b"])[0] is words
    assert np.array_equal(found.cells(0, ["b"])[0], BATCHES[0][:, 1])
    assert found.filled(dict.fromkeys("abc", 0.0)) is None


def test_no_more_is_set_aside_than_there_is_room_for():
    assert kept(1e15, room=1000.0).fits
    assert not kept(1e15, room=100.0).fits

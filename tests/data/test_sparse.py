"""Sparse rows: canonical without touching what was given, cut into blocks, measured without being filled."""

import numpy as np
import pytest
import scipy.sparse as sp

from oddsmith.data.block import ArraySource, SparseRows
from oddsmith.data.moments import measures
from oddsmith.data.sparse import (
    FEW_CELLS,
    FEW_COLUMNS,
    SparseSource,
    compressed,
    pays_threads,
    place_of_cell,
    source_of,
)
from oddsmith.errors import InputError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(200, 9)) * (RNG.random((200, 9)) < [0.05, 0.3, 0.5, 0.9, 1.0, 1.0, 0.0, 0.02, 0.4])
X[17] = 0.0
X[:, 4] = 7.25
X[:, 5] += 1e6
WEIGHT = RNG.uniform(0.1, 2.0, 200) * (RNG.random(200) < 0.8)
Y = RNG.integers(0, 2, 200)
ROWS = sp.csr_array(X)


def same_cells(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("data", "indices", "indptr"))


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr"])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
def test_every_format_is_the_same_rows(form, kind):
    assert same_cells(compressed(kind(X).asformat(form)), ROWS)


def test_duplicates_and_disorder_are_mended_in_a_copy():
    data, columns = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2, 0, 2, 1])
    given = sp.csr_matrix((data, columns, np.array([0, 3, 4])), shape=(2, 3))
    found = compressed(given)
    np.testing.assert_array_equal(found.toarray(), [[2.0, 0.0, 4.0], [0.0, 4.0, 0.0]])
    assert found.nnz == 3
    assert given.indices.tolist() == [2, 0, 2, 1]
    assert given.data.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_indices_take_four_bytes_and_cells_keep_their_precision():
    wide = sp.csr_array(
        (ROWS.data, ROWS.indices.astype(np.int64), ROWS.indptr.astype(np.int64)), shape=X.shape
    )
    found = compressed(wide)
    assert (found.indices.dtype, found.indptr.dtype) == (np.int32, np.int32)
    assert np.shares_memory(found.data, ROWS.data)
    for dtype, kept in ((np.float32, np.float32), (np.int8, np.float64), (bool, np.float64)):
        assert compressed(ROWS.astype(dtype)).dtype == kept
    counts = sp.coo_array((np.full(3, 100, np.int8), ([0, 0, 0], [1, 1, 1])), shape=(1, 2))
    assert compressed(counts).toarray().tolist() == [[0.0, 300.0]]


def test_indices_that_point_beyond_are_refused():
    broken = ROWS.copy()
    broken.indices[3] = 9
    with pytest.raises(InputError, match=r"X is no sound sparse matrix: .*Make it anew from its cells"):
        compressed(broken)


def test_the_place_of_a_cell():
    rows, columns = ROWS.nonzero()
    for number in (0, 5, ROWS.nnz - 1):
        assert place_of_cell(ROWS, number) == (rows[number], columns[number])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_blocks_cover_every_row_once(dtype):
    n, p = 40_000, 30
    draws = np.random.default_rng(1)
    rows = compressed(sp.csr_array((draws.random((n, p)) * (draws.random((n, p)) < 0.3)).astype(dtype)))
    source = SparseSource(rows, np.arange(n), np.arange(n) / n)
    blocks = list(source)
    assert len(blocks) == rows.nnz // (1 << 17)
    sizes = [block.X.matrix.nnz for block in blocks]
    assert max(sizes) < 1.01 * min(sizes)
    assert (
        sp.vstack([block.X.matrix for block in blocks]).toarray().tobytes()
        == rows.toarray().astype(float).tobytes()
    )
    np.testing.assert_array_equal(np.concatenate([block.y for block in blocks]), np.arange(n))
    np.testing.assert_array_equal(
        np.concatenate([block.sample_weight for block in blocks]), source.sample_weight
    )
    for block in blocks:
        assert np.shares_memory(block.X.matrix.data, rows.data) is (dtype == np.float64)
        assert np.shares_memory(block.X.matrix.indices, rows.indices)
        assert np.shares_memory(block.X.turned.data, block.X.matrix.data)
        assert block.X.matrix.dtype == np.float64
    taken = source.take(np.array([3, 77, n - 1]))
    np.testing.assert_array_equal(taken.X.matrix.toarray(), rows[[3, 77, n - 1]].toarray().astype(np.float64))


def test_few_cells_of_few_columns_are_written_out():
    assert isinstance(source_of(ROWS, Y), ArraySource)
    assert isinstance(source_of(X, Y), ArraySource)
    for shape in ((10, FEW_COLUMNS + 1), (FEW_CELLS // 10 + 1, 10)):
        source = source_of(sp.csr_array(shape), np.zeros(shape[0], dtype=np.int64))
        assert isinstance(source, SparseSource)
        assert not pays_threads(source)
    assert not pays_threads(source_of(X, Y))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["bare", "weighted"])
@pytest.mark.parametrize("block_rows", [7, 64, 1000])
def test_columns_measure_what_they_do_when_written_out(weight, block_rows):
    found = measures(SparseSource(ROWS, Y, weight, block_rows))
    expected = measures(ArraySource(X, Y, weight))
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-13, atol=1e-16)
    # Where means merge far from zero, a gap of sigma / 1e6 is a matter of rounding.
    np.testing.assert_allclose(found.sigma, expected.sigma, rtol=1e-9)
    assert found.sigma[4] == found.sigma[6] == 0.0
    assert found.mean[4] == 7.25
    largest = np.abs(X).max(axis=0)
    assert (found.largest >= largest * (1.0 - 1e-12)).all()


@pytest.mark.parametrize("power", [-300, -160, 160, 300])
def test_cells_of_any_size_are_measured(power):
    unit = np.where(np.arange(9) == 3, 10.0**power, 1.0)
    found = measures(SparseSource(sp.csr_array(X * unit), Y, WEIGHT, 50))
    expected = measures(SparseSource(ROWS, Y, WEIGHT, 50))
    np.testing.assert_allclose(found.mean, expected.mean * unit, rtol=1e-13)
    np.testing.assert_allclose(found.sigma, expected.sigma * unit, rtol=1e-12)


def test_a_gap_is_measured_as_one():
    rows = ROWS.copy()
    rows.data[5] = np.nan
    column = rows.indices[5]
    assert np.isnan(measures(SparseSource(rows, Y)).largest).tolist() == [j == column for j in range(9)]


def test_rows_are_their_own_transpose():
    rows = SparseRows(ROWS)
    np.testing.assert_array_equal(rows.turned.toarray(), X.T)
    np.testing.assert_array_equal(rows.squared.toarray(), X.T**2)
    assert (len(rows), rows.shape) == (200, (200, 9))

"""What is described in little memory is what is described in much."""

import numpy as np
import polars as pl
import pytest

from oddsmith.data import describing
from oddsmith.data import pieces as pieces_module
from oddsmith.data.describe import LevelSummary, NumericSummary
from oddsmith.data.describing import describe
from oddsmith.data.pieces import Pieces
from oddsmith.data.table import Table
from oddsmith.errors import DataWarning, InputError

N = 1500


@pytest.fixture
def little(monkeypatch):
    """Sets the memory that is available, and the size of a piece."""

    def little(memory, size=10_000):
        monkeypatch.setattr(describing, "available", lambda: memory)
        monkeypatch.setattr(pieces_module, "piece_size", lambda memory=None: size)

    return little


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("describing") / "t.csv"
    pl.DataFrame(
        {
            "normal": rng.normal(3, 2, N),
            "far": 1e9 + np.round(rng.normal(size=N), 4),
            "few": rng.integers(0, 4, N),
            "alike": np.full(N, 7.25),
            "tiny": rng.normal(size=N) * 1e-200,
            "huge": rng.exponential(size=N) * 1e200,
            "signs": rng.choice([-1.0, 1.0], N) * np.exp(rng.normal(0, 20, N)),
            "gaps": [
                None if gone else value
                for gone, value in zip(rng.random(N) < 0.4, rng.normal(size=N), strict=True)
            ],
            "text": rng.choice(["a", "b", "ccc"], N, p=[0.2, 0.3, 0.5]),
            "late": ["1.5"] * (N - 1) + ["x"],
            "ids": [f"row {i}" for i in range(N)],
            "nothing": [None] * N,
            "one": [4.5] + [None] * (N - 1),
        }
    ).write_csv(path)
    return path


@pytest.mark.slow
def test_figures_are_the_same_in_little_memory(path, little):
    little(1e9, 1 << 20)
    expected = describe(Pieces(path))
    little(0.0)
    pieces = Pieces(path)
    found = describe(pieces)
    assert len(list(pieces)) > 10
    for one, other in zip(expected, found, strict=True):
        assert type(one) is type(other)
        if isinstance(one, LevelSummary):
            assert (one.name, one.count, one.missing) == (other.name, other.count, other.missing)
            continue
        for name in ("name", "count", "missing", "distinct", "min", "q25", "q50", "q75", "max"):
            assert getattr(one, name) == getattr(other, name), (one.name, name)
        assert other.mean == pytest.approx(one.mean, rel=3e-16, abs=0)
        if one.count == 1:
            assert (other.std, other.skewness) == (one.std, one.skewness) == (None, None)
            continue
        assert other.std == pytest.approx(one.std, rel=1e-13)
        assert other.skewness == pytest.approx(one.skewness, rel=1e-11, abs=1e-13)


@pytest.mark.slow
def test_figures_do_not_depend_on_where_a_file_is_cut(path, little):
    little(0.0, 3000)
    one = [summary for summary in describe(Pieces(path)) if isinstance(summary, NumericSummary)]
    little(0.0, 20_000)
    other = [summary for summary in describe(Pieces(path)) if isinstance(summary, NumericSummary)]
    assert one == other


def test_cells_that_fit_are_counted_exactly(path, little):
    little(1e9, 1 << 20)
    expected = {summary.name: summary for summary in describe(Pieces(path))}
    little(8 * 100 * 13 * 50)
    found = {summary.name: summary for summary in describe(Pieces(path))}
    for name in ("text", "late", "nothing"):
        assert found[name] == expected[name]
    assert expected["ids"].most_common == "row 0"
    ids = found["ids"]
    assert (ids.count, ids.missing, ids.distinct, ids.most_common) == (N, 0, N, None)
    assert ids.most_common_count >= 1


def test_a_frequent_cell_is_found_among_many(tmp_path, little):
    rng = np.random.default_rng(3)
    cells = np.array([f"rare {i}" for i in range(4000)], dtype=object)
    cells[rng.permutation(4000)[:1500]] = "often"
    cells[rng.permutation(4000)[:900]] = "also"
    path = tmp_path / "t.csv"
    path.write_text("x\n" + "\n".join(cells) + "\n")
    little(8 * 100 * 40)
    (summary,) = describe(Pieces(path))
    assert summary.most_common == "often"
    assert summary.most_common_count == int((cells == "often").sum())
    assert summary.distinct == len(set(cells))
    assert summary.distinct_exact


def test_more_different_numbers_than_hashes_are_an_estimate_that_says_so(tmp_path, little, monkeypatch):
    monkeypatch.setattr(describing, "MOST_DIFFERENT", 256)
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "\n".join(f"{i / 7},{i % 200}" for i in range(5000)) + "\n")
    little(0.0)
    one, other = describe(Pieces(path))
    assert not one.distinct_exact
    assert abs(one.distinct - 5000) < 4 * 5000 / 16
    assert (other.distinct, other.distinct_exact) == (200, True)


def test_whole_numbers_beyond_doubles_are_counted_as_they_are_written(tmp_path, little):
    path = tmp_path / "t.csv"
    path.write_text("x\n" + "\n".join(str(2**60 + i) for i in range(500)) + "\n")
    little(0.0, 100)
    with pytest.warns(
        DataWarning, match=rf"^{path}:3:1: '1152921504606846977' has more digits .* \(498 such cells\)"
    ):
        (summary,) = describe(Pieces(path))
    assert summary.distinct == 500


def test_a_column_of_lists_is_refused_whatever_the_memory(little):
    little(0.0)
    with pytest.raises(InputError, match=r"^table: column 'x' holds List"):
        describe(Table(pl.DataFrame({"x": [[1], [2]]}), "table"))

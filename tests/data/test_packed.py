"""The packed design matrix: the same blocks and the same model as in memory, and nothing left behind."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import namedtuple

import msgspec
import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data.block import ArraySource
from oddsmith.data.packed import PackedSource, blocks_of, read_ahead
from oddsmith.errors import InputError
from oddsmith.workflow import training

RNG = np.random.default_rng(8)
linux = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc as Linux has them")


def sources(n, p, *, weighted, size=1000):
    X = RNG.normal(size=(n, p))
    y = RNG.integers(0, 2, n).astype(np.int16)
    weight, offset = (RNG.random(n), RNG.normal(size=n)) if weighted else (None, None)
    packed = PackedSource((X[at : at + size] for at in range(0, n, size)), X.shape, y, weight, offset)
    return ArraySource(X, y, weight, offset=offset), packed


def same(one, other):
    np.testing.assert_array_equal(one.X, other.X, strict=True)
    np.testing.assert_array_equal(one.y, other.y, strict=True)
    for name in ("sample_weight", "offset"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("n", "p"), [(1, 3), (8192, 1), (40_000, 7), (3000, 400), (1000, 5000), (5, 0)])
def test_packed_blocks_are_those_of_the_array(n, p, weighted):
    whole, packed = sources(n, p, weighted=weighted)
    assert (packed.n_rows, packed.n_columns, packed.dtype) == (n, p, whole.dtype)
    for _ in range(2):
        for one, other in zip(whole, packed, strict=True):
            same(one, other)
            assert other.X.flags.c_contiguous
    for rows in (
        np.arange(n),
        np.unique(RNG.integers(0, n, 50)),
        RNG.permutation(n)[:300],
        np.array([n - 1]),
    ):
        same(whole.take(rows), packed.take(rows))
    packed.close()


def test_parts_of_any_size_give_the_same_blocks():
    X, y = RNG.normal(size=(30_000, 6)), np.arange(30_000)
    cuts = np.sort(RNG.integers(0, 30_000, 40))
    for one, other in zip(ArraySource(X, y), blocks_of(np.split(X, cuts), y, None), strict=True):
        same(one, other)


def test_what_is_read_ahead_comes_in_order_and_an_error_at_its_place():
    def items():
        yield from range(5)
        raise InputError("the sixth")

    found = []
    with pytest.raises(InputError, match="the sixth"):
        found.extend(read_ahead(items()))
    assert found == [] or found == list(range(5))
    abandoned = read_ahead(iter(range(1000)))
    assert [next(abandoned), next(abandoned)] == [0, 1]
    abandoned.close()


def test_without_a_thread_to_spare_nothing_is_read_ahead(monkeypatch):
    def refused(self, *args):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.submit", refused)
    assert list(read_ahead(iter(range(9)))) == list(range(9))


def test_a_disk_that_is_too_small_is_refused_before_a_byte_is_written(monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(2e9, 1.9e9, 1e8))
    with pytest.raises(InputError) as refusal:
        PackedSource(iter([]), (1_000_000, 50), np.zeros(0, dtype=np.int16), None)
    assert str(refusal.value) == (
        f"the design matrix of 1,000,000 rows and 50 terms takes 400 MB in {tempfile.gettempdir()}, where 100 MB are "
        f"free. Name a folder with more room in TMPDIR, or say --no-cache to read the data in every pass."
    )


@linux
def test_a_disk_that_fills_up_meanwhile_is_a_sentence():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(
            InputError, match=r"could not be kept in a temporary file \(File too large\)\. Name a"
        ):
            sources(10_000, 5, weighted=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


N = 3000
TABLE = {
    "x": RNG.normal(size=N),
    "z": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
    "level": RNG.choice(["a", "b", "c"], N).tolist(),
    "weight": RNG.uniform(0.5, 2.0, N),
}
TABLE["y"] = np.where(TABLE["x"] + RNG.logistic(size=N) > 0, "yes", "no").tolist()
TABLE["three"] = RNG.choice(["p", "q", "r", None], N).tolist()


@pytest.mark.parametrize(
    "options",
    [
        {"target": "y", "drop": ["three"], "missing_indicator": True},
        {"target": "three", "drop": ["y"], "weight": "weight", "alpha": 0.01},
        {"target": "y", "drop": ["three"], "alpha": 0.01, "l1_ratio": 0.9},
        {"target": "y", "drop": ["three"], "solver": "mini-batch", "epochs": 2, "batch_size": 500},
    ],
)
def test_memory_file_and_rows_give_the_same_model(tmp_path, monkeypatch, options):
    path = tmp_path / "rows.csv"
    pl.DataFrame(TABLE).fill_nan(None).write_csv(path)

    def trained(**how):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return msgspec.json.encode(oddsmith.train(path, **options, **how).record)

    expected = trained()
    monkeypatch.setattr(training, "HELD", 0.0)
    monkeypatch.setattr("oddsmith.data.batches._MOST", 700)
    kept = trained()
    monkeypatch.setattr(training, "KEPT", 0.0)
    assert trained() == kept
    if "epochs" in options:
        with pytest.raises(InputError, match=r"^--no-cache: --solver mini-batch takes rows in any order"):
            trained(cache=False)
    else:
        assert trained(cache=False) == kept
    monkeypatch.setattr(training, "HELD", 0.6)
    assert trained(memory="3GB") == kept
    monkeypatch.setattr("oddsmith.data.batches._MOST", 1 << 16)
    assert trained(memory=1e12) == expected


INTERRUPTED = """
import os, sys
import oddsmith
from oddsmith.data import packed
from oddsmith.workflow import training
training.KEPT = training.HELD = 0.0
take = packed.PackedSource.take
def told(self, rows):
    print(os.readlink(f"/proc/self/fd/{self._file.fileno()}"), flush=True)
    sys.stdin.readline()
    return take(self, rows)
packed.PackedSource.take = told
from oddsmith.cli import main
main(sys.argv[1:])
"""


@linux
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_a_fit_leaves_no_file(tmp_path, number):
    """The packed file has no name from the beginning, and its room is free once the process is gone."""
    path, folder = tmp_path / "rows.csv", tmp_path / "temporary"
    folder.mkdir()
    pl.DataFrame(TABLE).fill_nan(None).write_csv(path)
    command = [
        sys.executable,
        "-c",
        INTERRUPTED,
        "train",
        str(path),
        "--target",
        "y",
        "-o",
        str(tmp_path / "m.json"),
    ]
    with subprocess.Popen(
        command,
        env=os.environ | {"TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told.startswith(str(folder))
        assert "(deleted)" in told
        assert list(folder.iterdir()) == []
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in said
    assert list(folder.iterdir()) == []
    assert sorted(item.name for item in tmp_path.iterdir()) == ["rows.csv", "temporary"]

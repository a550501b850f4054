"""oddsmith train --memory and --no-cache: the same file as without them, and sentences where something is amiss."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from oddsmith.cli.options import Working
from oddsmith.data.packed import PackedSource
from oddsmith.workflow import training

TRAIN = "train requests.csv --target needs_review --id request --alpha 0.01 -o again.json"


@pytest.fixture
def without_room(monkeypatch):
    """Neither cells nor the design matrix stay in memory."""
    monkeypatch.setattr(training, "KEPT", 0.0)
    monkeypatch.setattr(training, "HELD", 0.0)


@pytest.mark.parametrize("options", ["", "--memory 2GB", "--memory 1.9GiB --no-cache", "--no-cache"])
def test_the_model_file_is_the_same(shop, without_room, options):
    outcome = shop(f"{TRAIN} {options}")
    assert (outcome.code, outcome.out) == (0, "")
    assert Path("again.json").read_bytes() == Path("review.json").read_bytes()


@pytest.mark.slow
def test_no_byte_depends_on_threads_or_on_where_the_rows_are(command, tmp_path, monkeypatch):
    """Many blocks of a file, in memory and packed."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200_000, 8))
    y = rng.random(len(X)) < 1.0 / (1.0 + np.exp(-X @ rng.standard_normal(8)))
    table = pl.DataFrame({f"x{j}": column for j, column in enumerate(X.T)} | {"y": y.astype(int)})
    table.write_csv(tmp_path / "rows.csv")
    models = set()
    for room in (1.0, 0.0):
        if not room:
            monkeypatch.setattr(training, "KEPT", room)
            monkeypatch.setattr(training, "HELD", room)
        for threads in (1, 2, 8):
            outcome = command(
                f"train {tmp_path / 'rows.csv'} --target y --threads {threads} -o {tmp_path / 'm.json'}"
            )
            assert outcome.code == 0, outcome.err
            models.add((tmp_path / "m.json").read_bytes())
    assert len(models) == 1


def test_no_threads_are_refused(shop):
    outcome = shop(f"{TRAIN} --threads 0")
    assert (outcome.code, outcome.err) == (2, "oddsmith: --threads 0: give a whole number, 1 or more.\n")


def test_from_standard_input_and_in_parts(shop, without_room):
    rows = Path("requests.csv").read_bytes()
    outcome = shop(TRAIN.replace("requests.csv", "-"), stdin=rows)
    assert outcome.code == 0, outcome.err
    assert Path("again.json").read_bytes() == Path("review.json").read_bytes()
    header, *lines = rows.splitlines(keepends=True)
    for number in range(3):
        Path(f"part-{number}.csv").write_bytes(header + b"".join(lines[number * 100 : number * 100 + 100]))
    outcome = shop(TRAIN.replace("requests.csv", "'part-*.csv'"))
    assert outcome.code == 0, outcome.err
    one, other = Path("again.json").read_text(), Path("review.json").read_text()
    assert one[: one.index('"training"')] == other[: other.index('"training"')]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--memory lots", "oddsmith: --memory 'lots' is no size. Say it as in 1GB, 500MB or 2GiB.\n"),
        ("--memory 10kB", "oddsmith: --memory 10kB: too little to read anything. Give 500 MB or more.\n"),
    ],
)
def test_a_memory_that_is_none_is_refused(shop, options, sentence):
    outcome = shop(f"{TRAIN} {options}")
    assert (outcome.code, outcome.err) == (2, sentence)


def test_a_file_that_changes_between_two_passes_is_noticed(shop, without_room, monkeypatch):
    Path("rows.csv").write_bytes(Path("requests.csv").read_bytes())
    write = PackedSource._write

    def changed(self, parts):
        with Path("rows.csv").open("ab") as stream:
            stream.write(b"R00301,2025-01-01,sales,true,1.0,1.0,1\n")
        write(self, parts)

    monkeypatch.setattr(PackedSource, "_write", changed)
    outcome = shop(TRAIN.replace("requests.csv", "rows.csv"))
    assert outcome.code == 2
    assert outcome.err.startswith("oddsmith: rows.csv: ")
    assert outcome.err.count("\n") == 1
    assert not Path("again.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a full disk, as POSIX systems say it")
def test_a_full_disk_is_one_sentence(shop, without_room, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/dev/full")
    outcome = shop(TRAIN)
    assert outcome.code == 2
    assert "could not be kept in a temporary file" in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_bar_tells_rows_passes_and_their_speed(monkeypatch):
    clock = iter([0.0, 2.0, 4.0, 10.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    told = []
    working = Working(lambda *figures: told.append(figures))
    working.rows(1000)
    working.rows(2000)
    working(3, 100, np.array([0.25]))
    working.rows(1000, 8000)
    working.rows(7000, 8000)
    assert told == [
        (0, None, "1,000 rows"),
        (0, None, "3,000 rows  1,500 rows/s"),
        (3, 100, "3/100  loss 0.25"),
        (3, 100, "3/100  loss 0.25  pass 0.1"),
        (3, 100, "3/100  loss 0.25  pass 1.0  1,333 rows/s"),
    ]

"""What will not fit is refused in a sentence, before anything is taken that cannot be given."""

import gzip
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data import cells, columns, memory
from oddsmith.data.cells import NUMBER, MissingMarkers
from oddsmith.data.columns import ColumnOptions, classify
from oddsmith.data.describing import describe
from oddsmith.data.design import Design
from oddsmith.data.memory import available, require, shown_size
from oddsmith.data.read import read_table
from oddsmith.data.scan import Dialect, scan
from oddsmith.data.table import Table
from oddsmith.data.target import MOST_CLASSES
from oddsmith.errors import InputError
from oddsmith.workflow.fitting import MOST_COEFFICIENTS

linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits are read from /proc")
MARKERS = MissingMarkers.from_options((), ())


@pytest.fixture
def memory_of(monkeypatch):
    return lambda size: monkeypatch.setattr(memory, "available", lambda: size)


def test_what_is_lacking_is_said_with_a_remedy(memory_of):
    memory_of(1.29e9)
    require(1.29e9, "this")
    with pytest.raises(InputError) as refusal:
        require(1.3e9, "this", "Do that.")
    assert str(refusal.value) == "this needs about 1.3 GB of memory; 1.2 GB are available. Do that."


def test_little_needs_no_question(memory_of):
    memory_of(0.0)
    require(memory.NEGLIGIBLE - 1, "this")
    with pytest.raises(InputError, match="needs about 1 MB of memory; 0 MB are available"):
        require(memory.NEGLIGIBLE, "this")


def test_sizes_are_said_in_megabytes_and_gigabytes():
    assert [shown_size(size) for size in (2e6, 999.4e6, 1e9, 1.26e12)] == [
        "2 MB",
        "999 MB",
        "1.0 GB",
        "1,260.0 GB",
    ]


def limited(code: str, gigabytes: float) -> str:
    """What Python prints in a process whose address space is limited."""
    limit = int(gigabytes * 2**30)
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n" + code
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return run.stdout + run.stderr


@linux
def test_the_address_space_is_a_limit():
    printed = limited("from oddsmith.data.memory import available; print(available())", 3)
    assert 1e9 < float(printed) < 3 * 2**30


@linux
@pytest.mark.slow
def test_threads_leave_a_limited_address_space_to_the_data():
    code = "import polars as pl; from oddsmith.data.memory import available; print(available())"
    used = "import io; pl.read_csv(io.BytesIO(b'a\\n1\\n')); print(available())"
    spared = "from oddsmith.data.memory import spare_address_space; spare_address_space()\n"
    before, after = map(float, limited(f"{spared}{code}; {used}", 6).split())
    assert before - after < 200e6


@pytest.mark.parametrize(
    ("limit", "usage", "stat", "left"),
    [
        ("memory.max", "memory.current", "anon 5\ninactive_file 300\n", 0.9 * 700),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "cache 5\ntotal_inactive_file 300\n", 0.9 * 700),
    ],
)
def test_a_control_group_is_a_limit(tmp_path, monkeypatch, limit, usage, stat, left):
    (tmp_path / limit).write_text("1000\n")
    (tmp_path / usage).write_text("600\n")
    (tmp_path / "memory.stat").write_text(stat)
    monkeypatch.setattr(memory, "_groups", lambda: (tmp_path / "without", tmp_path))
    assert available() == pytest.approx(left)


@pytest.mark.parametrize(
    ("name", "content"),
    [("memory.max", "max"), ("memory.limit_in_bytes", str(2**63 - 4096)), ("memory.max", "")],
)
def test_a_control_group_without_limit_is_none(tmp_path, monkeypatch, name, content):
    (tmp_path / name).write_text(content)
    monkeypatch.setattr(memory, "_groups", lambda: (tmp_path,))
    assert list(memory._groups_left()) == []


def test_control_groups_are_found_with_those_around_them(tmp_path):
    listing = tmp_path / "cgroup"
    listing.write_text("9:cpu:/x\n4:memory,blkio:/a/b\n0::/c\n")
    assert memory._groups(listing, Path("/m")) == tuple(
        map(Path, ["/m/memory/a/b", "/m/memory/a", "/m/memory", "/m/c", "/m"])
    )
    assert memory._groups(tmp_path / "nowhere", Path("/m")) == ()


def test_where_nothing_is_known_nothing_is_refused(monkeypatch):
    for source in ("_limits_left", "_groups_left", "_system_left"):
        monkeypatch.setattr(memory, source, lambda: iter(()))
    assert available() == math.inf


def test_reading_asks_for_its_cells_and_columns(tmp_path, memory_of):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 200_000)
    memory_of(9e6)
    with pytest.raises(InputError) as refusal:
        read_table(path)
    assert str(refusal.value).startswith(
        f"{path}: reading 200,001 lines of 2 cells needs about 15 MB of memory; 9 MB are available."
    )


def test_a_long_record_is_refused_before_it_is_looked_at(memory_of):
    memory_of(300e6)
    body = b'a,b\n1,2\n1,"' + b"x\n" * (12 << 20)
    with pytest.raises(InputError) as refusal:
        scan(body, Dialect("t.csv", ",", '"', header=True))
    assert str(refusal.value) == (
        "t.csv:3: line 3 goes on for more than 16 MB, and reading it needs about 873 MB of memory; 300 MB are "
        "available. Check the delimiter and the quotes, or take this line out."
    )


def test_columns_and_matrices_ask_too(memory_of, monkeypatch):
    table = Table(pl.DataFrame({"x": np.arange(50_000) % 7, "t": ["a", "b"] * 25_000}), "table")
    plan = classify(table, ColumnOptions())
    memory_of(1e6)
    with pytest.raises(
        InputError, match=r"^column 'x': looking at its 50,000 cells needs about 2 MB of memory"
    ):
        classify(table, ColumnOptions())
    with pytest.raises(InputError, match=r"^column 'x': looking at its 50,000 cells needs"):
        describe(table)
    monkeypatch.setattr(cells, "_require_room", lambda series, each: None)
    with pytest.raises(
        InputError, match=r"^the design matrix of 50,000 rows and 2 terms needs about 6 MB of memory"
    ):
        Design.learn(plan, MARKERS, missing_indicator=False).whole(plan.survey)


def test_a_fit_asks_for_its_hessians(memory_of):
    rng = np.random.default_rng(0)
    table = {f"x{j}": rng.normal(size=100) for j in range(60)} | {"y": rng.integers(0, 5, 100)}
    memory_of(4e6)
    with pytest.raises(InputError) as refusal:
        oddsmith.train(table, "y")
    assert str(refusal.value) == (
        "a fit of 244 coefficients needs about 6 MB of memory; 4 MB are available. Use fewer columns or levels, or a "
        "machine with more memory."
    )
    memory_of(1.7e6)
    with pytest.raises(InputError, match=r"^a fit of 61 coefficients for each of 5 classes needs about 2 MB"):
        oddsmith.train(table, "y", multi_class="ovr")


def test_classes_beyond_proportion_are_refused():
    labels = [f"k{i % (MOST_CLASSES + 1)}" for i in range(4 * MOST_CLASSES)]
    table = {"x": np.arange(len(labels)) % 7 / 2, "y": labels}
    with pytest.raises(InputError) as refusal:
        oddsmith.train(table, "y")
    assert str(refusal.value) == (
        "table: target 'y' has 1,001 classes; 1,000 can be fitted. Choose another column, or an expression with few "
        "results."
    )


def test_features_beyond_proportion_are_refused_before_the_others_are_looked_at(monkeypatch):
    monkeypatch.setattr("oddsmith.workflow.training.MOST_COEFFICIENTS", 3)
    table = {f"x{j}": [0.5, 1.5, 2.5, 0.5] for j in range(5)} | {"t": [[1], [2], [3], [4]], "y": [0, 1, 0, 1]}
    with pytest.raises(InputError) as refusal:
        oddsmith.train(table, "y")
    assert str(refusal.value) == (
        "table: more than 3 of its 7 columns would be features, and so many coefficients cannot be fitted at once. "
        "Name the columns to use with --features, or leave columns out with --drop."
    )
    assert MOST_COEFFICIENTS == 5000


@pytest.mark.slow
def test_what_is_said_of_many_columns_is_said_quickly(monkeypatch):
    """Twenty thousand names dropped, and one that is spelt wrong: a list search for each would take minutes."""
    names = [f"column number {j}" for j in range(20_000)]
    table = Table(pl.DataFrame({name: [1.5, 2.5, 3.5] for name in names}), "table")
    monkeypatch.setattr(cells, "_require_room", lambda series, each: None)
    plan = classify(table, ColumnOptions(drop=tuple(names[1:])))
    assert [feature.name for feature in plan.features] == names[:1]
    with pytest.raises(InputError, match="Did you mean 'column number 77'"):
        columns.resolve(table, "colum number 77")


def test_a_name_of_a_million_letters_is_compared_with_none():
    table = Table(pl.DataFrame({"a" * 1_000_000: [1], "b": [2]}), "table")
    with pytest.raises(InputError) as refusal:
        columns.resolve(table, "a" * 999_999)
    assert len(str(refusal.value)) < 250


def test_a_long_text_that_is_nearly_a_number_is_looked_at_once():
    """Ten million digits and a letter: an expression that tried every division would not come back."""
    assert NUMBER.fullmatch("1" * 10_000_000 + "a") is None


MONSTERS = {
    "one line": lambda: [b"x" * (200 << 20)],
    "one line of cells": lambda: [b"1," * (100 << 20), b"1\n"],
    "a quote never closed": lambda: [b'x,y\n1,"', b"a,b\n" * (50 << 20)],
    "many columns": lambda: [b",".join(b"c%d" % j for j in range(300_000)), b"\n1", b",1" * 299_999],
    "zeros": lambda: [gzip.compress(bytes(24_000_000)) * 60],
}
LONG = {
    "unzipped forty-fold": lambda: [gzip.compress(b"0.5,1\n" * 1_000_000) * 10],
    "short rows": lambda: [b"x,y\n", b"1,0\n2,1\n" * 5_000_000],
}


@linux
@pytest.mark.slow
@pytest.mark.parametrize("monster", MONSTERS)
def test_a_monster_ends_in_one_sentence(tmp_path, monster):
    path = tmp_path / "monster.csv"
    with path.open("wb") as stream:
        stream.writelines(MONSTERS[monster]())
    code = f"from oddsmith.cli import main; main({['describe', str(path)]!r})"
    printed = limited(code, 1.5)
    path.unlink()
    assert printed.startswith("oddsmith: "), printed[:1000]
    assert printed.count("\n") == 1
    assert len(printed) < 600


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_what_is_only_long_is_described_in_little_memory(tmp_path, name):
    path = tmp_path / "long.csv"
    with path.open("wb") as stream:
        stream.writelines(LONG[name]())
    code = f"from oddsmith.cli import main; main({['describe', str(path), '--memory', '500MB']!r})"
    assert not limited(code, 1.5).startswith("oddsmith: ")

"""Files of any size in the memory that is given: the same bytes wherever they are cut."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data import memory, pieces
from oddsmith.data.samples import access_requests, students


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """A folder with rows, and models of other rows of their kind."""
    folder = tmp_path_factory.mktemp("stock")
    (folder / "requests.csv").write_text(access_requests(400, 1))
    (folder / "later.csv").write_text(access_requests(300, 2, 401))
    (folder / "students.csv").write_text(students(300, 1))
    pl.read_csv(folder / "later.csv").write_parquet(folder / "later.parquet", row_group_size=50)
    oddsmith.train(folder / "requests.csv", "needs_review", id="request").save(folder / "model.json")
    oddsmith.train(folder / "students.csv", "Hogwarts House").save(folder / "houses.json")
    return folder


@pytest.fixture
def shop(stock, command):
    """`command`, in a folder that holds links to all of these."""
    for path in stock.iterdir():
        Path(path.name).symlink_to(path)
    return command


@pytest.fixture
def cut(monkeypatch):
    def cut(size):
        monkeypatch.setattr(pieces, "piece_size", lambda memory=None: size)

    return cut


LINES = [
    "predict model.json later.csv",
    "predict model.json later.csv --proba --explain -v",
    "predict model.json later.parquet --proba --json",
    "predict houses.json students.csv --proba --explain",
    "evaluate model.json later.csv --threshold .2,.5 --cost fn=120,fp=18 --json",
    "evaluate model.json later.parquet --json",
    "describe later.csv --json",
]


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_the_output_is_the_same_wherever_a_file_is_cut(shop, cut, line):
    expected = shop(line)
    assert expected.code == 0
    for size in (300, 5000):
        cut(size)
        assert shop(line) == expected


def test_three_classes_are_evaluated_alike_wherever_a_file_is_cut(shop, cut):
    line = "evaluate houses.json students.csv --json"
    expected = json.loads(shop(line).stdout)
    cut(700)
    found = json.loads(shop(line).stdout)
    for name in ("log_loss", "brier"):
        assert found.pop(name) == pytest.approx(expected.pop(name), rel=1e-14)
    assert found == expected


def test_notes_are_those_of_all_pieces(shop, cut):
    lines = Path("later.csv").read_text().splitlines()
    for row, department in ((5, "legal"), (80, "=legal"), (200, "legal")):
        cells = lines[row].split(",")
        lines[row] = ",".join(["=" + cells[0], cells[1], department, *cells[3:]])
    Path("odd.csv").write_text("\n".join(lines))
    expected = shop("predict model.json odd.csv -v -o out.csv")
    assert "'department': 3 rows have a level that training never saw, such as 'legal'." in expected.err
    assert "3 texts that a spreadsheet would run" in expected.err
    cut(100)
    assert shop("predict model.json odd.csv -v -o out.csv") == expected


def test_a_fault_in_a_later_piece_leaves_the_old_file(shop, cut):
    lines = Path("later.csv").read_text().splitlines()
    lines[250] += ",one more"
    Path("bad.csv").write_text("\n".join(lines))
    Path("out.csv").write_text("old")
    cut(1000)
    outcome = shop("predict model.json bad.csv -o out.csv")
    assert outcome.code == 2
    assert outcome.err.startswith("oddsmith: bad.csv:251: line 251 has 8 fields, the header has 7.")
    assert Path("out.csv").read_text() == "old"
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_a_strange_label_in_a_later_piece_is_named_with_its_place(shop, cut):
    lines = Path("later.csv").read_text().splitlines()
    lines[222] = lines[222][:-1] + "maybe"
    Path("strange.csv").write_text("\n".join(lines))
    cut(500)
    outcome = shop("evaluate model.json strange.csv")
    assert outcome.err.startswith(
        "oddsmith: strange.csv:223:7: label 'maybe' of target 'needs_review' is none of"
    )


def test_a_map_of_labels_means_what_it_means_of_the_whole_file(shop, cut):
    lines = Path("later.csv").read_text().splitlines()
    Path("dots.csv").write_text(
        "\n".join([lines[0], *(line + "." * (row > 200) for row, line in enumerate(lines[1:]))])
    )
    line = "evaluate model.json dots.csv --map-label x.=x --json"
    expected = shop(line)
    assert expected.code == 0
    cut(500)
    assert shop(line) == expected


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ("much", "oddsmith: --memory 'much' is no size. Say it as in 1GB, 500MB or 2GiB.\n"),
        ("-1GB", "oddsmith: --memory '-1GB' is no size. Say it as in 1GB, 500MB or 2GiB.\n"),
        ("20MB", "oddsmith: --memory 20MB: too little to read anything. Give 500 MB or more.\n"),
    ],
)
@pytest.mark.parametrize(
    "verb", ["predict model.json later.csv", "evaluate model.json later.csv", "describe later.csv"]
)
def test_memory_that_is_no_size_or_too_little_is_refused(shop, verb, size, sentence):
    outcome = shop(f"{verb} --memory {size}")
    assert (outcome.code, outcome.err, outcome.stdout) == (2, sentence, b"")


def test_sizes_are_said_in_bytes_of_a_thousand_or_of_1024():
    sizes = {
        "1GB": 1e9,
        "1.5 gb": 1.5e9,
        "2GiB": 2 * 2**30,
        "800m": 8e8,
        "900000000": 9e8,
        ".5TB": 5e11,
        "1g": 1e9,
    }
    assert {text: memory.size_of(text) for text in sizes} == sizes


def test_what_is_left_of_the_memory_given_is_a_limit():
    with memory.limited(memory._resident() + 1e6):
        assert memory.available() <= 1e6
        assert memory.piece_size() == 1 << 20
    assert memory.available() > 1e6


def test_pieces_are_a_small_part_of_the_memory_given():
    resident = memory._resident()
    assert memory.piece_size(resident + 60 * 3e6) == pytest.approx(3e6, rel=0.1)
    assert memory.piece_size(1e15) == 16 << 20


def test_a_record_longer_than_a_piece_is_read_all_the_same(shop, cut):
    rng = np.random.default_rng(0)
    text = "x,t\n" + "".join(f'{x:.3f},"{"long " * 500}"\n' for x in rng.normal(size=20))
    Path("long.csv").write_text(text)
    expected = shop("describe long.csv --json")
    cut(64)
    assert shop("describe long.csv --json") == expected

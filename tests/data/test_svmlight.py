"""svmlight rows: the cells that scikit-learn reads, labels as they are written, and sentences for the rest."""

import gzip
import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

import oddsmith
from oddsmith.data import svmlight as module
from oddsmith.data.cells import NUMBER
from oddsmith.data.read import Reading, read_table
from oddsmith.data.svmlight import looks_svmlight
from oddsmith.errors import InputError


@pytest.fixture(scope="module")
def reads(tmp_path_factory):
    """Reads bytes as the file named."""
    folder = tmp_path_factory.mktemp("svmlight")

    def reads(content: bytes, name="rows", **reading):
        (folder / name).write_bytes(content)
        return read_table(folder / name, Reading(**reading))

    return reads


@pytest.fixture
def refused(reads):
    """The sentence that refuses these bytes, from the file's name on."""

    def refused(content: bytes, **reading) -> str:
        with pytest.raises(InputError) as refusal:
            reads(content, **reading)
        message = str(refusal.value).rpartition("/")[2]
        assert message.isprintable()
        assert len(message) <= 600
        return message

    return refused


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans())
def test_generated_files_are_read_as_scikit_learn_reads_them(reads, seed, zero_based, queries, comment):
    rng = np.random.default_rng(seed)
    n, p = rng.integers(1, 30), rng.integers(1, 12)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-300, 300, size=(n, p)) * (rng.random((n, p)) < 0.4)
    X[0, 0] = 1.0  # so that both see from where indices count
    y = rng.integers(-3, 4, n)
    options = {"zero_based": zero_based, "query_id": np.sort(rng.integers(0, 9, n)) if queries else None}
    path = reads(b"0 1:1\n").digests[0][0]
    dump_svmlight_file(X, y, path, comment="hand made: 1:1" if comment else None, **options)
    table = read_table(path)
    expected, labels, *query = load_svmlight_file(path, query_id=queries, zero_based=zero_based)
    features = [name for name in table.frame.columns if name.startswith("x")]
    assert features == [f"x{number + (not zero_based)}" for number in range(expected.shape[1])]
    np.testing.assert_array_equal(table.frame[features].to_numpy(), expected.toarray())
    np.testing.assert_array_equal(table.frame["label"].cast(float).to_numpy(), labels)
    assert ("qid" in table.frame.columns) == queries
    if queries:
        assert table.frame["qid"].to_list() == [str(number) for number in query[0]]


def slowly(text):
    """The rule of the module, one row at a time: {line: (label, qid, {index: number})}, or the line at fault."""
    rows = {}
    for line, row in enumerate(re.split("\r\n|\r|\n", text), start=1):
        words = re.split("[ \t]+", row.partition("#")[0].strip(" \t"))
        if words == [""]:
            continue
        label, *rest = words
        qid = rest.pop(0).removeprefix("qid:") if rest and rest[0].startswith("qid:") else None
        pairs = [re.fullmatch(f"([0-9]{{1,9}}):({NUMBER.pattern})", word) for word in rest]
        if not NUMBER.fullmatch(label) or not all(pairs):
            return line
        indices = [int(pair[1]) for pair in pairs]
        if sorted(set(indices)) != indices:
            return line
        rows[line] = (label, qid, dict(zip(indices, [float(pair[2]) for pair in pairs], strict=True)))
    return rows


WORDS = st.sampled_from(
    ["1", "-1", "+.5e1", "1:2", "2:-3.5", "0:1", "3:1e2", "qid:7", "2:", ":1", "x", "1:2:3", "#", "1:inf"]
)
GAPS = st.sampled_from([" ", "\t", "  ", "\n", "\r\n", "\r", "\n\n", " \n", "# 5:x\n"])


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(WORDS, GAPS), max_size=12))
def test_any_soup_is_read_or_refused_as_by_one_row_at_a_time(reads, pieces):
    text = "".join(word + gap for word, gap in pieces)
    expected = slowly(text)
    try:
        table = reads(text.encode(), format="svmlight")
    except InputError as error:
        # Labels are looked at before pairs, and pairs before their order: a later line may be named first.
        has_line = re.match(r"rows:[0-9]+: ", str(error).rpartition("/")[2]) is not None
        table = None
    else:
        has_line = False
    assert has_line == isinstance(expected, int)
    assert (table is None) == (has_line or not expected)
    if table is None:
        return
    assert isinstance(expected, dict)
    rows = table.frame.rows(named=True)
    assert [row["label"] for row in rows] == [label for label, _, _ in expected.values()]
    assert [row.get("qid") for row in rows] == [qid for _, qid, _ in expected.values()]
    for row, (line, (_, _, pairs)) in zip(range(len(rows)), expected.items(), strict=True):
        assert {k: rows[row][f"x{k}"] for k in pairs} == pairs
        assert sum(value != 0 for name, value in rows[row].items() if name.startswith("x")) == len(pairs)
        assert f":{line}: " in table.place(row, "label")


def test_a_small_file(reads):
    content = b"# made by hand\n\n+1 1:0.5 3:-2e1 # a comment 9:9\r\n-1\r  \n+1.0 qid:q7 2:.5 3:1.\t \n-1 1:0"
    table = reads(content)
    assert table.frame.to_dict(as_series=False) == {
        "label": ["+1", "-1", "+1.0", "-1"],
        "qid": [None, None, "q7", None],
        "x1": [0.5, 0.0, 0.0, 0.0],
        "x2": [0.0, 0.0, 0.5, 0.0],
        "x3": [-20.0, 0.0, 1.0, 0.0],
    }
    assert table.frame.null_count().row(0) == (0, 3, 0, 0, 0)
    assert [table.place(row, "x2").rpartition("/")[2] for row in range(4)] == [
        f"rows:{line}: column 'x2'" for line in (3, 4, 6, 7)
    ]
    assert table.digests == ((table.name, hashlib.sha256(content).hexdigest()),)
    assert table.notes == (
        f"{table.name}: the query ids (qid:) are the column 'qid'. It is a feature unless left out by --drop.",
    )
    assert reads(gzip.compress(content)).frame.equals(table.frame)
    assert reads(b"\xef\xbb\xbf" + content).frame.equals(table.frame)
    assert reads(content.decode().encode("utf-16"), encoding="utf-16").frame.equals(table.frame)


def test_indices_are_kept_as_they_are_written(reads):
    assert reads(b"1 0:5 2:7\n").frame.columns == ["label", "x0", "x1", "x2"]
    assert reads(b"1 2:7\n").frame.columns == ["label", "x1", "x2"]
    assert reads(b"1 02:7\n").frame["x2"].to_list() == [7.0]


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        (b"1 1:2\n", True),
        (b"+1 1:2", True),
        (b"-1.5e0\t12:-3.25 13:1 # x", True),
        (b"\n # 5 1:2\n\n3 qid:1 1:2\n", True),
        (b"1 1:2#x\n", True),
        (b"1 1:2,3 4\n", False),
        (b"x 1:2\n", False),
        (b"1,1:2\n", False),
        (b"1 10:30:00\n", False),
        (b"2024-01-01 10:30\n", False),
        (b"1\n1 1:2\n", False),
        (b"# only this", False),
        (b"", False),
        (b"1 a:2\n", False),
        (b"1 1:b\n", False),
        (b"1  1: 2\n", False),
    ],
)
def test_the_first_row_says_that_it_is_svmlight(content, is_one):
    assert looks_svmlight(content) == is_one


def test_what_is_no_svmlight_by_its_look_can_be_said_to_be(reads, refused):
    bare = b"1\n2 1:3\n"
    with pytest.raises(InputError, match="line 2 has"):
        reads(b"1,2\n2 1:3\n")
    for form in (
        {"name": "rows.SVM"},
        {"name": "a.libsvm.gz"},
        {"name": "b.svmlight"},
        {"format": "svmlight"},
    ):
        assert reads(bare, **form).frame.to_dict(as_series=False) == {"label": ["1", "2"], "x1": [0.0, 3.0]}
    assert reads(b"1 1:2\n3 4:5\n", format="csv").frame.columns == ["1 1:2"]
    assert reads(b"1 1:2\n3 4:5\n", delimiter=" ").frame.columns == ["1", "1:2"]
    with pytest.raises(InputError, match=r"c\.svm:1: 'x,y' is no label: .*--format csv"):
        reads(b"x,y\n1,2\n", name="c.svm")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("1 1:1\n\n1 1:2 1:3", "rows:3: index 1 stands twice; in a row indices rise. Mend the line."),
        ("1 1:1\n1 3:2 2:3", "rows:2: index 2 stands after 3; in a row indices rise. Mend the line."),
        ("1 1:1\n1 1:x", "rows:2: '1:x' is not index:number. Mend the line, or say --format csv"),
        ("1 1:1\n1 x:1", "rows:2: 'x:1' is not index:number."),
        ("1 1:1\n1 -1:1", "rows:2: '-1:1' is not index:number."),
        ("1 1:1\n1 1.5:1", "rows:2: '1.5:1' is not index:number."),
        ("1 1:1\n1 1:", "rows:2: '1:' is not index:number."),
        ("1 1:1\n1 1: 2", "rows:2: '1:' is not index:number."),
        ("1 1:1\n1 1:2:3", "rows:2: '1:2:3' is not index:number."),
        ("1 1:1\n1 7", "rows:2: '7' is not index:number."),
        ("1 1:1\n1 1:inf", "rows:2: '1:inf' is not index:number."),
        ("1 1:1\n1 1:nan", "rows:2: '1:nan' is not index:number."),
        ("1 1:1\n1 1:0x1F", "rows:2: '1:0x1F' is not index:number."),
        ("1 1:1\n1 1:1_000", "rows:2: '1:1_000' is not index:number."),
        ("1 1:1\n1 1:٣", "rows:2: '1:٣' is not index:number."),
        ("1 1:1\n1 1:1e999", "rows:2: '1:1e999' has an index or a number that is too large. Mend the line."),
        (
            "1 1:1\n1 99999999999999999999:1",
            "rows:2: '99999999999999999999:1' has an index or a number that is",
        ),
        ("1 1:1\n1 2:1 qid:3", "rows:2: 'qid:3' is not index:number."),
        ("1 1:1\n1:1 2:1", "rows:2: '1:1' is no label: a row begins with one number."),
        ("1 1:1\nspam 1:1", "rows:2: 'spam' is no label: a row begins with one number."),
        ("1 1:1\nnan 1:1", "rows:2: 'nan' is no label"),
        ("1 1:1\n0x1 1:1", "rows:2: '0x1' is no label"),
        ("1 1:1\n1,2 1:1", "rows:2: '1,2' is no label: a row begins with one number. Mend"),
        ("1 1:1\n1 1:1\x1b[2J", "rows:2: '1:1\\x1b[2J' is not index:number."),
        ("1 1:1\n1 1:1\xa02:1", "rows:2: '1:1\\xa02:1' is not index:number."),
        ("1 1:1\n1 1:1\0\n", "rows:2: a NUL byte on line 2"),
        (
            "1 200001:1",
            "rows: indices up to 200,001 in 1 row make a table of 0.0016 GB, zeros included. At most 200,000",
        ),
    ],
)
def test_rows_that_are_refused(refused, rows, sentence):
    assert refused(rows.encode()).startswith(sentence)


def test_a_dense_table_that_is_too_large_is_refused_before_it_is_made(reads, refused, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 8_000_000)
    content = b"1 1:1\n" * 999 + b"2 1001:1\n"
    assert refused(content).startswith("rows: indices up to 1,001 in 1,000 rows make a table of 0.008 GB")
    assert refused(b"1 1:1\n1 4000000:1\n").startswith("rows: indices up to 4,000,000 in 2 rows")
    monkeypatch.setattr(module, "MOST_BYTES", 8_008_000)
    assert reads(content).frame.shape == (1000, 1002)


def test_a_file_of_comments_has_no_rows(refused):
    assert (
        refused(b"# a\n#b\n", format="svmlight")
        == "rows: no rows: the file holds only blank lines and comments."
    )
    assert refused(b"", format="svmlight") == "rows: the file is empty."


ROWS = "".join(
    f"{'+1' if i * i % 7 > 3 else '-1'} 1:{i % 5} {f'3:{i % 3}' if i % 3 else ''}\n" for i in range(60)
)


def test_a_model_reads_what_rows_leave_unsaid_as_zero(reads, tmp_path):
    """Test files often lack the last columns of the training file: no row of theirs has one."""
    train = tmp_path / "train.svm"
    train.write_text(ROWS)
    model = oddsmith.train(train, "label")
    assert model.classes.tolist() == [-1, 1]
    short = tmp_path / "short.svm"
    short.write_text("+1 1:2\n-1\n+1 1:1 # 3:5\n")
    expected = model.predict_proba({"x1": [2.0, 0, 1], "x3": [0, 0, 0]})
    np.testing.assert_array_equal(model.predict_proba(short), expected)
    assert model.evaluate(short).n_rows == 3
    with pytest.raises(InputError, match="no column called 'x3', which the model needs"):
        model.predict({"x1": [1.0]})


def test_files_that_count_their_columns_otherwise_are_refused(tmp_path):
    one, zero = tmp_path / "one.svm", tmp_path / "zero.svm"
    one.write_text(ROWS)
    zero.write_text(ROWS.replace(" 1:", " 0:").replace(" 3:", " 2:"))
    with pytest.raises(
        InputError, match=r"zero\.svm: its columns are counted from 0, those that are expected from 1"
    ):
        oddsmith.train(one, "label").predict(zero)
    with pytest.raises(
        InputError, match=r"one\.svm: its columns are counted from 1, those that are expected from 0"
    ):
        oddsmith.train(zero, "label").predict(one)
    with pytest.raises(InputError, match=r"counted from"):
        read_table([one, zero])
    constant = tmp_path / "constant.svm"
    constant.write_text(ROWS.replace(" 1:", " 0:1 1:"))
    model = oddsmith.train(constant, "label")
    assert [item.column for item in model.record.left_out] == ["x0", "x2"]
    np.testing.assert_array_equal(
        model.predict_proba(constant), oddsmith.train(one, "label").predict_proba(one)
    )


def test_a_label_with_a_sign_is_the_same_label(tmp_path):
    path = tmp_path / "rows.svm"
    path.write_text(ROWS)
    model = oddsmith.train(path, "label")
    path.write_text(ROWS.replace("+1", "1"))
    again = oddsmith.train(path, "label")
    assert model.record.equations == again.record.equations
    assert model.record.target == again.record.target
    path.write_text(ROWS.replace("+1", "1", 9))
    assert oddsmith.train(path, "label").record.equations == model.record.equations
    assert model.evaluate(path).log_loss == pytest.approx(model.record.fit.mean_loss[0], rel=1e-12)

"""Parquet: every type as it was written, or a sentence; against pyarrow, and files that fight back."""

import datetime
import gzip
import hashlib
import io
import random
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import oddsmith
from oddsmith.data.cells import numbers, refuse_nested, texts
from oddsmith.data.read import Reading, read_table
from oddsmith.errors import InputError

NOBODY = frozenset[str]()
PLAIN = pa.table({"x": list(range(400)), "s": ["für"] * 400})


def packed(table: pa.Table, **options: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


@pytest.fixture
def reads(tmp_path):
    """Reads bytes, or a table's Parquet bytes, as the file t.parquet."""
    path = tmp_path / "t.parquet"

    def reads(content, **reading):
        path.write_bytes(content if isinstance(content, bytes) else packed(content))
        return read_table(path, Reading(**reading))

    return reads


@pytest.fixture
def refused(reads):
    """The sentence that refuses these bytes, from the file's name on."""

    def refused(content, **reading):
        with pytest.raises(InputError) as refusal:
            reads(content, **reading)
        message = str(refusal.value)
        assert "\n" not in message
        assert len(message) <= 600
        return message.rpartition("/")[2]

    return refused


HALF_PAST = datetime.datetime(2020, 1, 2, 3, 30, 0, 120000)
BIG = Decimal("12345678901234567890123456789012345678")
# type: (cells, as texts; None where it is refused when used, how many are numbers)
TYPES = {
    pa.bool_(): ([True, False], ["True", "False"], 0),
    pa.int8(): ([-128, 127], ["-128", "127"], 2),
    pa.uint8(): ([0, 255], ["0", "255"], 2),
    pa.int64(): ([-(2**63), 2**53 + 1], ["-9223372036854775808", "9007199254740993"], 2),
    pa.uint64(): ([2**64 - 1, 1], ["18446744073709551615", "1"], 2),
    pa.float16(): ([np.float16(1.5), np.float16(2.0)], ["1.5", "2"], 2),
    pa.float32(): ([0.5, 3.0], ["0.5", "3"], 2),
    pa.float64(): ([0.1, 5e-324], ["0.1", "5e-324"], 2),
    pa.decimal128(10, 2): ([Decimal("1.50"), Decimal("-2.00")], ["1.5", "-2"], 2),
    pa.decimal128(38, 0): ([BIG, Decimal(7)], [str(BIG), "7"], 2),
    pa.decimal256(60, 3): ([Decimal("1.250"), BIG], ["1.250", f"{BIG}.000"], 2),
    pa.date32(): ([datetime.date(2020, 2, 29), datetime.date(1, 1, 1)], ["2020-02-29", "0001-01-01"], 0),
    pa.date64(): ([datetime.date(2020, 2, 29), datetime.date(9999, 1, 1)], ["2020-02-29", "9999-01-01"], 0),
    **{
        pa.timestamp(unit): (
            [HALF_PAST, HALF_PAST.replace(microsecond=0)],
            ["2020-01-02 03:30:00.120", "2020-01-02 03:30:00"],
            0,
        )
        for unit in ("ms", "us", "ns")
    },
    pa.timestamp("us", "Europe/Paris"): ([HALF_PAST], ["2020-01-02 04:30:00.120+01:00"], 0),
    pa.timestamp("us", "+02:00"): ([HALF_PAST], ["2020-01-02 05:30:00.120+02:00"], 0),
    pa.timestamp("us", "Mars/Olympus"): ([HALF_PAST], ["2020-01-02 03:30:00.120+00:00"], 0),
    pa.time32("ms"): ([datetime.time(1, 2, 3)], ["01:02:03"], 0),
    pa.time64("us"): ([datetime.time(1, 2, 3, 456)], ["01:02:03.000456"], 0),
    pa.duration("ns"): ([datetime.timedelta(seconds=5)], ["PT5S"], 0),
    pa.string(): (["a", "12"], ["a", "12"], 1),
    pa.large_string(): (["a", " 12 "], ["a", "12"], 1),
    pa.string_view(): (["a", "1e3"], ["a", "1e3"], 1),
    pa.dictionary(pa.int32(), pa.string()): (["a", "b", "a"], ["a", "b", "a"], 0),
    pa.dictionary(pa.int8(), pa.int64()): ([2**53 + 1, 1], ["9007199254740993", "1"], 2),
    pa.json_(): (['{"a":1}'], ['{"a":1}'], 0),
    pa.null(): ([None, None], [None, None], 0),
    pa.binary(): ([b"a"], None, 0),
    pa.large_binary(): ([b"a"], None, 0),
    pa.binary(2): ([b"ab"], None, 0),
    pa.uuid(): ([b"0123456789abcdef"], None, 0),
    pa.list_(pa.int64()): ([[1, 2]], None, 0),
    pa.large_list(pa.string()): ([["a"]], None, 0),
    pa.list_(pa.int64(), 2): ([[1, 2]], None, 0),
    pa.struct({"a": pa.int64()}): ([{"a": 1}], None, 0),
    pa.map_(pa.string(), pa.int64()): ([[("a", 1)]], None, 0),
    pa.list_(pa.dictionary(pa.int32(), pa.string())): ([["a"]], None, 0),
    pa.list_(pa.decimal256(60, 3)): ([[Decimal("1.250")]], None, 0),
}


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("gaps", [False, True])
def test_every_type_is_read_as_written_or_refused_by_name_where_it_is_used(reads, kind, gaps):
    if gaps and kind == pa.list_(pa.int64(), 2) and int(pa.__version__.partition(".")[0]) < 26:
        pytest.skip("pyarrow before 26 cannot read lists of a fixed size with gaps, and says so")
    cells, expected, n_numbers = TYPES[kind]
    cells = [*cells, None] if gaps else cells
    table = reads(pa.table({"x": pa.array(cells, kind), "y": [0] * len(cells)}))
    column = table.frame["x"]
    if expected is not None:
        assert texts(column, NOBODY).to_list() == [*expected, None][: len(cells)]
        assert numbers(column, NOBODY).n_numbers == n_numbers
        return
    with pytest.raises(
        InputError, match=r"t\.parquet: column 'x' holds .*, not one value a cell\..*--drop x"
    ):
        refuse_nested(table, "x")


def test_a_column_that_cannot_be_used_is_no_hindrance_where_it_is_not(tmp_path):
    n = 60
    nested = {
        "struct": [{"a": i} for i in range(n)],
        "list": [[i] for i in range(n)],
        "bytes": [b"a"] * n,
        "deep": pa.array([[Decimal(i)] for i in range(n)], pa.list_(pa.decimal256(60, 3))),
    }
    plain = {"x": [i % 7 for i in range(n)], "y": [i * i % 5 > 1 for i in range(n)]}
    path = tmp_path / "t.parquet"
    path.write_bytes(packed(pa.table({**nested, **plain})))
    expected = oddsmith.train(plain, "y").record.equations
    assert oddsmith.train(path, "y", drop=list(nested)).record.equations == expected
    model = oddsmith.train(path, "y", features=["x"])
    assert model.record.equations == expected
    np.testing.assert_array_equal(model.predict(path), model.predict(plain))
    with pytest.raises(InputError, match="column 'list' holds"):
        oddsmith.train(path, "y", id="struct", drop=["bytes", "deep"])


def test_nan_is_missing_and_infinity_is_named_by_its_row(reads, tmp_path):
    table = reads(pa.table({"x": [1.0, float("nan"), None]}))
    assert table.frame["x"].to_list() == [1.0, None, None]
    reads(pa.table({"x": [1.0, 2.0, float("inf"), 3.0], "y": [0, 1, 0, 1]}))
    with pytest.raises(
        InputError, match=r"t\.parquet: row 3, column 'x': 'inf' in numeric column 'x' is beyond"
    ):
        oddsmith.train(tmp_path / "t.parquet", "y")


def test_the_digest_is_of_the_file_and_standard_input_is_read_alike(reads, monkeypatch):
    raw = packed(PLAIN)
    table = reads(raw)
    assert table.digests == ((table.name, hashlib.sha256(raw).hexdigest()),)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert read_table("-").frame.equals(table.frame)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_every_compression_and_page_version(reads, compression, version):
    raw = packed(
        PLAIN,
        compression=compression,
        version=version,
        row_group_size=33,
        data_page_version=version[0] + ".0",
    )
    assert reads(raw).frame.to_arrow()["x"].to_pylist() == list(range(400))


def test_polars_writes_what_is_read(reads, tmp_path):
    frame = pl.DataFrame(
        {
            "c": pl.Series(["a", None, "b"], dtype=pl.Categorical),
            "e": pl.Series(["u", "v", "u"], dtype=pl.Enum(["v", "u"])),
        }
    )
    frame.write_parquet(tmp_path / "p")
    assert read_table(tmp_path / "p").frame.equals(frame.cast(pl.String))


def test_old_times_beyond_the_year_2262_are_right(reads):
    times = [datetime.datetime(9999, 12, 31), datetime.datetime(1, 1, 1), HALF_PAST]
    raw = packed(pa.table({"t": pa.array(times, pa.timestamp("us"))}), use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(pa.BufferReader(raw)).schema.column(0).physical_type == "INT96"
    assert reads(raw).frame["t"].to_list() == times


def test_a_flipped_byte_in_any_page_is_found_by_its_checksum(refused):
    raw = packed(
        PLAIN, write_page_checksum=True, compression="none", use_dictionary=False, write_statistics=False
    )
    for piece in ("für".encode(), (123).to_bytes(8, "little")):
        damaged = bytearray(raw)
        damaged[raw.index(piece)] ^= 1
        message = refused(bytes(damaged))
        assert (
            message
            == "t.parquet: this is a Parquet file, but it is damaged: a page does not fit its checksum. Fetch it again."
        )


def test_a_file_without_checksums_is_read(reads):
    raw = packed(
        PLAIN, write_page_checksum=False, compression="none", use_dictionary=False, write_statistics=False
    )
    at = raw.index("für".encode())
    assert reads(raw[:at] + b"F" + raw[at + 1 :]).frame["s"][0] == "Für"


def test_random_damage_gives_the_same_cells_or_a_sentence(refused, reads):
    """Only the footer, which has no checksum, may change in silence: what a page holds may not."""
    raw = packed(PLAIN, write_page_checksum=True, compression="none", store_schema=False)
    cells = [column.to_list() for column in reads(raw).frame.iter_columns()]
    chance = random.Random(4)
    damaged = 0
    for _ in range(300):
        changed = bytearray(raw)
        changed[chance.randrange(4, len(raw))] ^= 1 << chance.randrange(8)
        try:
            found = [column.to_list() for column in reads(bytes(changed)).frame.iter_columns()]
        except InputError as error:
            damaged += len(str(error)) <= 600
        else:
            assert found == cells
    assert damaged > 200


def not_utf8() -> pa.Array:
    return pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(np.array([0, 1, 3, 4], np.int32)), pa.py_buffer(b"a\xff\xfeb")]
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            packed(PLAIN)[:-1],
            "t.parquet: this is a Parquet file, but it is cut short or damaged: its footer is not there.",
        ),
        (
            packed(PLAIN)[:200],
            "t.parquet: this is a Parquet file, but it is cut short or damaged: its footer is not there.",
        ),
        (
            packed(PLAIN)[:5],
            "t.parquet: this is a Parquet file, but it is cut short or damaged: its footer is not there.",
        ),
        (b"PAR1\x15" + b"\0" * 40 + b"PAR1", "t.parquet: this is a Parquet file, but it is"),
        (
            b"PARE" + packed(PLAIN)[4:-4] + b"PARE",
            "t.parquet: this is a Parquet file, and it is encrypted. Write it without",
        ),
        (packed(pa.table({})), "t.parquet: this is a Parquet file without any column."),
        (
            packed(pa.table([[1], [2]], names=["a", "a"])),
            "t.parquet: 'a' names both column 1 and column 2. Rename one",
        ),
        (
            packed(pa.table([[1], [2]], names=["a", ""])),
            "t.parquet: column 2 has no name. Give it one, or remove",
        ),
        (packed(pa.table([[1], [2]], names=["a", " \t"])), "t.parquet: column 2 has no name."),
        (packed(pa.table({"a": ["x", "y\0", None]})), "t.parquet: row 2, column 'a': a NUL in this text"),
        (packed(pa.table({"a": not_utf8()})), "t.parquet: row 2, column 'a': this text is not UTF-8."),
        (
            packed(pa.table({"a": not_utf8().dictionary_encode()})),
            "t.parquet: row 2, column 'a': this text is not UTF-8.",
        ),
        (packed(pa.table({"\x1b[31m": ["\0"]})), "t.parquet: row 1, column '\\x1b[31m': a NUL"),
        (gzip.compress(packed(PLAIN)), "t.parquet: this is a Parquet file, compressed once more with gzip."),
    ],
)
def test_what_is_refused(refused, content, sentence):
    assert refused(content).startswith(sentence)


def test_the_content_says_that_it_is_parquet_and_not_the_name(tmp_path):
    (tmp_path / "t.csv").write_bytes(packed(PLAIN))
    assert read_table(tmp_path / "t.csv").frame.shape == (400, 2)
    (tmp_path / "t.parquet").write_text("PAR1,x\n1,2\n")
    assert read_table(tmp_path / "t.parquet").frame.columns == ["PAR1", "x"]


def test_a_format_that_is_asked_for_must_be_the_one(refused, reads):
    assert reads(PLAIN, format="parquet").frame.width == 2
    assert (
        refused(PLAIN, format="csv")
        == "t.parquet: this is a Parquet file, not csv. Say --format auto to read it as such."
    )
    assert refused(b"a,b\n1,2\n", format="parquet").startswith(
        "t.parquet: this is no Parquet file: it does not open with PAR1"
    )
    assert refused(PLAIN, format="excel").startswith(
        "--format 'excel': unknown. There are auto, csv, parquet, svmlight."
    )


def test_no_rows_are_a_table_of_no_rows(reads):
    table = reads(PLAIN.slice(0, 0))
    assert table.frame.shape == (0, 2)
    with pytest.raises(InputError, match="no rows to train on"):
        oddsmith.train(table, "s")

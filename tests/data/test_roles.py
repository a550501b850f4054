"""Roles are a pure function of what a row says, and of nothing else."""

import io
import struct
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddsmith.data.cells import MissingMarkers
from oddsmith.data.roles import ByRow, ByTime, Role, Shares
from oddsmith.data.row_hash import GAMMA, cell_hashes, row_hashes
from oddsmith.data.table import Table
from oddsmith.errors import InputError

MARKERS = MissingMarkers.from_options([], [])
MOST = 2**64
GOLDEN = {
    0: ["9ddb852db3a90d11", "24d2f9d8bad7a5e2", "0726c8bb3fbabb91"],
    7: ["343eac9e2ff2ab42", "46df2a4ac482e356", "15a637a55998d6ac"],
}
"""Of each seed; made by `row_by_hand`, which shares no code with the package."""


def table(**columns):
    return Table(pl.DataFrame(columns), "t.csv")


def by_hand(z):
    """The mixing function in Python's whole numbers."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % MOST
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % MOST
    return z ^ (z >> 31)


def text_by_hand(text):
    raw = text.encode()
    words = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]
    total = sum(by_hand((word + k * int(GAMMA)) % MOST) for k, word in enumerate(words, start=1))
    return by_hand(2 + len(raw) ^ total % MOST)


def number_by_hand(value):
    return by_hand((1 + int.from_bytes(struct.pack("<d", value), "little")) % MOST)


def row_by_hand(seed, cells):
    found = by_hand(seed)
    for name in sorted(cells):
        found = by_hand((found + int(GAMMA)) % MOST ^ text_by_hand(name) ^ cells[name])
    return found


def test_golden_values():
    """They never change: a row would change its role."""
    found = cell_hashes(pl.Series(["1", "x", None, "Zürich, eine lange Stadt"]), frozenset())
    assert [f"{h:016x}" for h in found] == [
        "0d73f1fc0c177f9c",
        "6aaaad3374b72e12",
        "1e535eede31428f0",
        "ad94d57cd9820490",
    ]
    rows = table(b=["1", "x", "true"], a=["0.1", "2", "NA"])
    for seed, golden in GOLDEN.items():
        found = row_hashes(rows, ("a", "b"), MARKERS, seed)
        assert [f"{h:016x}" for h in found] == golden
        assert found[1] == row_by_hand(seed, {"a": number_by_hand(2.0), "b": text_by_hand("x")})


@given(st.lists(st.text(min_size=1).map(lambda text: f"<{text}>"), min_size=1, max_size=8))
def test_a_text_hashes_as_its_formula_says(cells):
    assert cell_hashes(pl.Series(cells), frozenset()).tolist() == [text_by_hand(cell) for cell in cells]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_a_number_is_one_in_every_type_and_spelling(values):
    expected = [number_by_hand(value + 0.0) for value in values]
    assert cell_hashes(pl.Series(values), frozenset()).tolist() == expected
    assert cell_hashes(pl.Series([f" {value!r} " for value in values]), frozenset()).tolist() == expected


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        (pl.Series([1, -2, 30], dtype=pl.Int8), ["1.0", "-2", "+3e1"]),
        (pl.Series([0.1, 2.5], dtype=pl.Float32), ["0.1", "2.50"]),
        (pl.Series(["1.10", "-0.0"]).str.to_decimal(scale=2), ["1.1", "0"]),
        (pl.Series([True, False, None]), ["true", "FALSE", "NA"]),
        (pl.Series([date(2024, 5, 31)]), [" 2024-05-31"]),
        (pl.Series([date(2024, 5, 31), None]), ["2024-05-31T00:00:00.000", "NA"]),
        (
            pl.Series([datetime(2024, 5, 31), datetime(1969, 1, 1, 14, 30)]),
            ["2024-05-31", "1969-01-01 14:30"],
        ),
        (pl.Series([datetime(2024, 5, 31, 14, 30, 1, 500_000)]), ["2024-05-31T14:30:01.500000000"]),
        (
            pl.Series([datetime(2024, 5, 31, 14)], dtype=pl.Datetime("ns")).dt.replace_time_zone(
                "Europe/Zurich"
            ),
            ["2024-05-31T12:00Z"],
        ),
        (pl.Series(["2024-02-30", "31.12.2024"]).cast(pl.Categorical), ["2024-02-30", "31.12.2024"]),
        (pl.Series(["b", "a", "b"], dtype=pl.Categorical), ["b", "a", " b "]),
        (pl.Series([None, float("nan"), 1.5]), ["", "nan", "1.5"]),
    ],
    ids=str,
)
def test_a_cell_says_the_same_in_a_text_and_in_a_type(typed, written):
    of_text = cell_hashes(pl.Series(written), MARKERS.everywhere)
    assert cell_hashes(typed, MARKERS.everywhere).tolist() == of_text.tolist()


def test_names_and_cells_do_not_change_places():
    hashes = {
        row_hashes(table(**columns), columns, MARKERS)[0]
        for columns in (
            {"a": ["1"], "b": ["2"]},
            {"a": ["2"], "b": ["1"]},
            {"a": ["12"], "b": ["NA"]},
            {"a": ["NA"], "b": ["12"]},
            {"a": ["1"], "c": ["2"]},
            {"ab": ["1"], "": ["2"]},
        )
    }
    assert len(hashes) == 6


def test_the_order_of_columns_and_rows_and_the_cuts_between_batches_say_nothing():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"b": rng.normal(size=500), "a": rng.choice(["u", "v"], 500), "c": rng.integers(0, 9, 500)}
    )
    whole = row_hashes(Table(frame, "t"), frame.columns, MARKERS)
    assert len(set(whole)) == 500
    order = rng.permutation(500)
    shuffled = row_hashes(Table(frame.select("c", "b", "a")[order], "t"), ("c", "a", "b"), MARKERS)
    assert (shuffled == whole[order]).all()
    parts = [
        row_hashes(Table(frame.slice(start, 77), "t"), frame.columns, MARKERS) for start in range(0, 500, 77)
    ]
    assert (np.concatenate(parts) == whole).all()


def test_a_csv_and_a_parquet_of_the_same_rows_have_the_same_roles(tmp_path):
    rng = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "amount": rng.lognormal(size=300).round(2),
            "small": rng.normal(size=300).astype(np.float32),
            "count": rng.integers(-5, 5, 300),
            "is new": rng.random(300) < 0.5,
            "kind": [None if at % 7 == 0 else f"kind {at % 5}" for at in range(300)],
            "day": [date(2024, 1, 1 + at % 28) for at in range(300)],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    as_text = pl.read_csv(io.StringIO(frame.write_csv()), infer_schema=False)
    split = ByRow(tuple(sorted(frame.columns)))
    roles = [
        split.roles(Table(of, "t"), MARKERS) for of in (pl.read_parquet(tmp_path / "t.parquet"), as_text)
    ]
    assert (roles[0] == roles[1]).all()
    assert set(roles[0].tolist()) == {Role.train, Role.calibrate, Role.audit}


def test_shares_are_met_and_do_not_depend_on_what_the_rows_say():
    n = 200_000
    for cells in (np.arange(n), np.arange(n) / 7, [f"customer {at}" for at in range(n)]):
        roles = ByRow(("id",), Shares(select=0.15)).roles(table(id=cells), MARKERS)
        counts = np.bincount(roles, minlength=4)
        for role, share in zip(Role, (0.45, 0.2, 0.15, 0.2), strict=True):
            # Five standard deviations of a binomial count.
            assert abs(counts[role] - share * n) < 5 * np.sqrt(n * share * (1 - share))


def test_a_part_to_select_on_is_taken_from_training_rows_alone():
    rows = table(id=np.arange(5000))
    without, beside = (
        ByRow(("id",), shares).roles(rows, MARKERS) for shares in (Shares(), Shares(select=0.1))
    )
    changed = without != beside
    assert (without[changed] == Role.train).all()
    assert (beside[changed] == Role.select).all()
    assert changed.any()


def test_another_seed_tells_rows_apart_anew():
    rows = table(id=np.arange(20_000))
    one, other = (ByRow(("id",), seed=seed).roles(rows, MARKERS) == Role.audit for seed in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_a_group_stays_together_and_rows_without_one_stand_for_themselves():
    rng = np.random.default_rng(2)
    customer = [f"c{at}" if at else "" for at in rng.integers(0, 40, 4000)]
    rows = table(customer=customer, x=rng.normal(size=4000))
    roles = ByRow(("x",), group="customer").roles(rows, MARKERS)
    for name in set(customer) - {""}:
        assert len(set(roles[[c == name for c in customer]])) == 1
    alone = roles[[c == "" for c in customer]]
    assert len(set(alone)) == 3
    assert (alone == ByRow(("x",)).roles(rows, MARKERS)[[c == "" for c in customer]]).all()


def test_by_time_the_latest_rows_audit_and_a_later_file_keeps_the_borders():
    days = [date(2024, 1 + at // 28, 1 + at % 28).isoformat() for at in range(280)]
    rng = np.random.default_rng(3)
    rows = table(day=[days[at] for at in rng.permutation(280)])
    split = ByTime.learn([rows], "day", MARKERS, Shares(select=0.1))
    roles = split.roles(rows, MARKERS)
    assert np.bincount(roles).tolist() == [140, 56, 28, 56]
    by_day = dict(zip(rows.frame["day"], roles, strict=True))
    assert [by_day[day] for day in days] == sorted(roles.tolist())
    assert split.starts[2] == f"{days[224]}T00:00:00"
    assert split.roles(table(day=["2031-01-01", "1999-12-31"]), MARKERS).tolist() == [Role.audit, Role.train]
    typed = table(day=[date.fromisoformat(day) for day in rows.frame["day"]])
    assert (split.roles(typed, MARKERS) == roles).all()


def test_rows_of_one_time_have_one_role():
    rows = table(year=np.repeat([2019, 2020, 2021, 2022], [55, 3, 22, 20]))
    split = ByTime.learn([rows], "year", MARKERS, Shares())
    assert split.starts == ("2021.0", None, "2022.0")
    parts = [table(year=part) for part in np.array_split(rows.frame["year"].to_numpy(), 7)]
    assert ByTime.learn(parts, "year", MARKERS, Shares()) == split


@pytest.mark.parametrize(
    ("split", "columns", "message"),
    [
        (ByRow(("id",)), {"x": [1]}, "t.csv: column 'id' is not there, and rows are told apart by it"),
        (ByRow(("x",), group="c"), {"x": [1]}, "t.csv: column 'c' is not there"),
        (ByRow(("x",)), {"x": [[1]]}, "column 'x' holds List"),
        (
            ByTime("t", "date", (None, None, "2024-01-01T00:00:00")),
            {"t": [5.0]},
            "'t' holds numbers, and the borders",
        ),
        (
            ByTime("t", "number", (None, None, "5.0")),
            {"t": ["1", ""]},
            "t.csv: row 2, column 't': a missing cell",
        ),
        (
            ByTime("t", "number", (None, None, "5.0")),
            {"t": ["31.12.2024"]},
            "'31.12.2024' in column 't', by whose dates",
        ),
    ],
)
def test_what_tells_no_rows_apart_is_refused(split, columns, message):
    with pytest.raises(InputError, match=message):
        split.roles(table(**columns), MARKERS)


def test_too_few_times_and_impossible_shares_are_refused():
    with pytest.raises(InputError, match="2 different times in 10 rows: too few for 3 parts"):
        ByTime.learn([table(t=[1] * 5 + [2] * 5)], "t", MARKERS, Shares())
    with pytest.raises(InputError, match="dates in some rows and numbers in others"):
        ByTime.learn([table(t=["5"]), table(t=["2024-01-01"])], "t", MARKERS, Shares())
    for shares in (Shares(calibrate=0.5, audit=0.5), Shares(calibrate=-0.1), Shares(audit=float("nan"))):
        with pytest.raises(InputError, match="shares of the rows"):
            shares.require_sound()


def test_a_time_with_a_zone_is_the_moment_that_it_names():
    rows = table(
        t=["2024-05-31 14:00+02:00", "2024-05-31T12:00:00Z", "2024-05-31 12:00", "2024-05-31T11:59:59.999999"]
    )
    split = ByTime("t", "date", (None, None, "2024-05-31T12:00:00"))
    assert split.roles(rows, MARKERS).tolist() == [Role.audit, Role.audit, Role.audit, Role.train]
    moments = pl.Series([datetime(2024, 5, 31, 14)]).dt.replace_time_zone("Europe/Zurich")
    assert split.roles(table(t=moments), MARKERS).tolist() == [Role.audit]

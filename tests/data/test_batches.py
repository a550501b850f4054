"""Batches: a model does not know in which pieces its rows came, nor whether its cells were kept or read again."""

import re
import warnings
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import oddsmith
from oddsmith.data import batches, facts
from oddsmith.data.batches import Batches
from oddsmith.data.cells import DEFAULT_MISSING
from oddsmith.data.column_moments import ColumnMoments, joined
from oddsmith.data.facts import LevelFacts, NumberFacts
from oddsmith.data.survey import Survey
from oddsmith.data.table import Table
from oddsmith.errors import InputError

MARKERS = frozenset(DEFAULT_MISSING)
N = 200
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, 2))
GAPS = RNG.random(N)
LABEL = np.where(X[:, 0] - X[:, 1] + RNG.logistic(size=N) > 0, "yes", "no")
FRAME = pl.DataFrame(
    {
        "row": [str(i) for i in range(N)],
        "x": [None if gap < 0.1 else f"{value:.3f}" for value, gap in zip(X[:, 0], GAPS, strict=True)],
        "z": X[:, 1] * 1e9 + 1e12,
        "flag": RNG.choice(["true", "false"], N),
        "level": RNG.choice(["a", "b", None, "dd"], N),
        "late": ["5"] * (N // 2) + RNG.choice(["u", "v", "w"], N // 2).tolist(),
        "user id": RNG.permutation(N) + 2**60,
        "day": ["2024-01-31"] * N,
        "name": [f"n{i}" for i in range(N)],
        "same": [1.5] * N,
        "weight": RNG.choice([0.0, 0.3, 1.0, 2.7], N),
        "y": [None if gap > 0.95 else label for label, gap in zip(LABEL, GAPS, strict=True)],
    }
)


@dataclass
class Cut:
    """A table in pieces that end at these rows."""

    table: Table
    ends: list[int]
    digests: tuple = ()
    expected: float = 0.0

    def head(self):
        return next((piece for piece in self.read() if piece.frame.height), self.table)

    def read(self, only=None, doubles=None):
        borders = [0, *sorted(self.ends), self.table.frame.height]
        for start, end in pairwise(borders):
            frame = self.table.frame.slice(start, end - start)
            if only is not None and start:
                frame = frame.select([name for name in frame.columns if name in only])
            yield Table(
                frame, "rows.csv", place_of=lambda row, column, at=start: f"rows.csv:{at + row}:{column}"
            )


def outcome(rows, **options):
    """The model's bytes without digests and what was warned of, or the sentence of refusal."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            record = oddsmith.train(rows, **options).record
        except InputError as error:
            return str(error)
    record = msgspec.structs.replace(
        record, training=msgspec.structs.replace(record.training, digests=[]), digest=""
    )
    return msgspec.json.encode(record), [str(item.message) for item in caught]


OPTIONS = [
    {"target": "y", "missing_indicator": True},
    {"target": "y", "weight": "weight", "alpha": 0.01},
    {"target": "z > 1000000000000 AND level != 'a'", "drop": ["name"], "alpha": 0.1},
    {"target": "flag AND z > 1000000000000", "features": ["x", "late"], "alpha": 0.1},
    {
        "target": "level",
        "categorical": ["late", "user id"],
        "drop": ["day"],
        "alpha": 0.1,
        "multi_class": "ovr",
    },
    {"target": "y", "numeric": ["user id"]},
    {"target": "y", "numeric": ["late"]},
    {"target": "y", "weight": "z"},
    {"target": "y", "weight": "x"},
    {"target": "y", "offset": "weight", "alpha": 0.01},
    {"target": "y", "weight": "weight", "offset": "z"},
    {"target": "y", "offset": "x"},
    {"target": "z"},
    {"target": "name", "map_label": ["n1=n2"]},
    {"target": "z / 0 > 1"},
    {"target": "z > avg(z)"},
]


@pytest.fixture(scope="module")
def small_batches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_MOST", 23)
        patch.setattr(batches, "_FEWEST", 1)
        yield patch


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, N), max_size=12),
    st.sampled_from(OPTIONS),
    st.booleans(),
    st.booleans(),
    st.randoms(),
)
@example([], OPTIONS[0], True, False, None)
@example(list(range(N)), OPTIONS[1], False, False, None)
def test_pieces_leave_no_trace_in_a_model(small_batches, ends, options, kept, shuffled, source):
    frame = FRAME
    if shuffled and source is not None:
        frame = frame[source.sample(range(N), N)]
    table = Table(frame, "rows.csv", place_of=lambda row, column: f"rows.csv:{row}:{column}")
    with pytest.MonkeyPatch.context() as patch:
        if not kept:
            patch.setattr(Survey, "_keep", lambda self, *args: setattr(self, "kept", None))
        assert outcome(Batches(Cut(table, ends)), **options) == outcome(table, **options)


@pytest.mark.parametrize("options", OPTIONS)
def test_batches_change_no_decision_and_a_model_by_rounding_alone(small_batches, options):
    """Against batches of the usual size, of which this table fills one."""
    table = Table(FRAME, "rows.csv")
    small = outcome(table, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_MOST", 1 << 16)
        whole = outcome(table, **options)
    if isinstance(whole, str):
        assert small == whole
        return
    (ours, said), (theirs, told) = small, whole
    assert said == told
    ours, theirs = msgspec.json.decode(ours), msgspec.json.decode(theirs)
    for key in ("target", "id", "left_out", "dropped", "weight", "offset"):
        assert ours[key] == theirs[key]
    assert ours["training"]["class_counts"] == theirs["training"]["class_counts"]
    for one, other in zip(ours["columns"], theirs["columns"], strict=True):
        assert one.keys() == other.keys()
        assert (one["name"], one["type"]) == (other["name"], other["type"])
        if one["type"] == "categorical":
            assert [item["level"] for item in one["levels"]] == [item["level"] for item in other["levels"]]
        else:
            assert (one["mean"], one["scale"]) == pytest.approx((other["mean"], other["scale"]), rel=1e-12)
    for one, other in zip(ours["equations"], theirs["equations"], strict=True):
        assert one["coef"] == pytest.approx(other["coef"], rel=1e-6)


def parts_of(values, weight, size):
    cuts = range(0, len(values), size)
    return [
        ColumnMoments.of(values[at : at + size], None if weight is None else weight[at : at + size])
        for at in cuts
    ]


@pytest.mark.parametrize("unit", [1.0, 1e-200, 1e200, 5e-324 * 2**60])
@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("weighted", [True, False])
def test_moments_of_parts_are_those_of_the_whole(unit, offset, weighted):
    rng = np.random.default_rng(3)
    values = rng.normal(size=1000) + offset
    weight = rng.uniform(0.1, 2.0, 1000) if weighted else None
    mean = np.average(values, weights=weight)
    sigma = np.sqrt(np.average((values - mean) ** 2, weights=weight))
    total = 1000.0 if weight is None else float(weight.sum())
    found = joined(parts_of(values * unit, weight, 37), 1.25 * total)
    assert found.mean == pytest.approx(mean * unit, rel=1e-14 if offset else 1e-11)
    assert found.sigma == pytest.approx(sigma * np.sqrt(0.8) * unit, rel=1e-6 if offset else 1e-12)


def test_a_mean_between_two_doubles_leaves_sigma_alone():
    values = 2.0**60 + 256.0 * np.array([0.0, 0, 0, 1, 1, 1, 0, 1])
    assert joined(parts_of(values, None, 3), 8.0).sigma == 128.0


@pytest.mark.parametrize(
    ("cells", "by_one", "differ"),
    [
        (list(range(40)), True, True),
        (list(range(40, 0, -1)), True, True),
        ([*range(19), *range(20, 40)], False, True),  # the step of 2 lies between two batches
        ([*range(20), *range(20)], False, False),
        ([2**60 + i for i in range(40)], True, True),
        ([2**53 - 20 + i for i in range(40)], True, True),
        ([2**60 + 2 * i for i in range(40)], False, True),
        ([0.5 + i for i in range(40)], False, False),
        ([None, *range(40)], False, False),
        ([*range(40), None], False, False),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_steps_and_differences_reach_across_batches(cells, by_one, differ, as_text):
    series = pl.Series(cells)
    series = series.cast(pl.String) if as_text else series
    found = NumberFacts(MARKERS, forced=False, unique=True, steps=True)
    for at in range(0, series.len(), 20):
        found.add(series.slice(at, 20), None)
    assert (found.counts_by_one, found.all_differ) == (by_one, differ)


@pytest.mark.parametrize(("distinct", "differ"), [(30, False), (300, False), (400, True)])
def test_texts_are_counted_beyond_the_levels_that_are_kept(distinct, differ):
    cells = pl.Series([f"t{i % distinct}" for i in range(400)])
    found = LevelFacts(MARKERS, 50)
    for at in range(0, 400, 90):
        found.add(cells.slice(at, 90), None)
    assert (found.n_levels, found.all_differ, found.n_cells) == (distinct, differ, 400)
    assert (found.codes is None) == (distinct > 50)


def test_of_very_many_texts_it_is_said_about_how_many_they_are(monkeypatch):
    """250, with a standard error of 25; and so many of the first ones differ that all are taken to."""
    monkeypatch.setattr(facts, "MOST_TOLD", 100)
    monkeypatch.setattr(batches, "_MOST", 60)
    monkeypatch.setattr(batches, "_FEWEST", 1)
    names = [f"t{i}" for i in range(250)]
    table = {"x": [0.5, 1.5] * 250, "y": [0, 0, 1, 1] * 125}
    record = oddsmith.train(
        table | {"t": names + names, "u": names[:50] * 2 + names + names[:150]}, "y"
    ).record
    reasons = [item.reason.partition(". ")[0] for item in record.left_out]
    sentence = r"'{}' is left out: {} \(about ([0-9]+) different texts in 500 cells\)"
    for name, what, reason in zip("tu", ("an identifier", "free text"), reasons, strict=True):
        found = re.fullmatch(sentence.format(name, what), reason)
        assert found is not None
        assert 200 <= int(found[1]) <= 310

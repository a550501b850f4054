"""What hunts and property tests brought to light, each by itself."""

import json
import tracemalloc
import warnings
from decimal import Decimal

import pytest

import oddsmith
from oddsmith.data.encoding import CategoricalColumn, Level, cell_reader
from oddsmith.errors import FitWarning, InputError

from .models import saved_models
from .mutations import edited, sealed
from .oracles import check_message


def test_a_number_written_otherwise_is_the_same_number(tmp_path):
    """Other programs write 1.0 as 1: the digest is that of what was read, and what is saved can be loaded."""
    document = json.loads(saved_models(tmp_path)["binary"])
    whole = edited(document, ("fit", "passes"), int(document["fit"]["passes"]))
    assert document["fit"]["passes"] == whole["fit"]["passes"]
    (tmp_path / "whole").write_text(json.dumps(whole))
    oddsmith.load(tmp_path / "whole").save(tmp_path / "again")
    assert json.loads((tmp_path / "again").read_text()) == document
    assert oddsmith.load(tmp_path / "again").record.digest == sealed(whole)["digest"] == document["digest"]


def test_descent_holds_no_column_at_zero_and_does_not_say_so(tmp_path):
    """Two equal columns share a coefficient there; `not_estimable` lists terms that are held at 0."""
    rows = {"a": [1.0, 2.0, 4.0, 3.0], "b": [1.0, 2.0, 4.0, 3.0], "y": ["u", "v", "v", "u"]}
    with pytest.warns(FitWarning):
        descent = oddsmith.train(rows, "y", solver="gradient-descent", iterations=5)
    newton = oddsmith.train(rows, "y")
    assert descent.coef[0, 0] == descent.coef[0, 1] != 0.0
    assert (descent.record.fit.not_estimable, newton.record.fit.not_estimable) == ([], ["b"])
    assert newton.coef[0, 1] == 0.0
    for model in (descent, newton):
        model.save(tmp_path / "model.json")
        assert oddsmith.load(tmp_path / "model.json").record == model.record


@pytest.mark.parametrize("digits", [18, 19, 30, 5000])
def test_labels_beyond_64_bits_are_texts(tmp_path, digits):
    label = "9" * digits
    model = oddsmith.train({"x": [1.0, 2.0, 3.0, 4.0], "y": [label, "1", label, "1"]}, "y", alpha=0.1)
    model.save(tmp_path / "model.json")
    found = oddsmith.load(tmp_path / "model.json").predict({"x": [1.0, 4.0]})
    assert found.dtype.kind == ("i" if digits < 19 else "U")
    assert {Decimal(str(value)) for value in found} <= {Decimal(label), Decimal(1)}


@pytest.mark.parametrize(
    "expression",
    [
        "a" + " + a" * 30_000 + " > 3",
        " OR ".join(["a > 1"] * 3_000),
        "(" * 10_000,
        "a " + "+" * 201 + " b",
        "floor(" * 40,
        "a > substr(" * 40,
        "INTERVAL " * 40,
    ],
)
def test_an_expression_without_end_is_refused_before_a_parser_is_lost_in_it(expression):
    with pytest.raises(InputError, match="of at most 200 operations, nested at most 12 deep") as caught:
        oddsmith.train({"a": [1.0, 2.0, 3.0], "b": [1.0, 5.0, 2.0]}, expression)
    check_message(caught.value)


@pytest.mark.parametrize("function", ["greatest(  )", "1 < LEAST ()", "a > 1 OR least()"])
def test_functions_of_nothing_are_refused_before_they_panic(function, capfd):
    with pytest.raises(
        InputError, match=r"a function of nothing\. Name columns in its brackets\.$"
    ) as caught:
        oddsmith.train({"a": [1.0, 2.0, 3.0], "b": [1.0, 5.0, 2.0]}, function)
    check_message(caught.value)
    assert capfd.readouterr().err == ""


def test_a_parser_that_gives_no_reason_is_quoted_with_none():
    with pytest.raises(
        InputError, match=r"nor an SQL expression \(no reason given\)|cannot be computed"
    ) as caught:
        oddsmith.train({"b": ["1", "x", "y"], "x": [1.0, 5.0, 2.0]}, "b .  '' ")
    check_message(caught.value)


def test_a_remedy_does_not_repeat_a_name_without_end():
    rows = {"x" * 5_000: ["1", "2", "3", "4", "five"], "y": ["u", "v", "u", "v", "u"]}
    with pytest.raises(InputError, match=r"--drop 1\.$") as caught:
        oddsmith.train(rows, "y")
    check_message(caught.value)


def test_reading_a_category_takes_no_square_of_its_levels():
    column = CategoricalColumn("c", "level 0", [Level(f"level {k}", 0.0, 1.0) for k in range(1, 20_000)])
    tracemalloc.start()
    try:
        read = cell_reader(column, frozenset())
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()
    assert (read("level 7"), read("level 0")) == (((6, 1.0),), ())


def test_golden_rows_take_no_square_of_the_terms(tmp_path):
    """10,000 columns in a second or so, and not in minutes."""
    import time

    n = 10_000
    flat = {
        "thetas_dict": {house: [0.1, *[0.01] * n] for house in ("a", "b")},
        "houses": ["a", "b"],
        "subjects": [f"s{k}" for k in range(n)],
        "mu": [1.0] * n,
        "sigma": [2.0] * n,
    }
    (tmp_path / "flat.json").write_text(json.dumps(flat))
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = oddsmith.load(tmp_path / "flat.json")
    assert len(model.record.golden.changes) == n
    assert time.process_time() - began < 20.0

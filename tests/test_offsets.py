"""Offsets from a table's column to a model, its file and its predictions: eta = model's log-odds + offset."""

import json
from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest

import oddsmith
from oddsmith.data.row_numbers import FARTHEST
from oddsmith.errors import InputError
from oddsmith.fit.solvers import SOLVERS
from oddsmith.workflow import training

from .model.forge import refusal, sealed, written

RNG = np.random.default_rng(12)
N = 400
X, Z, PRIOR = RNG.normal(size=(3, N)) * [[1.0], [3.0], [1.5]] + [[0.0], [10.0], [1.0]]
LEVEL = RNG.choice(["a", "b", "c"], N)
ODDS = 0.8 * X - 0.2 * (Z - 10.0) + (LEVEL == "b") + PRIOR - 0.7
TABLE = {
    "x": X,
    "z": Z,
    "level": LEVEL,
    "prior": PRIOR,
    "w": np.arange(N) % 4 + 0.5,
    "y": np.where(RNG.random(N) < 1.0 / (1.0 + np.exp(-ODDS)), "yes", "no"),
}


def trained(table=TABLE, **options):
    return oddsmith.train(table, "y", **{"offset": "prior", "weight": "w", **options})


def log_odds(model, table=TABLE):
    return model.explain(table).log_odds


@pytest.mark.parametrize("options", [{}, {"alpha": 0.02}, {"alpha": 0.02, "l1_ratio": 1.0}], ids=str)
@pytest.mark.parametrize("solver", ["auto", "newton"])
def test_a_table_is_fitted_beside_its_offsets(options, solver):
    """The optimality condition in the user's columns: A'(w (p - y)) / W + the penalty's slope is 0."""
    model = trained(solver=solver, **options)
    assert [column.name for column in model.record.columns] == ["x", "z", "level"]
    assert (model.record.offset, model.record.fit.status) == ("prior", "converged")
    design = np.column_stack([X, Z, LEVEL == "a", LEVEL == "b", LEVEL == "c"])
    design = design[:, [0, 1, *(2 + "abc".index(t[-1]) for t in model.terms[2:])]].astype(float)
    eta = model.intercept + design @ model.coef[0] + PRIOR
    np.testing.assert_allclose(log_odds(model), eta, rtol=1e-12, atol=1e-12)
    residual = TABLE["w"] * (1.0 / (1.0 + np.exp(-eta)) - (TABLE["y"] == "yes")) / TABLE["w"].sum()
    alpha, share = options.get("alpha", 0.0), options.get("l1_ratio", 0.0)
    b = model.coef[0] * model.design.scale
    slope = (residual @ design) / model.design.scale + alpha * (1.0 - share) * b
    assert residual.sum() == pytest.approx(0.0, abs=1e-10)
    np.testing.assert_allclose(slope[b != 0.0], (-alpha * share * np.sign(b))[b != 0.0], atol=1e-10)
    assert (np.abs(slope[b == 0.0]) <= alpha * share).all()


@pytest.mark.parametrize("constant", [-300.0, 5e5])
@pytest.mark.parametrize("options", [{}, {"alpha": 0.02, "l1_ratio": 0.5}], ids=str)
def test_a_constant_in_all_offsets_moves_the_intercept_alone(constant, options):
    """However large it is: a fit begins in the middle of the offsets."""
    one, other = trained(**options), trained({**TABLE, "prior": PRIOR + constant}, **options)
    np.testing.assert_allclose(other.coef, one.coef, rtol=1e-8)
    np.testing.assert_allclose(other.intercept + constant, one.intercept, rtol=0.0, atol=1e-9)
    assert other.record.training.null_loss == pytest.approx(one.record.training.null_loss, rel=1e-9)
    assert other.record.fit.iterations == one.record.fit.iterations


def test_every_solver_takes_offsets():
    exact = trained()
    for solver in SOLVERS:
        near = {"newton": 1e-9, "sketched-newton": 1e-9, "proximal-newton": 1e-9, "lbfgs": 1e-7}
        with (
            pytest.warns(oddsmith.FitWarning) if solver not in (*near, "gradient-descent") else nullcontext()
        ):
            found = trained(solver=solver)
        gap = np.abs((found.coef - exact.coef) * exact.design.scale).max()
        assert gap < near.get(solver, 0.1)


def test_figures_are_those_of_a_fit_beside_offsets():
    model, bare = (
        trained(),
        oddsmith.train(TABLE, "y", drop=["x", "z", "level"][1:], offset="prior", weight="w"),
    )
    record = model.record
    eta = log_odds(model)
    y = TABLE["y"] == "yes"
    loss = np.average(np.logaddexp(0.0, eta) - y * eta, weights=TABLE["w"])
    assert record.fit.mean_loss == [pytest.approx(loss, rel=1e-12)]
    start = np.average(
        np.logaddexp(0.0, PRIOR - np.median(PRIOR)) - y * (PRIOR - np.median(PRIOR)), weights=TABLE["w"]
    )
    assert record.fit.loss_history[0].objective == [pytest.approx(start, rel=1e-12)]
    assert record.fit.mean_loss[0] < bare.record.fit.mean_loss[0] < record.training.null_loss < start


def test_rows_without_a_label_need_no_offset_and_rows_of_weight_zero_do():
    gaps = pl.DataFrame({**TABLE, "prior": [None, *PRIOR[1:]]})
    unlabelled = gaps.with_columns(y=pl.Series([None, *TABLE["y"][1:].tolist()]))
    rest = {name: cells[1:] for name, cells in TABLE.items()}
    assert trained(unlabelled).record.equations == trained(rest).record.equations
    with pytest.raises(InputError, match=r"^table: row 1, column 'prior': a missing cell is no offset\. Off"):
        trained(gaps.with_columns(w=pl.Series([0.0, *TABLE["w"][1:]])))


@pytest.mark.parametrize("memory", ["in memory", "packed", "read again"])
def test_the_model_is_the_same_however_its_rows_come(tmp_path, monkeypatch, memory):
    path = tmp_path / "rows.csv"
    pl.DataFrame(TABLE).write_csv(path)
    whole = trained(path, alpha=0.01, solver="sketched-newton")
    if memory != "in memory":
        monkeypatch.setattr(training, "KEPT", 0.0)
        monkeypatch.setattr(training, "HELD", 0.0)
    found = trained(path, alpha=0.01, solver="sketched-newton", cache=memory != "read again")
    assert found.record == whole.record


def test_predictions_add_the_offset(tmp_path):
    trained().save(tmp_path / "model.json")
    model = oddsmith.load(tmp_path / "model.json")
    shifted = {**TABLE, "prior": PRIOR + 2.0}
    np.testing.assert_allclose(log_odds(model, shifted), log_odds(model) + 2.0, rtol=1e-13, atol=1e-13)
    eta = log_odds(model)
    np.testing.assert_allclose(model.predict_proba(TABLE)[:, 1], 1.0 / (1.0 + np.exp(-eta)), rtol=1e-13)
    np.testing.assert_array_equal(model.predict(TABLE), np.where(eta >= 0.0, "yes", "no"))
    row = {name: cells[7] for name, cells in TABLE.items()}
    np.testing.assert_allclose(model.predict_proba(row), model.predict_proba(TABLE)[7], rtol=1e-13)
    assert model.predict(row) == model.predict(TABLE)[7]
    for data in (TABLE, row):
        why = model.explain(data)
        assert why.columns == ("x", "z", "level", "prior")
        np.testing.assert_allclose(why.average + why.contributions.sum(axis=1), why.log_odds, rtol=1e-12)
    np.testing.assert_array_equal(model.explain(TABLE).contributions[:, 3], PRIOR)
    with pytest.warns(oddsmith.DataWarning, match="rows count by their weight in 'w'"):
        evaluation = model.evaluate({**TABLE, "w": np.ones(N)})
    y = TABLE["y"] == "yes"
    assert evaluation.log_loss == pytest.approx(np.mean(np.logaddexp(0.0, eta) - y * eta), rel=1e-12)


def test_offsets_of_texts_and_markers_are_cells_like_any_other():
    texts = pl.DataFrame({**TABLE, "prior": [f" {value!r} " for value in PRIOR.tolist()]})
    assert trained(texts).record.equations == trained().record.equations
    model = trained(texts, missing=["prior=-9"])
    assert model.record.missing.columns[0].column == "prior"
    for data in ({**TABLE, "prior": np.full(N, -9.0)}, {"x": 1.0, "z": 2.0, "level": "a", "prior": -9}):
        with pytest.raises(InputError, match="missing"):
            model.predict(data)


NONE = r"the offset that this model adds to the log-odds\."


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (None, r"^table: row 3, column 'prior': a missing cell is no offset\. Offsets are log-odds: finite"),
        (
            1e7,
            r"^table: row 3, column 'prior': 1e\+07 is no offset\. Offsets are log-odds: finite numbers, at most",
        ),
        (np.inf, r"^table: row 3, column 'prior': 'inf' in numeric column 'prior' is beyond the range of a"),
        ("much", r"^table: row 3, column 'prior': 'much' in numeric column 'prior' \(399 of 400 cells are n"),
    ],
)
def test_offsets_that_are_none_are_refused_with_their_place(cell, sentence):
    cells = PRIOR.tolist()
    cells[2] = cell
    if isinstance(cell, str):
        cells = [str(value) for value in cells]
    rows = pl.DataFrame({**TABLE, "prior": pl.Series(cells)})
    for ask in (trained, trained().predict, trained().evaluate):
        with pytest.raises(InputError, match=sentence) as caught:
            ask(rows)
        assert "Offsets are log-odds" in str(caught.value)


def test_what_an_offset_cannot_be_is_refused():
    model = trained()
    without = {name: cells for name, cells in TABLE.items() if name != "prior"}
    for ask in (model.predict, model.evaluate):
        with pytest.raises(InputError, match=rf"^table: no column called 'prior', {NONE} Add it; with 0 in"):
            ask(without)
    row = {name: cells[0] for name, cells in without.items()}
    with pytest.raises(InputError, match=rf"^the row has no 'prior', {NONE} Give it as a number\.$"):
        model.predict(row)
    with pytest.raises(InputError, match=r"^'prior' is missing in this row\. Offsets are log-odds"):
        model.predict_proba({**row, "prior": None})
    with pytest.raises(InputError, match=r"^'prior' is 1e\+07 in this row\. Offsets are log-odds"):
        model.predict_proba({**row, "prior": 1e7})
    assert model.predict_proba({**row, "prior": FARTHEST})[1] == 1.0
    for multi_class in ("softmax", "ovr"):
        with pytest.raises(
            InputError, match=r"^an offset is one number a row, .* there are 3 classes\. Leave it out, or"
        ):
            oddsmith.train(TABLE, "level", offset="prior", multi_class=multi_class)
    for option, names in (("--weight", {"weight": "prior"}), ("--drop", {"drop": ["prior"]})):
        with pytest.raises(InputError, match=r"^table: column 'prior' is named by --") as caught:
            oddsmith.train(TABLE, "y", offset="prior", **names)
        assert option in str(caught.value)
    with pytest.raises(InputError, match=r"^table: 'before' is none of its 6 columns\."):
        trained(offset="before")
    with pytest.raises(InputError, match=r"^the flat form has no place for a column of offsets"):
        oddsmith.train(TABLE, "y", offset="prior", drop=["level", "w"]).save("never.json", flat=True)


def test_a_file_binds_its_offset(tmp_path):
    path = tmp_path / "model.json"
    trained().save(path)
    document = json.loads(path.read_text())
    for name in (None, "other", "x"):
        assert "$." in refusal(written(path, sealed({**document, "offset": name})))
    document["golden"]["changes"][-1]["answer"]["log_odds"][0] += 1e-9
    assert "the golden row with 'prior' changed" in refusal(written(path, sealed(document)))
    document = json.loads(path.read_text())
    oddsmith.train({name: cells for name, cells in TABLE.items() if name != "prior"}, "y").save(path)
    bare = json.loads(path.read_text())
    assert "$.golden.row does not fit" in refusal(written(path, sealed({**bare, "offset": "prior"})))
    document["training"]["null_loss"] = 0.1
    assert "$.training.null_loss" in refusal(written(path, sealed(document)))

"""The flat form: five lists that other programs write, and that the glass box can make."""

import json

import numpy as np
import pytest

import oddsmith
from oddsmith import scratch
from oddsmith.data.native import as_table
from oddsmith.errors import FitWarning, InputError
from oddsmith.model import load

from .forge import leaves, refusal, with_value, written

SMALL = {
    "thetas_dict": {"Gryffindor": [0.5, 1.0, -2.0], "Slytherin": [-0.25, -1.0, 0.5]},
    "houses": ["Gryffindor", "Slytherin"],
    "subjects": ["Charms", "Flying"],
    "mu": [-240.0, 20.0],
    "sigma": [8.0, 100.0],
}
COURSES = ["Potions", "Charms", "Flying"]


@pytest.fixture(scope="module")
def by_hand(students_csv):
    """The glass box's one-vs-rest on standardised marks of three courses: (flat document, marks, log-odds)."""
    frame = as_table(students_csv).frame
    marks = frame.select(COURSES).cast(float).fill_null(np.nan).to_numpy()
    filled, _ = scratch.replace_nan(marks)
    mu, sigma = scratch.compute_mu_sigma(filled)
    X = scratch.add_bias(scratch.normalize(filled, mu, sigma))
    labels = frame["Hogwarts House"].to_numpy()
    houses, weights = scratch.one_vs_rest(X, labels, lr=0.5, epochs=40, verbose=False)
    document = {
        "thetas_dict": {house: weights[:, k].tolist() for k, house in enumerate(houses)},
        "houses": houses.tolist(),
        "subjects": COURSES,
        "mu": mu.tolist(),
        "sigma": sigma.tolist(),
    }
    return document, frame, X @ weights


def test_weights_of_the_glass_box_score_as_in_the_glass_box(by_hand, tmp_path):
    document, frame, log_odds = by_hand
    model = load(written(tmp_path / "thetas.json", document))
    scores = model.score(as_table(frame))
    np.testing.assert_allclose(scores.log_odds, log_odds, rtol=1e-11, atol=1e-11)
    expected = np.array(document["houses"])[log_odds.argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(frame), expected)
    proba = scratch.sigmoid(log_odds)
    np.testing.assert_allclose(
        model.predict_proba(frame), proba / proba.sum(axis=1, keepdims=True), rtol=1e-10
    )
    assert (model.record.id, model.record.target.name) == ("Index", "Hogwarts House")


def test_gradient_descent_writes_the_weights_of_the_glass_box(by_hand, students_csv, tmp_path):
    document, _, _ = by_hand
    with pytest.warns(FitWarning, match="stopped after 40 iterations"):
        model = oddsmith.train(
            students_csv,
            "Hogwarts House",
            features=COURSES,
            id="Index",
            multi_class="ovr",
            solver="gradient-descent",
            iterations=40,
        )
    model.save(tmp_path / "thetas.json", flat=True)
    found = json.loads((tmp_path / "thetas.json").read_text())
    assert list(found) == list(document)
    assert (found["houses"], found["subjects"]) == (document["houses"], document["subjects"])
    for name in ("mu", "sigma"):
        np.testing.assert_allclose(found[name], document[name], rtol=1e-12)
    for house in document["houses"]:
        np.testing.assert_allclose(found["thetas_dict"][house], document["thetas_dict"][house], atol=1e-10)


@pytest.mark.filterwarnings("ignore:these are the rows that the model was trained on")
def test_a_model_survives_the_flat_form(ovr, students_csv, tmp_path):
    ovr.save(tmp_path / "flat.json", flat=True)
    flat = load(tmp_path / "flat.json")
    assert flat.terms == ovr.terms
    assert flat.record.target.classes == ovr.record.target.classes
    np.testing.assert_allclose(flat.coef, ovr.coef, rtol=1e-13)
    np.testing.assert_allclose(flat.predict_proba(students_csv), ovr.predict_proba(students_csv), rtol=1e-11)
    np.testing.assert_array_equal(flat.predict(students_csv), ovr.predict(students_csv))
    assert flat.evaluate(students_csv).accuracy == ovr.evaluate(students_csv).accuracy
    flat.save(tmp_path / "again.json", flat=True)
    once, twice = (json.loads((tmp_path / name).read_text()) for name in ("flat.json", "again.json"))
    for house in once["houses"]:
        np.testing.assert_allclose(once["thetas_dict"][house], twice["thetas_dict"][house], rtol=1e-11)
    flat.save(tmp_path / "own.json")
    assert load(tmp_path / "own.json").record.equations == flat.record.equations


@pytest.mark.filterwarnings("ignore:these are the rows that the model was trained on")
def test_two_classes_that_mirror_each_other_are_one_equation(requests_csv, tmp_path):
    model = oddsmith.train(requests_csv, "needs_review", features=["ambiguity", "support"], id="request")
    model.save(tmp_path / "flat.json", flat=True)
    document = json.loads((tmp_path / "flat.json").read_text())
    assert (document["target"], document["id"]) == ("needs_review", "request")
    assert document["thetas_dict"]["0"] == [-theta for theta in document["thetas_dict"]["1"]]
    flat = load(tmp_path / "flat.json")
    assert flat.record.multi_class == "binary"
    np.testing.assert_allclose(
        flat.predict_proba(requests_csv), model.predict_proba(requests_csv), rtol=1e-12
    )
    ours, theirs = (m.evaluate(requests_csv, thresholds=[0.2]) for m in (model, flat))
    assert (ours.thresholds, ours.auc) == (theirs.thresholds, theirs.auc)


def test_two_classes_with_equations_of_their_own(tmp_path):
    """The probability of one is its share of both: that has a single log-odds, which is evaluated."""
    model = load(written(tmp_path / "flat.json", SMALL))
    assert model.record.multi_class == "ovr"
    rng = np.random.default_rng(0)
    rows = {"Charms": rng.normal(-240, 8, 50), "Flying": rng.normal(20, 100, 50)}
    z = np.column_stack([(rows["Charms"] + 240) / 8, (rows["Flying"] - 20) / 100])
    weights = np.array(list(SMALL["thetas_dict"].values()))
    each = scratch.sigmoid(weights[:, 0] + z @ weights[:, 1:].T)
    share = each / each.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(rows), share, rtol=1e-11)
    truth = np.where(rng.random(50) < share[:, 1], "Slytherin", "Gryffindor")
    found = model.evaluate({**rows, "Hogwarts House": truth})
    np.testing.assert_allclose(
        found.log_loss, -np.log(share[np.arange(50), (truth == "Slytherin") * 1]).mean()
    )
    assert found.accuracy.correct == np.sum((share[:, 1] >= 0.5) == (truth == "Slytherin"))


def test_what_has_no_flat_form_says_why(binary, softmax, tmp_path):
    for model, sentence in [
        (softmax, "the flat form holds one-vs-rest weights. Train with --multi-class ovr."),
        (
            binary,
            "the flat form holds numbers only, and 'department' is not one. Leave it out with --drop, or",
        ),
    ]:
        with pytest.raises(InputError) as caught:
            model.save(tmp_path / "flat.json", flat=True)
        assert str(caught.value).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("$.thetas_dict", [], "not a flat model: Expected `object`, got `array` - at `$.thetas_dict`."),
        ("$.thetas_dict", {}, "$.houses and the keys of $.thetas_dict differ, or name fewer than two."),
        (
            "$.thetas_dict.Gryffindor",
            [0.5, 1.0],
            "$.thetas_dict.Gryffindor has 2 entries; 2 subjects need 3 of",
        ),
        ("$.thetas_dict.Slytherin", [], "$.thetas_dict.Slytherin has 0 entries; 2 subjects need 3 of them."),
        (
            "$.thetas_dict.Slytherin[1]",
            "1",
            "not a flat model: Expected `float`, got `str` - at `$.thetas_dict",
        ),
        (
            "$.thetas_dict.Slytherin[1]",
            None,
            "not a flat model: Expected `float`, got `null` - at `$.thetas_di",
        ),
        ("$.thetas_dict.Hufflepuff", [1, 2, 3], "$.houses and the keys of $.thetas_dict differ"),
        (
            "$.houses",
            ["Gryffindor"],
            "$.houses and the keys of $.thetas_dict differ, or name fewer than two.",
        ),
        (
            "$.houses",
            ["Gryffindor", "Slytherin", "Slytherin"],
            "$.houses and the keys of $.thetas_dict differ",
        ),
        ("$.houses[0]", "Ravenclaw", "$.houses and the keys of $.thetas_dict differ"),
        ("$.houses[0]", 1, "not a flat model: Expected `str`, got `int` - at `$.houses[0]`."),
        ("$.subjects", [], "$.subjects is empty, so there is nothing to predict from."),
        ("$.subjects", ["Charms"], "$.mu has 2 entries; 1 subjects need 1 of them."),
        ("$.subjects[1]", "Charms", "$.subjects names one thing twice."),
        ("$.target", "Flying", "'Flying', which is $.target, has another role as well. Name the column of"),
        ("$.id", "Charms", "'Charms', which is $.id, has another role as well. Name the column of labels"),
        ("$.id", "Hogwarts House", "'Hogwarts House', which is $.id, has another role as well."),
        ("$.mu", [1.0], "$.mu has 1 entries; 2 subjects need 2 of them."),
        ("$.sigma", [1.0, 2.0, 3.0], "$.sigma has 3 entries; 2 subjects need 2 of them."),
        ("$.sigma[0]", 0.0, "$.sigma has an entry that is not positive."),
        ("$.sigma[0]", -8.0, "$.sigma has an entry that is not positive."),
        ("$.sigma[0]", 1e-320, "$.thetas_dict.Gryffindor, divided by $.sigma, is beyond a double."),
        ("$.thetas_dict.Gryffindor", [1.7e308, 0, 1.7e308], "$.thetas_dict gives log-odds beyond the range"),
        (
            "$.thetas_dict.Gryffindor[1]",
            float("nan"),
            "the number at $.thetas_dict.Gryffindor[1] is not finite",
        ),
        ("$.target", None, "not a flat model: Expected `str`, got `null` - at `$.target`."),
        ("$.id", 3, "not a flat model: Expected `str | null`, got `int` - at `$.id`."),
        ("$.extra", 1, "not a flat model: Object contains unknown field `extra`."),
        ("$.\x1b", 1, r"not a flat model: Object contains unknown field `\x1b`."),
    ],
)
def test_every_fault_is_refused_with_its_path(tmp_path, path, value, sentence):
    document = with_value(SMALL, path, value)
    assert refusal(written(tmp_path / "flat.json", document)).startswith(sentence)


@pytest.mark.parametrize("key", ["houses", "subjects", "mu", "sigma"])
def test_a_key_that_is_missing_is_named(tmp_path, key):
    document = {name: value for name, value in SMALL.items() if name != key}
    expected = f"not a flat model: Object missing required field `{key}`."
    assert refusal(written(tmp_path / "flat.json", document)) == expected


def test_no_value_of_another_type_gets_through(tmp_path):
    for path, value in leaves({**SMALL, "target": "House", "id": None}):
        for other in ([], {}, True, "text" if not isinstance(value, str) else 17):
            if (path, other) != ("$.id", "text"):
                document = with_value({**SMALL, "target": "House", "id": None}, path, other)
                assert refusal(written(tmp_path / "flat.json", document)), (path, other)


def test_whole_numbers_are_numbers_here(tmp_path):
    document = with_value(with_value(SMALL, "$.mu[0]", -240), "$.thetas_dict.Gryffindor", [0, 1, -2])
    model = load(written(tmp_path / "flat.json", document))
    assert model.log_odds_of({"Charms": -232, "Flying": 20})[0] == pytest.approx(1.0, rel=1e-14)

"""The model file: what is loaded is what was saved, to the bit, or the file is refused."""

import base64
import json
import pickle
import re
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oddsmith
from oddsmith.model import load
from oddsmith.model.golden import golden_rows
from oddsmith.model.records import ModelRecord

from .forge import changed, leaves, objects, refusal, sealed, with_value, written

pytestmark = pytest.mark.slow


@pytest.fixture
def saved(any_model, tmp_path):
    """(path of a model file, its document)"""
    any_model.save(tmp_path / "model.json")
    return tmp_path / "model.json", json.loads((tmp_path / "model.json").read_text())


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(folder, bytes, document) of a small model with a column of each kind."""
    folder = tmp_path_factory.mktemp("small")
    rows = {
        "x": [0.5, 1.5, None, 2.0, 3.5, 1.0, 2.5, 0.1],
        "flag": [True, False, True, None, False, True, False, True],
        "level": ["a", "b", "a", "b", None, "a", "b", "a"],
        "y": ["no", "yes", "no", "yes", "yes", "no", "no", "yes"],
        "name": ["Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal"],
    }
    oddsmith.train(rows, "y", alpha=0.1, missing=["?", "x=-9"], missing_indicator=True).save(folder / "saved")
    content = (folder / "saved").read_bytes()
    return folder, content, json.loads(content)


def test_what_is_loaded_is_what_was_saved(any_model, saved, rows_of, tmp_path):
    loaded = load(saved[0])
    assert loaded.record == any_model.record
    np.testing.assert_array_equal(loaded.coef, any_model.coef, strict=True)
    np.testing.assert_array_equal(loaded.intercept, any_model.intercept, strict=True)
    rows = rows_of(any_model)
    np.testing.assert_array_equal(loaded.predict_proba(rows), any_model.predict_proba(rows), strict=True)
    np.testing.assert_array_equal(loaded.predict(rows), any_model.predict(rows), strict=True)
    row = dict(zip(rows.frame.columns, rows.frame.row(5), strict=True))
    np.testing.assert_array_equal(loaded.predict_proba(row), any_model.predict_proba(row), strict=True)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == saved[0].read_bytes()


def test_the_file_is_text_that_people_and_tools_read(any_model, saved):
    path, document = saved
    text = path.read_text("utf-8")
    assert text.endswith("}\n")
    assert max(map(len, text.splitlines())) < 300
    fields = [field.name for field in msgspec.structs.fields(ModelRecord)]
    assert list(document) == fields
    assert document == msgspec.to_builtins(any_model.record)


def test_the_same_rows_give_the_same_bytes(requests_csv, tmp_path):
    for name in ("first", "second"):
        oddsmith.train(requests_csv, "needs_review", alpha=0.01).save(tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_change_of_any_number_is_refused(small):
    folder, _, document = small
    for path, value in leaves(document):
        if isinstance(value, int | float) and not isinstance(value, bool):
            for other in (value + 1, -value - 1, float(np.nextafter(value, np.inf))):
                assert refusal(written(folder / "forged", with_value(document, path, other))), path


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_change_of_any_byte_is_refused_unless_it_says_the_same(small, data):
    folder, content, document = small
    position = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.sampled_from(b'0123456789eE.+-"{}[],:\\ aZ\n\x00\xff') | st.integers(0, 255))
    forged = content[:position] + bytes([byte]) + content[position + 1 :]
    try:
        same = json.loads(forged) == document
    except ValueError:
        same = False
    path = written(folder / "forged", forged)
    if same:
        assert load(path)
    else:
        assert refusal(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_cut_short_is_refused(small, data):
    folder, content, _ = small
    length = data.draw(st.integers(0, len(content) - 3))
    sentence = refusal(written(folder / "forged", content[:length]))
    assert "truncated" in sentence or "is empty" in sentence


def test_a_key_that_is_taken_away_or_added_is_refused_even_with_a_new_digest(small):
    folder, _, document = small
    for path, found in objects(document):
        for key in found:
            forged = changed(document, f"{path}.{key}", lambda parent, name: parent.pop(name))
            assert refusal(written(folder / "forged", forged)), (path, key)
            if (path, key) not in {("$", "digest"), ("$.columns[2].levels[0]", "level")}:
                assert refusal(written(folder / "forged", sealed(forged))), (path, key)
        if found:
            last = f"{path}.{list(found)[-1]}"
            forged = changed(document, last, lambda parent, name: parent.update(unknown=1))
            assert refusal(written(folder / "forged", forged)), path
            if path != "$.fit.settings":
                assert refusal(written(folder / "forged", sealed(forged))), path


# Here texts and numbers both have their place, so that only the digest, or another sentence, tells.
BOUND_BY_DIGEST = (
    "$.format",
    "$.version",
    "$.id",
    "$.weight",
    "$.reading",
    "$.columns[2].reference",
    "$.columns[2].levels",
    "$.columns[0].type",
    "$.columns[1].type",
    "$.columns[2].type",
    "$.fit.settings",
    "$.fit.status",
    "$.multi_class",
    "$.target.label_type",
    "$.training.digest",
    "$.golden.row",
    "$.digest",
)


def test_a_value_of_another_type_is_refused_with_its_path(small):
    folder, _, document = small
    for path, value in leaves(document):
        for other in ({}, [], "text" if not isinstance(value, str) else 17):
            forged = with_value(document, path, other)
            sentence = refusal(written(folder / "forged", forged))
            if path.startswith(BOUND_BY_DIGEST) or path.endswith(".cell"):
                continue
            place = re.sub(r"\.coef\..*", ".coef[...]", path)
            assert sentence.startswith("not a sound model file: Expected"), (path, other)
            assert sentence.endswith(f" - at `{place}`."), (path, other)


LARGER = lambda parent, key: parent.__setitem__(key, parent[key] + 2e-12 * max(1.0, abs(parent[key])))  # noqa: E731
SMALLER = lambda parent, key: parent.__setitem__(key, parent[key] - 4e-13 * max(1.0, abs(parent[key])))  # noqa: E731


def test_golden_rows_bind_to_twelve_digits_even_with_a_new_digest(saved):
    path, document = saved
    places = [place for place, _ in leaves(document["golden"], "$.golden") if "log_odds" in place]
    assert len(places) == len(document["equations"]) * (1 + len(document["golden"]["changes"]))
    for place in places:
        sentence = refusal(written(path, sealed(changed(document, place, LARGER))))
        assert sentence.startswith("the golden row")
        assert sentence.endswith("The file was changed after training, or damaged; train the model again.")
        load(written(path, sealed(changed(document, place, SMALLER))))


def test_every_coefficient_is_bound_by_a_golden_row(saved):
    """A coefficient that is changed by 1e-9 of itself, and the digest with it, is found out."""
    path, document = saved
    for k, equation in enumerate(document["equations"]):
        for name, value in [("intercept", equation["intercept"]), *equation["coef"].items()]:
            forged = json.loads(json.dumps(document))
            where = forged["equations"][k] if name == "intercept" else forged["equations"][k]["coef"]
            where[name] = value * (1 + 1e-9)
            # The cell that moves this term may be small: then its log-odds hardly show the change.
            term = [column for column in document["columns"] if column["name"] == name]
            reach = abs(value) * (term[0]["scale"] + abs(term[0]["mean"]) if term else 1.0)
            if reach > 0.1:
                said = refusal(written(path, sealed(forged)))
                assert "golden row" in said or "intercept and average do not fit" in said, name


def test_golden_rows_are_what_they_say(any_model):
    """Against a sum in plain Python over the words of the record."""
    record = any_model.record
    means = {column.name: column for column in record.columns}
    assert list(record.golden.row) == list(means)
    row = dict(record.golden.row)
    seen = []
    for k, equation in enumerate(record.equations):

        def log_odds(cells, equation=equation):
            total = equation.intercept
            for name, cell in cells.items():
                column = means[name]
                if hasattr(column, "levels"):
                    label = f"{name}={'(missing)' if cell is None else cell}"
                    total += equation.coef.get(label, 0.0)
                    continue
                total += equation.coef[name] * (column.mean if cell is None else float(cell))
                if cell is None and getattr(column, "indicator", None) is not None:
                    total += equation.coef[f"{name} is missing"]
            return total

        assert record.golden.log_odds[k] == pytest.approx(log_odds(row), rel=1e-10, abs=1e-10)
        for change in record.golden.changes:
            expected = log_odds({**row, change.column: change.cell})
            assert change.log_odds[k] == pytest.approx(expected, rel=1e-10, abs=1e-10)
            seen.append((change.column, change.cell))
    expected_changes = []
    for column in record.columns:
        if hasattr(column, "levels"):
            expected_changes += [(column.name, item.level) for item in column.levels]
        elif column.name == "privileged":
            expected_changes += [(column.name, False), (column.name, True)]
        else:
            expected_changes.append((column.name, column.mean + column.scale))
            if column.indicator is not None:
                expected_changes.append((column.name, None))
    assert seen == expected_changes * len(record.equations)
    assert golden_rows(any_model.design, record.equations) == record.golden


def test_the_order_of_coefficients_is_part_of_the_file(saved):
    """Keys of a JSON object have no order for the digest; the design matrix has one."""
    path, document = saved
    coef = document["equations"][-1]["coef"]
    document["equations"][-1]["coef"] = dict(reversed(coef.items()))
    last = len(document["equations"]) - 1
    assert refusal(written(path, document)) == f"$.equations[{last}].coef does not fit $.columns."


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("$.equations[0].label", "maybe", "$.equations do not fit $.target.classes."),
        ("$.target.classes", ["no", "no"], "$.equations do not fit $.target.classes."),
        ("$.target.classes", ["no", "yes", "?"], "$.equations do not fit $.target.classes."),
        (
            "$.target.classes",
            ["yes"],
            "not a sound model file: Expected `array` of length >= 2 - at `$.target",
        ),
        ("$.multi_class", "ovr", "$.equations do not fit $.target.classes."),
        (
            "$.multi_class",
            "probit",
            "not a sound model file: Invalid enum value 'probit' - at `$.multi_class`",
        ),
        ("$.target.label_type", "integer", "$.target.classes are not all integer labels."),
        ("$.target.label_type", "boolean", "$.target.classes are not all boolean labels."),
        ("$.equations", [], "not a sound model file: Expected `array` of length >= 1 - at `$.equations`."),
        (
            "$.columns[1].name",
            "x",
            "$.columns: two terms of the model would be called 'x'. Rename a column or a level.",
        ),
        ("$.columns[0].name", "z", "$.equations[0].coef does not fit $.columns."),
        (
            "$.columns[0].type",
            "spline",
            "not a sound model file: Invalid value 'spline' - at `$.columns[0].type`.",
        ),
        (
            "$.columns[2].reference",
            "c",
            "the golden row cannot be read: 'level' has a level that training never saw: 'a'.",
        ),
        ("$.golden.row", {}, "$.golden.row does not fit $.columns."),
        ("$.golden.changes", [], "$.golden.changes does not fit $.columns."),
        (
            "$.golden.row.x",
            "high",
            "the golden row cannot be read: 'high' in numeric column 'x' of this row.",
        ),
        ("$.golden.log_odds", [], "the golden row gives log-odds ["),
        ("$.golden.changes[0].column", "z", "$.golden.changes does not fit $.columns."),
        ("$.golden.changes[0].cell", 0.0, "$.golden.changes does not fit $.columns."),
        ("$.training.rows", -1, "not a sound model file: Expected `int` >= 0 - at `$.training.rows`."),
        ("$.fit.penalty.alpha", -0.5, "not a sound model file: Expected `float` >= 0.0 - at `$.fit.penalty"),
        ("$.reading", {"delimiter": ";"}, "$.reading lacks keys, or has keys that are not known."),
        ("$.equations[0].intercept", 1e308, "$.equations: intercept and average do not fit each other."),
        ("$.equations[0].average", 1e308, "the golden row gives log-odds ["),
    ],
)
def test_contradictions_are_refused_even_with_a_new_digest(small, path, value, sentence):
    folder, _, document = small
    assert refusal(written(folder / "forged", sealed(with_value(document, path, value)))).startswith(sentence)


def test_log_odds_beyond_a_double_are_refused(small):
    folder, _, document = small
    for path in ("$.equations[0].average", "$.equations[0].coef.x"):
        document = with_value(document, path, 1.7e308)
    document = with_value(document, "$.golden.row.x", 1.7e308)
    sentence = refusal(written(folder / "forged", sealed(document)))
    assert sentence == "the golden row gives log-odds beyond the range of a double."


CODE = [
    "__import__('os').system('touch harmed')",
    "!!python/object/apply:os.system ['touch harmed']",
    base64.b64encode(pickle.dumps(print)).decode(),
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
    "{{7*7}} %(x)s {0.__class__}",
    "'; DROP TABLE models; --",
    "../../../../etc/passwd",
    "\x1b]0;title\x07\x1b[2J",
]


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    """Names and labels that look like code stay names and labels, and loading them runs and imports nothing."""
    monkeypatch.chdir(tmp_path)
    n = 4 * len(CODE)
    rows = {
        CODE[0]: [float((7 * i) % 11) for i in range(n)],
        CODE[1]: [CODE[i % 5] for i in range(n)],
        CODE[3]: [CODE[(i + i // 7) % len(CODE)] for i in range(n)],
    }
    trained = oddsmith.train(rows, CODE[3], alpha=1.0)
    trained.save("model.json")
    load("model.json")
    forbidden = {"import", "exec", "compile", "os.system", "os.exec", "subprocess.Popen", "pickle.find_class"}
    seen, listening = [], True

    def hook(event, _):
        if listening:
            seen.append(event)

    sys.addaudithook(hook)
    try:
        loaded = load("model.json")
    finally:
        listening = False
    assert "open" in seen
    assert not forbidden & set(seen)
    assert loaded.record == trained.record
    assert sorted(loaded.record.target.classes) == sorted(CODE)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]

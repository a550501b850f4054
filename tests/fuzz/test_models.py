"""Hostile model files: they load to the same predictions, or are refused, with or without a digest made anew."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.model.document import canonical_digest

from .models import KINDS, ROWS, saved_models, survivors
from .mutations import JSON_PIECES, bytes_changed, document_changed, model_changed, sealed
from .oracles import check_model, predictions

pytestmark = pytest.mark.slow

FREE = {
    # Only the training rows, or their owner, could contradict these.
    *(
        "oddsmith",
        "id",
        "weight",
        "dropped",
        "dropped.*",
        "left_out",
        "left_out.*.reason",
        "target.map_label",
    ),
    *(
        "target.map_label.*",
        "training",
        "training.rows_without_target",
        "fit.seed",
        "fit.passes",
        "fit.message",
        "fit.choice",
    ),
    *("fit.loss_history.*.objective", "fit.loss_history.*.objective.*"),
    # Where rows have weights, counts are bound by their sum, and two weights by their entropy.
    *("training.class_counts", "training.class_weights"),
    # How a later file is read by itself: every option of a verb overrides it.
    *("reading", "reading.delimiter", "reading.quote", "reading.header", "reading.strip", "reading.encoding"),
    # Of columns that cannot be missing, or that are no features: a marker there changes no golden row.
    *("missing.columns", "missing.columns.*.tokens", "missing.columns.*.tokens.*"),
    # Bounds, and not values, follow from the other records.
    *("fit.tolerance", "fit.newton_decrement.*", "columns.*", "columns.*.scale", "fit.settings.*"),
    # Changes of less than the rounding that is allowed: 1e-9 of a stated loss, 1e-12 of a probability.
    *("fit.mean_loss.*", "fit.penalty.alpha", "golden.changes.*.answer.proba.*"),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """(folder, content of each kind of file, its predictions)"""
    folder = tmp_path_factory.mktemp("models")
    contents = saved_models(folder)
    return folder, contents, {kind: predicted(folder, content) for kind, content in contents.items()}


def predicted(folder, content):
    return predictions(check_model(content, folder / "attacked.json", ROWS), ROWS)


def same_or_refused(attacked, kind, content):
    folder, _, expected = attacked
    model = check_model(content, folder / "attacked.json", ROWS)
    if model is None or kind == "flat":
        return
    proba, labels = predictions(model, ROWS)
    assert labels == expected[kind][1]
    np.testing.assert_allclose(proba, expected[kind][0], rtol=1e-9)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([*KINDS, "flat"]), st.randoms(use_true_random=False))
def test_files_changed_at_random(attacked, kind, chance):
    same_or_refused(attacked, kind, model_changed(attacked[1][kind], chance))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*KINDS, "flat"]), st.randoms(use_true_random=False))
def test_bytes_changed_at_random(attacked, kind, chance):
    same_or_refused(attacked, kind, bytes_changed(attacked[1][kind], chance, JSON_PIECES))


def test_single_values_edited_with_a_digest_made_anew(attacked):
    """What can be edited so is listed in `FREE`, and changes no prediction."""
    folder, contents, _ = attacked
    found = list(survivors(contents["binary"], folder, every=5))
    assert len(found) > 200
    assert {path for path, loads, _ in found if loads} <= FREE
    assert not [path for path, _, changes in found if changes]


def test_the_mutators_do_what_they_say():
    chance = random.Random(0)
    document = {"a": [1, 2.5, {"b": "x"}], "digest": ""}
    changed = [document_changed(document, chance) for _ in range(200)]
    assert sum(one != document for one in changed) > 150
    assert document == {"a": [1, 2.5, {"b": "x"}], "digest": ""}
    assert sealed({"a": 1})["digest"] == canonical_digest({"a": 1})
    assert sealed({"a": float("nan")}).keys() == {"a"}
    whole = [model_changed(json.dumps(document).encode(), chance) for _ in range(200)]
    assert len(set(whole)) > 100

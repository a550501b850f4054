"""docs/model-file.schema.json describes the model file, and is made from the records: run this file to remake it.

python tests/model/test_schema.py
"""

import inspect
import json
from pathlib import Path

import msgspec
import pytest

from oddsmith.model.records import VERSION, ModelRecord
from oddsmith.version import __version__

SCHEMA = Path(__file__).parents[2] / "docs" / "model-file.schema.json"


def schema_text():
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"oddsmith model file, version {VERSION}",
        "$comment": f"Made from the records of oddsmith {__version__} by tests/model/test_schema.py.",
    }
    return json.dumps({**head, **_normal(msgspec.json.schema(ModelRecord))}, indent=2) + "\n"


def _normal(value):
    """Without what differs between releases: the indentation of docstrings, the order of alternatives."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(item)
            if key == "description"
            else sorted(_normal(item), key=json.dumps)
            if key in ("anyOf", "enum", "type") and isinstance(item, list)
            else _normal(item)
            for key, item in value.items()
        }
    return [_normal(item) for item in value] if isinstance(value, list) else value


def test_the_committed_schema_is_that_of_the_records():
    assert SCHEMA.read_text("utf-8") == schema_text(), "run: python tests/model/test_schema.py"


def test_a_saved_model_fits_the_schema_and_a_changed_one_does_not(any_model, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    any_model.save(tmp_path / "model.json")
    document = json.loads((tmp_path / "model.json").read_text("utf-8"))
    validator.validate(document)
    for path, key, value in [
        ((), "version", 2),
        ((), "unknown", 1),
        (("target",), "classes", ["one"]),
        (("columns", 0), "type", "spline"),
        (("columns", 0), "mean", "high"),
        (("equations", 0, "coef"), "x", None),
        (("fit",), "status", "perfect"),
        (("training",), "rows", -1),
    ]:
        forged = json.loads(json.dumps(document))
        parent = forged
        for step in path:
            parent = parent[step]
        parent[key] = value
        assert not validator.is_valid(forged), (path, key)


if __name__ == "__main__":
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(schema_text(), "utf-8")

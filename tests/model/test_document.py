"""A JSON file that is no model: each is refused with its place, however it is broken."""

import json
import math
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddsmith.errors import InputError
from oddsmith.model.document import DEEPEST, LARGEST, canonical_digest, read_document

from .forge import refusal, written

FOREIGN = "not a model file"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty. Train the model again."),
        (b" \n\t", "the file is empty. Train the model again."),
        (
            b"Index,House\n0,Gryffindor\n",
            "1:1: not JSON (expecting value). The file is truncated, or it is n",
        ),
        (
            b'{\n "format": "oddsmith model",\n "version": 1',
            "3:14: not JSON (expecting ',' delimiter). The f",
        ),
        (b'{"a": 1} {"b": 2}', "1:10: not JSON (extra data)"),
        (b"{'a': 1}", "1:2: not JSON"),
        (b'{"a": 1 "b": 2}', "1:9: not JSON"),
        (b'{"a": 0x10}', "1:8: not JSON"),
        (b'{"a": 01}', "1:8: not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "1:1: not JSON (unexpected UTF-8 BOM"),
        (b'{"a": "\xe9"}', "not UTF-8 text (byte 8); not a model file."),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text (byte 1); not a model file."),
        (b"\x80\x04\x95\x10\x00", "not UTF-8 text (byte 1); not a model file."),
        (b"[]", "not a model file: the document is not a JSON object."),
        (b"null", "not a model file: the document is not a JSON object."),
        (b'"format"', "not a model file: the document is not a JSON object."),
        (b"17", "not a model file: the document is not a JSON object."),
        (b"{}", 'JSON, but not a model file of oddsmith (no "format": "oddsmith model").'),
        (b'{"format": "onnx", "version": 1}', 'JSON, but not a model file of oddsmith (no "format"'),
        (b'{"format": "oddsmith model"}', "a model file of version None; this release reads 1."),
        (b'{"format": "oddsmith model", "version": 2}', "a model file of version 2; this release reads 1."),
        (
            b'{"format": "oddsmith model", "version": "1"}',
            "a model file of version '1'; this release reads 1.",
        ),
        (
            b'{"format": "oddsmith model", "version": 1}',
            "not a sound model file: Object missing required field",
        ),
        (
            b'{"a": {"b": [1, {"c": NaN}]}}',
            "the number at $.a.b[1].c is not finite. The file was not written",
        ),
        (b'{"a": Infinity}', "the number at $.a is not finite."),
        (b'{"a": [-Infinity]}', "the number at $.a[0] is not finite."),
        (b'{"a": 1e999}', "the number at $.a is not finite."),
        (b'{"a": -1' + b"0" * 400 + b"}", "the number at $.a is not finite."),
        (b'{"a": 1, "b": 2, "a": 1}', "the key 'a' stands twice in $."),
        (b'{"x": [{"coef": {"p": 1, "p": 2}}]}', "the key 'p' stands twice in $.x[0].coef."),
        (b'{"x": {"y\\u001b[2J": 1, "y\\u001b[2J": 1}}', r"the key 'y\x1b[2J' stands twice in $.x."),
        (b'{"a": "\\ud800"}', "the text at $.a is not text that UTF-8 can hold (half a surrogate pair)."),
        (b'{"a": {"\\udfff": 1}}', "a key in $.a is not text that UTF-8 can hold"),
        (b"[" * 10_000 + b"]" * 10_000, "1: nested more than 12 deep; not a model file."),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "1: nested more than 12 deep; not a model file."),
        (b'{"a":\n' * 10_000, "13: nested more than 12 deep; not a model file."),
    ],
)
def test_every_other_file_is_refused(tmp_path, content, sentence):
    assert refusal(written(tmp_path / "model.json", content)).startswith(sentence)


def test_brackets_within_texts_are_no_nesting(tmp_path):
    deep = {"a": "[" * 50 + '"' + "\\" * 3 + "{" * 50}
    for _ in range(DEEPEST - 1):
        deep = {"a": deep}
    assert read_document(written(tmp_path / "model.json", deep)) == deep
    assert "nested more" in refusal(written(tmp_path / "model.json", {"a": deep}))


@pytest.mark.parametrize("pattern", [b'"', b'\\"', b'"\\', b'"a', b'"\\\\', b"[]", b'"[', b'{"'])
def test_a_hostile_file_costs_no_more_than_reading_it(tmp_path, pattern):
    """Half a megabyte that a matcher with second thoughts would look at a hundred thousand times over."""
    assert refusal(written(tmp_path / "model.json", b'{"a": "' + pattern * 200_000))


def test_a_file_beyond_all_size_is_not_even_read(tmp_path):
    path = tmp_path / "model.json"
    with path.open("wb") as stream:
        stream.truncate(LARGEST + 1)
    tracemalloc.start()
    try:
        with pytest.raises(
            InputError, match=r"more than 268,435,456 bytes, far beyond a model. Is it the right"
        ):
            read_document(path)
        assert tracemalloc.get_traced_memory()[1] < LARGEST // 8
    finally:
        tracemalloc.stop()


def test_places_that_hold_no_file(tmp_path):
    absent = tmp_path / "absent.json"
    assert refusal(absent) == "no such file. A model is made with: oddsmith train."
    assert refusal(tmp_path) == "cannot be read: is a directory. Check the path."
    assert refusal(written(tmp_path / "f", b"") / "g") == "cannot be read: not a directory. Check the path."
    with pytest.raises(InputError, match="name too long"):
        read_document(tmp_path / ("x" * 300))
    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        read_document("model\0.json")


def test_a_model_can_come_through_a_pipe(tmp_path):
    import threading

    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b'{"a": 1}'))
    writer.start()
    assert read_document(tmp_path / "pipe") == {"a": 1}
    writer.join()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_what_is_read_is_what_the_json_module_reads_or_is_refused(tmp_path_factory, document):
    path = written(tmp_path_factory.getbasetemp() / "document.json", document)

    def sound(value, depth=0):
        if isinstance(value, dict | list):
            children = [*value, *value.values()] if isinstance(value, dict) else value
            return depth < DEEPEST and all(sound(child, depth + 1) for child in children)
        if isinstance(value, str):
            return not any(0xD800 <= ord(sign) <= 0xDFFF for sign in value)
        return not isinstance(value, int | float) or abs(value) < math.inf

    try:
        found = read_document(path)
    except InputError:
        assert not sound(document) or max((abs(n) for n in _whole(document)), default=0) >= 10**308
    else:
        assert sound(document)
        if max((abs(n) for n in _whole(document)), default=0) < 10**18:
            assert json.dumps(found) == json.dumps(document)


def _whole(value):
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _whole(child)
    elif isinstance(value, int):
        yield value


def test_the_digest_is_that_of_the_canonical_text():
    """Recipe: printf '{"a":[1,2.5,"\\u00e9"],"b":null}' | sha256sum"""
    document = {"b": None, "digest": "anything", "a": [1, 2.5, "é"]}
    expected = "e644d8306475e30cde8f33f9f20282cb7f0a9a4cb27db54946828e9fd92531b0"
    assert canonical_digest(document) == expected
    assert canonical_digest({key: document[key] for key in ("a", "b")}) == expected

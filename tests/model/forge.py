"""Model files that were tampered with, and what is said about them."""

import copy
import json
import re

import pytest

from oddsmith.errors import InputError
from oddsmith.model import load
from oddsmith.model.document import canonical_digest


def refusal(path):
    """The sentence with which a file is refused: on one line, beginning with its name, and ending."""
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert message.endswith(".")
    assert "Traceback" not in message
    return message.removeprefix(str(path)).removeprefix(":").strip()


def written(path, content):
    """A file of these bytes, or of this document as JSON."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def sealed(document):
    """The document with the digest that its content has now: what someone would write who knows how."""
    return {**document, "digest": canonical_digest(document)}


def leaves(value, path="$"):
    """Every (path, value) in a document that is no object and no list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def objects(value, path="$"):
    """Every (path, object) in a document."""
    if isinstance(value, dict):
        yield path, value
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in children:
        yield from objects(item, f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]")


def changed(document, path, change):
    """A copy of the document in which `change` was applied to (parent, key) of the value at `path`.

    Names in a path must be free of dots and brackets.
    """
    document = copy.deepcopy(document)
    parent, key, value = None, None, document
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
        parent, key = value, name or int(index)
        value = parent.get(name) if name else parent[key]
    change(parent, key)
    return document


def with_value(document, path, value):
    """A copy of the document with another value at `path`."""
    return changed(document, path, lambda parent, key: parent.__setitem__(key, value))

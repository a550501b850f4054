"""JSON that can be trusted: one reading only, or a sentence with the path inside the document.

A key given twice, a number that is no number (NaN, infinity, 1e999), nesting beyond anything a model needs
and files of absurd size are refused before anything is built from them.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from oddsmith.errors import InputError, visible

LARGEST = 256 * 2**20
DEEPEST = 12
# A string that is never closed is one token too: nothing is looked at twice, whatever the file holds.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class _Repeated(dict[str, Any]):
    """An object in which `key` stands twice."""

    key = ""


def read_document(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: the file is missing, unreadable, no JSON, or JSON of the kinds refused here.
    """
    name = visible(str(path), 200)
    try:
        with Path(path).open("rb") as stream:
            too_large = os.fstat(stream.fileno()).st_size > LARGEST
            text = b"" if too_large else stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file. A model is made with: oddsmith train.") from None
    except (OSError, ValueError) as error:
        cause = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(f"{name}: cannot be read: {cause}. Check the path.") from None
    if too_large or len(text) > LARGEST:
        raise InputError(f"{name}: more than {LARGEST:,} bytes, far beyond a model. Is it the right file?")
    if not text.strip():
        raise InputError(f"{name}: the file is empty. Train the model again.")
    try:
        document = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=lambda _: math.nan,
            parse_int=_integer,
        )
    except RecursionError:
        raise _too_deep(text, name) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 text (byte {error.start + 1}); not a model file.") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}:{error.lineno}:{error.colno}: not JSON ({error.msg[:1].lower()}{error.msg[1:]}). "
            f"The file is truncated, or it is not a model file; commands name MODEL before DATA."
        ) from None
    try:
        fault = _fault(document, DEEPEST)
    except RecursionError:
        raise _too_deep(text, name) from None
    if fault is not None:
        what, path, why = fault
        raise InputError(f"{name}: {what} ${path}{why}. The file was not written by oddsmith.")
    if not isinstance(document, dict):
        raise InputError(f"{name}: not a model file: the document is not a JSON object.")
    return document


def canonical_digest(document: dict[str, Any]) -> str:
    """SHA-256 over the content without `digest`: keys sorted, no blanks, ASCII."""
    content = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    marked = _Repeated(found)
    marked.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return marked


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def _too_deep(text: bytes, name: str) -> InputError:
    """The sentence on a document that is nested too deep: with the line where it becomes so."""
    depth, line = 0, 1
    for token in _TOKENS.finditer(text):
        first = token.group()[:1]
        depth += (first in b"[{") - (first in b"]}")
        if depth > DEEPEST:
            line = text.count(b"\n", 0, token.start()) + 1
            break
    return InputError(f"{name}:{line}: nested more than {DEEPEST} deep; not a model file.")


def _fault(value: Any, levels: int) -> tuple[str, str, str] | None:
    """The first thing that must not be in a model file, as what, path and why; None if there is nothing.

    Raises:
        RecursionError: the value is nested more than so many levels deep.
    """
    children: Iterable[tuple[str | int, Any]]
    if isinstance(value, dict):
        if isinstance(value, _Repeated):
            return f"the key '{visible(value.key)}' stands twice in", "", ""
        if not all(map(_is_text, value)):
            return "a key in", "", " is not text that UTF-8 can hold (half a surrogate pair)"
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    elif isinstance(value, float):
        return None if math.isfinite(value) else ("the number at", "", " is not finite")
    elif isinstance(value, str) and not _is_text(value):
        return "the text at", "", " is not text that UTF-8 can hold (half a surrogate pair)"
    else:
        return None
    if not levels:
        raise RecursionError
    for key, item in children:
        fault = _fault(item, levels - 1)
        if fault is not None:
            what, path, why = fault
            return what, (f"[{key}]" if isinstance(key, int) else f".{visible(key)}") + path, why
    return None

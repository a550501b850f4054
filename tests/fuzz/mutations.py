"""Hostile changes, drawn from a `random.Random`: of bytes, and of the JSON of a model file."""

import copy
import json
import math

import msgspec

from oddsmith.model.document import canonical_digest
from oddsmith.model.records import ModelRecord

TEXT_PIECES = [
    *(b'"', b'""', b'"""', b",", b";", b"\t", b" ", b"|", b"'", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r\n"),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xc3\xa9",
        b"\xe2\x80\xa8",
        b"\xc2\xa0",
        b"\xc2\x85",
    ),
    *(
        "\u202ex".encode(),
        "\u200b".encode(),
        "\u0663".encode(),
        "\U0001f600".encode(),
        b"\x1b[2J",
        b"\x07",
        b"\x0b",
    ),
    *(b"sep=;\n", b"sep=,", b"NA", b"null", b"nan", b"inf", b"1e999", b"0x1F", b"007", b"1_000", b"-.5e-3"),
    *(
        b"a,b\n1,2\n",
        b'"a\nb",c\n',
        b"x" * 300,
        b"\n,",
        b",\n",
        b",,",
        b'"",""\n',
        b"a,a\n",
        b"#",
        b"\\",
        b"\x1f\x8b",
    ),
    *(b"<html>", b"PK\x03\x04", b"PAR1", b"1 1:2 3:4\n", b"=1+1", b"label", b"True", b"False"),
]
JSON_PIECES = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"0.0",
    ),
    *(
        b"1e-400",
        b"9" * 30,
        b"\\u0000",
        b"\\ud800",
        b'"a":',
        b"[" * 20,
        b"\xff",
        b"\xef\xbb\xbf",
        b" ",
        b"\n",
    ),
]
STRANGE = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        0.5,
        -0.0,
        1e-300,
        1e300,
        -1.7e308,
        5e-324,
        10**18,
        10**19,
        10**40,
        math.nan,
    ),
    *(
        "",
        "x",
        "y",
        "a",
        "0",
        "1",
        "True",
        "\x1b[2J",
        "\0",
        "\u202e",
        "é" * 50,
        "x" * 70_000,
        "softmax",
        "ovr",
    ),
    *([], {}, [[]], [None], [0.0], ["x"], {"x": 1.0}, {"": None}, "binary", "integer", "text", "categorical"),
]
NUMBERS = (
    "1e308 1.8e308 -1e309 4.9e-324 1e-400 0x1F 1_000 1D3 +.5 5. . e5 1e+ --1 9007199254740993 1e9999999999999999999 -0"
    " \u0663 1\u2028 \x1f1 Inf 2.2250738585072011e-308 0.30000000000000004 179769313486231580793e289 1e 00 +007 nan"
)
WORDS = (
    "a b flag \"A B\" \"select\" select \"\x1b[2J\" A c 0 1 2.5 -3 1e400 9223372036854775808 1e18 'x' 'true' '' 'x"
    " > < >= <= = <> != + - * / % ^ || && ! ~ ( ) [ ] { } , . ; -- /* */ : :: $1 ? @ # \\ ` \u202e é \x00 \x1b"
    " AND OR NOT IN IS NULL LIKE BETWEEN CASE WHEN THEN ELSE END CAST AS INT TRUE FALSE DISTINCT OVER PARTITION BY"
    " abs( sqrt( ln( exp( pow( round( floor( length( upper( substr( concat( coalesce( nullif( greatest( if( count("
    " sum( avg( min( max( first( stddev( row_number( random( now( read_csv( regexp_like( strptime( date( array( SELECT"
    " FROM WHERE UNION EXISTS INTERVAL '1d' date_part( left( split_part( struct( unnest("
)
"""What expressions are made of, divided by single spaces; and `NUMBERS`, what numbers look like, or nearly."""


def bytes_changed(content, chance, pieces):
    """`content` with one to four changes: a flip, a cut, a doubling, a piece put in or laid over."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(content) + 1)
        length = min(chance.choice((1, 1, 2, 5, 20, 100)), len(content) - at)
        piece = chance.choice(pieces)
        content = chance.choice(
            (
                content[:at] + piece + content[at:],
                content[:at] + piece + content[at + len(piece) :],
                content[:at] + content[at + length :],
                content[:at] + content[at : at + length] * chance.choice((2, 3, 50)) + content[at + length :],
                content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :],
                content[:at],
            )
        )
    return content


def places(value, path=()):
    """The path of every value in a document, its own included."""
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


def at(document, path):
    """The value at a path."""
    for key in path:
        document = document[key]
    return document


def edited(document, path, value):
    """A copy of the document with another value at a path."""
    document = copy.deepcopy(document)
    at(document, path[:-1])[path[-1]] = value
    return document


def neighbours(value, chance):
    """Values that might pass for `value`."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, -value, 2 * value, float(value)]
    if isinstance(value, float):
        return [value * (1.0 + 1e-9), value * (1.0 - 1e-6), -value, value + 1.0, value / 2.0, 0.0]
    if isinstance(value, str):
        return [value + "x", value[1:], value.upper(), value[::-1]]
    if isinstance(value, list) and value:
        shuffled = chance.sample(value, len(value))
        return [value[:-1], value[1:], value + value[-1:], value[::-1], shuffled]
    if isinstance(value, dict) and value:
        names = list(value)
        lost, first = chance.choice(names), names[0]
        return [
            {name: value[name] for name in names if name != lost},
            {name: value[name] for name in reversed(names)},
            {**value, "unknown": 1},
            {name + "x" if name == lost else name: value[name] for name in names},
            {**value, lost: value[first]},
        ]
    return ["x", 0, False]


def document_changed(document, chance):
    """A copy of a document with one to three values replaced: by a neighbour, something strange, or another part."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        paths = [path for path in places(document) if path]
        if not paths:
            return document
        path = chance.choice(paths)
        options = (neighbours(at(document, path), chance), STRANGE, [at(document, chance.choice(paths))])
        document = edited(document, path, chance.choice(chance.choice(options)))
    return document


def model_changed(content, chance):
    """A model file changed in its JSON, often with the digest that fits the change; or in its bytes."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return bytes_changed(content, chance, JSON_PIECES)
    if chance.random() < 0.15 or not isinstance(document, dict):
        return bytes_changed(content, chance, JSON_PIECES)
    document = document_changed(document, chance)
    return json.dumps(sealed(document) if chance.random() < 0.8 else document).encode("utf-8", "replace")


def sealed(document):
    """The document with the digest that fits it, where it can have one."""
    try:
        content = msgspec.to_builtins(msgspec.convert(document, ModelRecord))
    except (msgspec.ValidationError, RecursionError):
        content = document
    try:
        return {**document, "digest": canonical_digest(content)}
    except (ValueError, TypeError):
        return document

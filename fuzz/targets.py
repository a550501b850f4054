"""What can be fuzzed: which modules are watched, which inputs to begin with, how they change, and the oracle.

An input is bytes. The first byte of one for `scan` chooses how the rest is to be read.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Check = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """A part of oddsmith that takes hostile input."""

    modules: list[str]
    """Those whose branches guide a hunt."""
    prepare: Callable[[Path], tuple[list[bytes], Check]]
    """Inputs to begin with, and the oracle, which may write to the folder."""
    change: Callable[[bytes, random.Random], bytes]


def _scan(folder):
    from oddsmith.data.read import Reading
    from tests.fuzz.oracles import check_table

    readings = [
        Reading(delimiter, quote, header, strip, encoding, file_format)
        for delimiter in (",", ";", " ", "\t")
        for quote in ('"', "'", "")
        for header in (True, False)
        for strip in (False, True)
        for encoding, file_format in (
            ("utf-8", "csv"),
            ("utf-8", "auto"),
            ("latin-1", "csv"),
            ("utf-16-le", "csv"),
        )
    ]
    texts = [
        b"a,b\n1,2\n3,4\n",
        b'\xef\xbb\xbf"a","b ""c""",\r\n1,"x\r\ny",\r\n\r\n,"",\r\n',
        b"a\rb\r\rc",
        b" a ; 'b' \n 1 ;' ''2''\t'\n",
        "é;\u202e\n1;2".encode(),
        b"sep=,\na,b\n1,2",
        b'"a\n\n",""\n"","b"',
        "a,b\n1,é\n".encode("utf-16-le"),
    ]

    def check(content):
        reading = readings[content[0] % len(readings)] if content else readings[0]
        check_table(content[1:], reading, folder / "rows.csv")

    return [bytes([number]) + text for text in texts for number in (0, 8, 40, 150)], check


def _model(folder):
    from tests.fuzz.models import ROWS, saved_models
    from tests.fuzz.oracles import check_model

    return list(saved_models(folder).values()), lambda content: check_model(content, folder / "m.json", ROWS)


def _cells(folder):
    from tests.fuzz.oracles import check_cells

    def check(content):
        check_cells(content.decode("utf-8", "replace").split("\n"))

    return [
        b"1\n-2.5e3\nNA\n",
        b"0x1F\n+.5\n5.\ninf\n007",
        "\u0663\n1\u00a0\n\u2212 1".encode(),
        b"9" * 400,
    ], check


def _expression(folder):
    from tests.fuzz.oracles import check_expression

    def check(content):
        check_expression(content.decode("utf-8", "replace"))

    return [
        b"a > 0 AND b = 'x'",
        b'"A B" + a >= 2',
        b"CASE WHEN flag THEN 'u' ELSE b END",
        b"a IN (1, 2.5)",
    ], check


def _texts_changed(content, chance):
    from tests.fuzz.mutations import TEXT_PIECES, bytes_changed

    return bytes_changed(content, chance, TEXT_PIECES)


def _words_changed(content, chance):
    from tests.fuzz.mutations import WORDS, bytes_changed

    return bytes_changed(content, chance, [f" {word} ".encode() for word in WORDS.split(" ")])


def _numbers_changed(content, chance):
    from tests.fuzz.mutations import NUMBERS, bytes_changed

    return bytes_changed(content, chance, [f"{word}\n".encode() for word in NUMBERS.split(" ")])


def _models_changed(content, chance):
    from tests.fuzz.mutations import model_changed

    return model_changed(content, chance)


TARGETS = {
    "scan": Target(
        [
            "oddsmith.data.scan",
            "oddsmith.data.decode",
            "oddsmith.data.delimited",
            "oddsmith.data.strip",
            "oddsmith.data.read",
            "oddsmith.data.counting",
            "oddsmith.data.svmlight",
        ],
        _scan,
        _texts_changed,
    ),
    "model": Target(
        ["oddsmith.model", "oddsmith.data.encoding", "oddsmith.data.design"], _model, _models_changed
    ),
    "cells": Target(["oddsmith.data.cells", "oddsmith.data.encoding"], _cells, _numbers_changed),
    "expression": Target(["oddsmith.data.expression", "oddsmith.data.target"], _expression, _words_changed),
}

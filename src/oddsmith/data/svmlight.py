"""svmlight (libsvm): each row says its label and the columns that are not 0.

    label [qid:text] index:number index:number ...  [# comment]

The columns are `label`, a number that stays as it is written; `qid`, where rows have one; and x1, x2, ... by the indices as they
are written, from x0 where an index 0 occurs. What a row leaves unsaid is 0 and not missing. Indices rise in a
row; numbers are those of `cells.NUMBER`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from oddsmith.data.cells import NUMBER
from oddsmith.data.memory import require, shown_size
from oddsmith.data.scan import text_start
from oddsmith.data.table import Table
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl

LABEL, QID = "label", "qid"
MOST_BYTES = 2 << 30
"""Rows x columns x 8: the table is dense."""
MOST_COLUMNS = 200_000
_PARSING = 16
"""Memory that parsing takes for a byte of text."""

_BLANK_LINES = re.compile(rb"[ \t\r\n]*+(?:#[^\r\n]*+[ \t\r\n]*+)*+")
_NUMBER = NUMBER.pattern.encode()
_ROW = re.compile(_NUMBER + rb"[ \t]+(?:qid:[^ \t\r\n]+[ \t]+)?[0-9]+:" + _NUMBER + rb"(?:[ \t\r\n#]|$)")
"""How a row begins: enough to tell it from a line of a CSV file."""


def looks_svmlight(text: bytes) -> bool:
    """Whether the first line that is neither blank nor a comment is a row: number, blanks, index:number."""
    blank = _BLANK_LINES.match(text, text_start(text))
    return blank is not None and _ROW.match(text, blank.end()) is not None


def has_row(start: bytes) -> bool:
    """Whether the start of a text holds a whole line that is neither blank nor a comment."""
    blank = _BLANK_LINES.match(start, text_start(start))
    return blank is not None and any(end in start[blank.end() :] for end in (b"\n", b"\r"))


def read_svmlight(text: bytes, name: str) -> Table:
    """The table in svmlight rows, in UTF-8; messages call it `name`.

    Raises:
        InputError: a row has no label, or several, or something that is not index:number, or an index that is
            not above the one before; the dense table would be too large; there are no rows.
    """
    import polars as pl

    require(_PARSING * len(text), f"{name}: reading {shown_size(len(text))} of svmlight rows")
    rows = _rows(text)
    if not rows.height:
        raise InputError(f"{name}: no rows: the file holds only blank lines and comments.")
    lines = rows["line"].to_numpy()
    _refuse_labels(rows, name)
    pairs = _pairs(rows, name)
    _refuse_order(rows, pairs, name)
    index = pairs["index"].to_numpy()
    counted_from = int(not len(index) or index.min() > 0)
    last = int(index.max()) if len(index) else 0
    n_columns = last + 1 - counted_from
    if n_columns > MOST_COLUMNS or 8 * n_columns * rows.height > MOST_BYTES:
        raise InputError(
            f"{name}: indices up to {last:,} in {counted(rows.height, 'row')} make a table of "
            f"{8e-9 * n_columns * rows.height:,.2g} GB, zeros included. At most {MOST_COLUMNS:,} columns and "
            f"{MOST_BYTES / 1e9:.2g} GB are read: give fewer rows, or fewer columns."
        )
    require(
        8 * n_columns * rows.height,
        f"{name}: a table of {counted(rows.height, 'row')} and {counted(n_columns, 'column')}",
    )
    columns = [rows["label"].alias(LABEL)]
    notes: tuple[str, ...] = ()
    if rows["qid"].null_count() < rows.height:
        columns.append(rows["qid"].alias(QID))
        notes = (
            f"{name}: the query ids (qid:) are the column '{QID}'. It is a feature unless left out by --drop.",
        )
    columns += _dense(pairs, rows.height, range(counted_from, last + 1))
    return Table(
        pl.DataFrame(columns),
        name,
        place_of=lambda row, column: f"{name}:{lines[row]}: column '{visible(column)}'",
        notes=notes,
        counted_from=counted_from,
    )


def _dense(pairs: pl.DataFrame, n_rows: int, indices: range) -> Iterator[pl.Series]:
    """A column (n_rows,) of each index, 0 where no row says a number."""
    import polars as pl

    pairs = pairs.sort("index", maintain_order=True)
    row, value = pairs["row"].to_numpy(), pairs["value"].to_numpy()
    bounds = np.searchsorted(pairs["index"].to_numpy(), np.arange(indices.start, indices.stop + 1))
    for index, first, past in zip(indices, bounds[:-1], bounds[1:], strict=True):
        cells = np.zeros(n_rows)
        cells[row[first:past]] = value[first:past]
        yield pl.Series(f"x{index}", cells)


def _rows(text: bytes) -> pl.DataFrame:
    """Of each row its line (from 1), label, qid, and a list of what stands after them; texts, null if not there."""
    import polars as pl

    body = text[text_start(text) :].replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("utf-8")
    words = pl.col("words")
    second = words.list.get(1, null_on_oob=True)
    return (
        pl.DataFrame({"words": body.split("\n")})
        .with_row_index("line", offset=1)
        .with_columns(words.str.replace("#.*", "").str.replace_all("[ \t]+", " ").str.strip_chars(" "))
        .filter(words != "")
        .with_columns(words.str.split(" "))
        .with_columns(
            label=words.list.first(),
            qid=pl.when(second.str.starts_with("qid:")).then(second.str.strip_prefix("qid:")),
        )
        .with_columns(words.list.slice(pl.when(pl.col("qid").is_null()).then(1).otherwise(2)))
    )


def _refuse_labels(rows: pl.DataFrame, name: str) -> None:
    """Raise where a row begins with anything but one number."""
    odd = (~rows["label"].str.contains(f"^(?:{NUMBER.pattern})$")).arg_true()
    if odd.len():
        row = int(odd[0])
        raise InputError(
            f"{name}:{rows['line'][row]}: '{visible(rows['label'][row])}' is no label: a row begins with one number. "
            "Mend the line, or say --format csv if this is another format."
        )


def _pairs(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Every index:number with the row (from 0) it is in."""
    import polars as pl

    part = pl.col("words").str.splitn(":", 2).struct
    pairs = (
        rows.select(pl.int_range(pl.len()).alias("row"), "words")
        .explode("words", empty_as_null=False)
        .with_columns(
            index=part[0].cast(pl.Int64, strict=False),
            value=part[1].cast(pl.Float64, strict=False),
            digits=pl.col("words").str.contains("^[0-9]{1,9}:"),
        )
    )
    sound = pairs["digits"] & pairs["value"].is_finite().fill_null(value=False)
    strange = (~sound).arg_true()
    if strange.len():
        word = pairs["words"][int(strange[0])]
        place = f"{name}:{rows['line'][pairs['row'][int(strange[0])]]}"
        if re.fullmatch(f"[0-9]+:{NUMBER.pattern}", word):
            raise InputError(
                f"{place}: '{visible(word)}' has an index or a number that is too large. Mend the line."
            )
        raise InputError(
            f"{place}: '{visible(word)}' is not index:number. Mend the line, or say --format csv if this is "
            "another format."
        )
    return pairs


def _refuse_order(rows: pl.DataFrame, pairs: pl.DataFrame, name: str) -> None:
    row, index = pairs["row"].to_numpy(), pairs["index"].to_numpy()
    wrong = np.flatnonzero((np.diff(row) == 0) & (np.diff(index) <= 0))
    if len(wrong):
        at = int(wrong[0]) + 1
        twice = "twice" if index[at] == index[at - 1] else f"after {index[at - 1]}"
        raise InputError(
            f"{name}:{rows['line'][int(row[at])]}: index {index[at]} stands {twice}; in a row indices rise. "
            "Mend the line."
        )

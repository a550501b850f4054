"""Which files are meant, and how the tables of several become one.

    "part-*.csv" -> part-1.csv, part-2.csv -> one table, its columns matched by name, its rows in that order

Every file has the same columns, in any order. A column that files hold in different types becomes text, each
cell written as a person would: so it means what it would mean in one text file, and no digit is lost.
"""

from __future__ import annotations

import bisect
import glob
import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from oddsmith.data.cells import TRUTH, as_written
from oddsmith.data.table import Table
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl

Paths = str | Path | Sequence[str | Path]

MOST_NOTES = 4
"""Notes of several files are told up to this number."""

_PATTERN = re.compile(r"[*?]|\[[^\]]+\]")


def files_of(paths: Paths) -> tuple[str, ...]:
    """The files that paths and patterns name, in the order given; those of a pattern in the order of their names.

    A path that exists is that file, whatever signs it holds; any other with *, ? or [ is a pattern, in which
    ** stands for any number of folders. "-" is standard input.

    Raises:
        InputError: a pattern fits no file, a file is named twice, "-" is not alone, or there is no path.
    """
    given = [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    files = tuple(file for path in given for file in _matches(path))
    if not files:
        raise InputError("no file is named. Give the path of one.")
    if len(files) == 1:
        return files
    if "-" in files:
        raise InputError("standard input (-) is read alone. Name files, or send all rows through it.")
    first_name: dict[tuple[int, int], str] = {}
    for file in files:
        try:
            found = os.stat(file)
        except (OSError, ValueError):
            continue  # said when it is read
        place = (found.st_dev, found.st_ino)
        if place in first_name:
            earlier = "" if first_name[place] == file else f", also as {visible(first_name[place], 200)}"
            raise InputError(
                f"{visible(file, 200)}: this file is named twice{earlier}, so that its rows would count twice. "
                "Name it once."
            )
        first_name[place] = file
    return files


def joined(tables: Sequence[Table]) -> Table:
    """One table with the rows of all, in order; the columns are in the order of the first.

    Raises:
        InputError: a table lacks a column that another one has.
    """
    if len(tables) == 1:
        return tables[0]
    import polars as pl

    names = dict.fromkeys(name for table in tables for name in table.frame.columns)
    tables = [table.completed(names) for table in tables]
    first = tables[0]
    all_svmlight = all(table.counted_from is not None for table in tables)
    for table in tables[1:]:
        refuse_other_columns(first, table)
    alike = Alike(tables)
    columns = [
        pl.concat([alike.cells(table.frame[name]) for table in tables], rechunk=False)
        for name in first.frame.columns
    ]
    starts = list(accumulate((table.frame.height for table in tables), initial=0))

    def place_of(row: int, column: str) -> str:
        which = bisect.bisect_right(starts, row) - 1
        return tables[which].place(row - starts[which], column)

    return Table(
        pl.DataFrame(columns),
        joined_name([table.name for table in tables]),
        tuple(pair for table in tables for pair in table.digests),
        place_of,
        joined_notes(
            [table.notes for table in tables],
            [pair for table in tables for pair in table.digests if table.frame.height],
        ),
        first.counted_from if all_svmlight else None,
    )


def joined_name(names: Sequence[str]) -> str:
    """How messages call several files together."""
    others = len(names) - 1
    return f"{names[0]} and {others:,} more file{'s' if others > 1 else ''}" if others else names[0]


def joined_notes(notes: Iterable[Iterable[str]], digests: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The notes of several files, the first of them; and one on files with rows that are copies of another."""
    return (*_first_notes([note for of_file in notes for note in of_file]), *_equal_files(digests))


def _matches(path: str) -> list[str]:
    if path == "-" or not _PATTERN.search(path) or os.path.lexists(path):
        return [path]
    try:
        found = sorted(glob.glob(path, recursive=True))
    except (OSError, ValueError, RecursionError):
        found = []
    if not found:
        raise InputError(
            f"{visible(path, 200)}: there is no such file, and none whose name fits this pattern. Check the path."
        )
    return found


def refuse_other_columns(one: Table, other: Table) -> None:
    """Raise InputError where a column of one file is in the other one's file not."""
    for has, lacks in ((one, other), (other, one)):
        present = set(lacks.frame.columns)
        absent = [name for name in has.frame.columns if name not in present]
        if absent:
            more = f" (and {len(absent) - 1:,} more)" if len(absent) > 1 else ""
            raise InputError(
                f"{lacks.name}: no column called '{visible(absent[0])}'{more}, which {has.name} has. "
                "Files that are read together have the same columns."
            )


class Alike:
    """Columns of several files in one type each: their own, where it is the same; else text, or Python objects.

    Rows decide: the type of a column that has none, or that nothing is in, is any.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        import polars as pl

        self._types: dict[str, list[pl.DataType]] = {
            name: [
                dtype
                for table in tables
                if (dtype := table.frame.schema[name]) != pl.Null and table.frame.height
            ]
            for name in tables[0].frame.columns
        }

    @cached_property
    def texts(self) -> set[str]:
        """Columns that are text in every file that has rows."""
        import polars as pl

        return {name for name, dtypes in self._types.items() if set(dtypes) <= {pl.String}}

    def cells(self, part: pl.Series) -> pl.Series:
        """The cells of a column of one of the files, or of some of its rows."""
        import polars as pl

        dtypes = self._types[part.name]
        if len(set(dtypes)) <= 1 and pl.Object not in dtypes:
            return part.cast(dtypes[0]) if dtypes else part.cast(pl.String)
        if any(dtype.is_nested() or dtype in (pl.Binary, pl.Object) for dtype in dtypes):
            return pl.Series(part.name, part.to_list(), dtype=pl.Object)
        return _as_text(part, truths=pl.Boolean in dtypes)


def _as_text(part: pl.Series, *, truths: bool) -> pl.Series:
    """Cells as text; with `truths`, beside a column of booleans, true and TRUE are its True."""
    import polars as pl

    if part.dtype != pl.String:
        return as_written(part.cast(pl.Float64) if part.dtype.is_float() else part)
    if not truths:
        return part
    spelt = {spelling: str(bool(value)) for spelling, value in TRUTH.items()}
    return part.replace(spelt)


def _first_notes(notes: Sequence[str]) -> Iterable[str]:
    if len(notes) <= MOST_NOTES:
        return notes
    return (*notes[:MOST_NOTES], f"{len(notes) - MOST_NOTES:,} more such notes on the other files.")


def _equal_files(digests: Sequence[tuple[str, str]]) -> Iterable[str]:
    """A sentence on files that are copies of another, which may have been named by mistake."""
    first_name: dict[str, str] = {}
    copies = [
        (name, first_name[digest]) for name, digest in digests if first_name.setdefault(digest, name) != name
    ]
    for name, original in copies[:1]:
        more = f" (and {len(copies) - 1:,} more files are copies)" if len(copies) > 1 else ""
        yield f"{name}: the same bytes as {original}: its rows count once more{more}."

"""Files of any size as tables of consecutive rows, which can be read again and again.

    paths -> files (read.py) -> pieces of a few megabytes, in row order -> columns alike in every file

The pieces of the same files are the same for the same memory, whichever columns are asked for, and their rows
are those of `read_table`, to the last cell. What only all the rows tell - digests, notes, how many there are -
is known after the first reading, which looks at every byte; later ones may be of a few columns, and notice
where a file is no longer the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from oddsmith.data.ahead import read_ahead
from oddsmith.data.doubles import Doubles
from oddsmith.data.memory import piece_size
from oddsmith.data.native import are_paths, as_table
from oddsmith.data.read import File, Reading
from oddsmith.data.sources import Alike, Paths, files_of, joined_name, joined_notes, refuse_other_columns
from oddsmith.data.table import Table


class Pieces:
    """The rows of a file or of several, piece by piece; `paths` and `reading` as in `read_table`.

    `memory` is the number of bytes that the process may take in all; by itself what the machine can give. Each
    piece takes a small part of it. Standard input and pipes are held in memory, and so are svmlight rows.
    """

    def __init__(self, paths: Paths, reading: Reading | None = None, memory: float | None = None) -> None:
        self.size = piece_size(memory)
        """About so many bytes of a file make a piece."""
        self._files = [File(path, reading or Reading(), self.size) for path in files_of(paths)]
        self.name = joined_name([file.name for file in self._files])
        """How messages call it."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the first file."""
        if self._heads is not None:
            return tuple(self._heads[0].frame.columns)
        return tuple(self._files[0].head().frame.columns)

    @property
    def digests(self) -> tuple[tuple[str, str], ...]:
        """Name of each file, and SHA-256 of its bytes; known after the first reading."""
        return tuple((file.name, file.digest) for file in self._files if file.digest is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was left out while reading; known after the first reading."""
        with_rows = [(file.name, str(file.digest)) for file in self._files if file.n_rows]
        return joined_notes([file.notes for file in self._files], with_rows)

    @property
    def n_rows(self) -> int:
        """Rows of all files; known after the first reading."""
        return sum(file.n_rows for file in self._files)

    @property
    def expected(self) -> float:
        """About how many rows there are, by what is known of their beginning."""
        return sum(file.expected for file in self._files)

    def head(self) -> Table:
        """The first rows of all files; of files without rows one table that has none."""
        heads = self._heads if self._heads is not None else [self._files[0].head()]
        return self._joined(next((head for head in heads if head.frame.height), heads[0]))

    def __iter__(self) -> Iterator[Table]:
        """Every row with every column. Of files without rows one table that has none."""
        return self.read()

    def read(self, only: Collection[str] | None = None, doubles: Doubles | None = None) -> Iterator[Table]:
        """Every row in order, with `only` these columns; from the second reading on no other is parsed.

        Columns of texts may come as `doubles`, in any of the pieces.

        Raises:
            InputError: as for `read_table`; or a file has changed since it was first opened.
        """
        if doubles is not None and self._alike is not None:
            doubles.leave_all_but(self._alike.texts)
        empty, rows = None, False
        for file in self._files:
            tables = file.tables(only, doubles)
            for table in read_ahead(tables) if file.is_long else tables:
                if table.frame.height:
                    rows = True
                    yield self._joined(table)
                else:
                    empty = empty or self._joined(table)
        if empty is not None and not rows:
            yield empty

    def _joined(self, table: Table) -> Table:
        """Some rows of one file as rows of all of them."""
        table = replace(table, name=self.name)
        if self._heads is None or self._alike is None:
            return table
        table = table.completed(self._heads[0].frame.columns)
        names = [name for name in self._heads[0].frame.columns if name in table.frame.columns]
        # Texts that came as doubles remain so.
        as_they_are = self._alike.texts if table.written is not None else set()
        columns = (
            table.frame[name] if name in as_they_are else self._alike.cells(table.frame[name])
            for name in names
        )
        return replace(table, frame=table.frame.select(columns))

    @cached_property
    def _heads(self) -> list[Table] | None:
        """The first rows of each of several files, under names that are proved to be the same."""
        if len(self._files) == 1:
            return None
        heads = [file.head() for file in self._files]
        names = dict.fromkeys(name for head in heads for name in head.frame.columns)
        heads = [head.completed(names) for head in heads]
        for head in heads[1:]:
            refuse_other_columns(heads[0], head)
        return heads

    @cached_property
    def _alike(self) -> Alike | None:
        return None if self._heads is None else Alike(self._heads)


class OnePiece:
    """A table in memory as pieces: there is one."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.size = piece_size()
        self.name = table.name
        self.columns = tuple(table.frame.columns)
        self.digests = table.digests
        self.notes = table.notes
        self.n_rows = self.expected = table.frame.height

    def head(self) -> Table:
        """The table."""
        return self.table

    def __iter__(self) -> Iterator[Table]:
        return self.read()

    def read(self, only: Collection[str] | None = None, doubles: Doubles | None = None) -> Iterator[Table]:
        """The table, with `only` these columns."""
        yield self.table if only is None else self.table.only(only)


def as_pieces(data: Any, reading: Reading | None = None, memory: float | None = None) -> Pieces | OnePiece:
    """The rows of files, where `data` are paths; of what `as_table` takes, one piece; pieces as they are.

    Raises:
        InputError: as for `as_table`.
    """
    if isinstance(data, Pieces | OnePiece):
        return data
    if isinstance(data, str | Path) or are_paths(data):
        return Pieces(data, reading, memory)
    return OnePiece(as_table(data, reading))

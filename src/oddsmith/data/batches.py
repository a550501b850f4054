"""Rows cut anew: batches with borders of their own, whatever pieces the rows came in.

    pieces     |-------|---|------------|-----|--- ...      as a table, or a reader of large files, gives them
    batches    |-----|-----|-----|-----|-----|---- ...      rows = clip(2^21 / columns, 256, 65,536)

What is learned of a column is a sum over batches, taken in order. So a model is the same to the bit, whether
its rows lay in memory or were read piece by piece, and however long the pieces were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from oddsmith.data.doubles import Doubles
from oddsmith.data.pieces import as_pieces
from oddsmith.data.table import Table
from oddsmith.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.read import Reading

_CELLS = 1 << 21
"""Of a batch: some 50 MB as text."""
_FEWEST, _MOST = 256, 1 << 16


Watch = Callable[..., None]
"""Called with the number of rows that were read; and of the rows of a pass, where they are known."""


def unwatched(number: int, total: int | None = None) -> None:
    """Nobody looks on."""


class Piecewise(Protocol):
    """Tables of consecutive rows with the same columns, which can be read again and again: see `pieces.py`."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    @property
    def size(self) -> int:
        """About so many bytes of a file make a piece."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        ...

    @property
    def digests(self) -> tuple[tuple[str, str], ...]:
        """Name and SHA-256 of each file, after the first read."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was left out, after the first read."""
        ...

    @property
    def expected(self) -> float:
        """About how many rows there are, before the first read."""
        ...

    @property
    def n_rows(self) -> int:
        """Rows in all, after the first read."""
        ...

    def head(self) -> Table:
        """The first rows, if there are any, with all columns."""
        ...

    def read(self, only: Collection[str] | None = None, doubles: Doubles | None = None) -> Iterator[Table]:
        """Every row in order, with `only` these columns; one table at least. Texts may come as `doubles`."""
        ...


class Batches:
    """The rows of pieces in batches."""

    def __init__(self, pieces: Piecewise, watch: Watch = unwatched) -> None:
        self.pieces, self.watch = pieces, watch
        self.head = pieces.head()
        """The first rows, if there are any: columns, their types, and how messages call the rows."""
        self.size = min(max(_CELLS // max(self.head.frame.width, 1), _FEWEST), _MOST)
        """Rows of a batch; the last one may have fewer."""
        self.expected = pieces.expected
        """About how many rows there are."""

    @classmethod
    def of(
        cls,
        data: Any,
        reading: Reading | None = None,
        memory: float | None = None,
        watch: Watch = unwatched,
    ) -> Self:
        """The batches of what `as_pieces` takes, read in so much memory; batches as they are."""
        return data if isinstance(data, cls) else cls(as_pieces(data, reading, memory), watch)

    def read(
        self, columns: Sequence[str] | None = None, doubles: Doubles | None = None
    ) -> Iterator[tuple[int, Table]]:
        """Each batch with the number of its first row, in order; with these columns only, where they are named.

        Columns of texts may come as `doubles`, in any of the batches.
        """
        parts: list[tuple[Table, int, int]] = []
        start = held = 0
        for piece in self.pieces.read(columns, doubles):
            self.watch(piece.frame.height)
            at, height = 0, piece.frame.height
            while at < height:
                taken = min(self.size - held, height - at)
                parts.append((piece, at, taken))
                at, held = at + taken, held + taken
                if held == self.size:
                    yield start, _batch(parts, columns)
                    start, held, parts = start + held, 0, []
        if parts:
            yield start, _batch(parts, columns)

    def place(self, row: int, column: str) -> str:
        """Where a cell stands, as `Table.place` says it, in a row counted from the first of all: a read."""
        start = 0
        for piece in self.pieces.read([column]):
            if row < start + piece.frame.height:
                return piece.place(row - start, column)
            start += piece.frame.height
        raise InputError(
            f"{self.head.name}: the file has fewer rows than before. Read it when it is complete."
        )


def _batch(parts: list[tuple[Table, int, int]], columns: Sequence[str] | None) -> Table:
    """The rows of a batch as a table of their own; each part is a piece, the first row taken, and how many."""
    import polars as pl

    names = parts[0][0].frame.columns if columns is None else columns
    schemas = [piece.frame.schema for piece, _, _ in parts]
    mixed = [name for name in names if len({schema[name] for schema in schemas}) > 1]

    def cut(piece: Table, at: int, taken: int) -> pl.DataFrame:
        frame = piece.frame if columns is None else piece.frame.select(columns)
        if piece.written is not None:
            frame = frame.with_columns(
                piece.written(name) for name in mixed if frame[name].dtype != pl.String
            )
        return frame.slice(at, taken)

    def place_of(row: int, column: str) -> str:
        for piece, at, taken in parts:
            if row < taken:
                return piece.place(at + row, column)
            row -= taken
        raise IndexError(row)

    frames = [cut(*part) for part in parts]
    frame = frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=True)
    return Table(frame, parts[0][0].name, place_of=place_of)

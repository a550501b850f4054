"""Parquet: typed columns come as they were written, every checksum verified, or one sentence says why not.

    bytes -> footer -> names proved -> pages (pyarrow, checksums) -> Arrow columns proved -> Polars

A Parquet file is known by its first bytes and never by its name. What one cell cannot hold - lists, structs,
bytes - stays in the table, and is refused where it is used. Times in the old INT96 form keep microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from oddsmith.data.content import Content, InMemory
from oddsmith.data.memory import require
from oddsmith.data.table import Table, placed_in_row
from oddsmith.errors import InputError, visible

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

_SIGN = re.compile(rb"PAR[1E][^\x20-\x7e\t\r\n]")
"""How a file opens that no text does: PAR1, or PARE where its footer is encrypted, and a byte of Thrift."""
_BUFFER = 1 << 18
"""Bytes of a column that are fetched at once where a file is read piece by piece."""


def is_parquet(raw: bytes) -> bool:
    """Whether the bytes open as those of a Parquet file."""
    return _SIGN.match(raw) is not None


def parquet_tables(
    content: Content, size: int | None, only: Collection[str] | None = None
) -> Iterator[Table]:
    """The rows of a Parquet file in tables of about `size` bytes, one where there are none; by None all at once.

    NaN is a missing number. A dictionary's cells are its values. A file without checksums is read all the same.
    `only` these columns are read, in the same pieces.

    Raises:
        InputError: the file is damaged, cut short or encrypted, a checksum does not fit its page, it has no
            columns, a column has no name or shares one, or a text is not UTF-8 or holds a NUL.
    """
    start = 0
    for columns, n_rows in _pieces(content, size, only):
        yield _table(columns, content.name, start)
        start += n_rows


def _table(columns: dict[str, pa.ChunkedArray], name: str, start: int) -> Table:
    """The columns of rows from `start` on."""
    import polars as pl

    series = []
    for column, cells in columns.items():
        _refuse_other_bytes(cells, name, column, start)
        found = _series(column, cells)
        if found.dtype == pl.String:
            _refuse_nul(found, name, start)
        elif found.dtype.is_float():
            found = found.fill_nan(None)
        series.append(found)
    return Table(
        pl.DataFrame(series), name, place_of=lambda row, column: placed_in_row(name, start + row, column)
    )


def _pieces(
    content: Content, size: int | None, only: Collection[str] | None
) -> Iterator[tuple[dict[str, pa.ChunkedArray], int]]:
    """Columns as Arrow holds them, under names that are proved, and how many rows: piece by piece."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name, total = content.name, 0
    try:
        with pq.ParquetFile(
            pa.BufferReader(content.raw) if isinstance(content, InMemory) else content.path,
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",
            pre_buffer=False,  # which would hold whole row groups
            buffer_size=0 if size is None else _BUFFER,
        ) as file:
            metadata, names = file.metadata, file.schema_arrow.names
            _refuse_names(names, name)
            for table in _tables(file, size, only, name):
                total += table.num_rows
                found = dict(zip(table.column_names, table.columns, strict=True))
                yield {key: found[key] for key in names if only is None or key in only}, table.num_rows
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{name}: this Parquet file needs more memory than there is. Give fewer columns or rows."
        ) from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(f"{name}: this is a Parquet file, {_cause(str(error))}") from error
    if total != metadata.num_rows:
        raise InputError(
            f"{name}: this is a Parquet file, but damaged: it says {metadata.num_rows:,} rows and holds "
            f"{total:,}. Fetch it again."
        )


def _tables(
    file: pq.ParquetFile, size: int | None, only: Collection[str] | None, name: str
) -> Iterator[pa.Table]:
    import pyarrow as pa

    metadata = file.metadata
    n_rows = metadata.num_rows
    if size is None or not n_rows:
        require(_need(metadata), f"{name}: reading {n_rows:,} rows of Parquet")
        yield file.read()
        return
    each = max(1, min(n_rows, int(2 * size * n_rows / max(_need(metadata), 1))))
    require(_need(metadata) * each / n_rows, f"{name}: reading {each:,} rows of Parquet at a time")
    held: list[pa.Table] = []
    # A reader of several row groups keeps what it has read of them.
    batches = (
        batch
        for group in range(metadata.num_row_groups)
        for batch in file.iter_batches(each, row_groups=[group], columns=None if only is None else list(only))
    )
    for batch in batches:
        # Some types make shorter batches; the borders are to be the same for any columns.
        held.append(pa.Table.from_batches([batch]))
        if sum(part.num_rows for part in held) >= each:
            table = pa.concat_tables(held)
            yield table.slice(0, each)
            held = [table.slice(each)]
    if held and (table := pa.concat_tables(held)).num_rows:
        yield table


def _need(metadata: pq.FileMetaData) -> int:
    """Bytes that reading takes, about: every page unpacked, twice, and no less than a word for every cell."""
    unpacked: int = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    cells: int = metadata.num_rows * metadata.num_columns
    return max(2 * unpacked, 8 * cells)


def _cause(error: str) -> str:
    """What pyarrow says about a file that it cannot read, and what to do about it."""
    if "encrypt" in error or "decrypt" in error:
        return "and it is encrypted. Write it without encryption."
    if "magic bytes" in error or "minimum file footer" in error or "footer" in error:
        return "but it is cut short or damaged: its footer is not there. Fetch it again."
    if "CRC" in error:
        return "but it is damaged: a page does not fit its checksum. Fetch it again."
    said = visible(" ".join(error.split()), 120).rstrip(".")
    return f"but it is damaged, or of a kind that cannot be read ({said}). Fetch it or write it again."


def _refuse_names(names: list[str], name: str) -> None:
    if not names:
        raise InputError(f"{name}: this is a Parquet file without any column.")
    seen: dict[str, int] = {}
    for position, column in enumerate(names, start=1):
        if not column.strip():
            raise InputError(f"{name}: column {position} has no name. Give it one, or remove the column.")
        if column in seen:
            raise InputError(
                f"{name}: '{visible(column)}' names both column {seen[column]} and column {position}. "
                "Rename one of them."
            )
        seen[column] = position


def _refuse_other_bytes(cells: pa.ChunkedArray, name: str, column: str, start: int) -> None:
    """Raise where a text is not UTF-8, or the column's buffers contradict each other."""
    import pyarrow as pa

    try:
        cells.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        row = _first_not_utf8(cells)
        if row is not None:
            place = placed_in_row(name, start + row, column)
            raise InputError(
                f"{place}: this text is not UTF-8. Write the file again with its texts in UTF-8."
            ) from error
        said = visible(" ".join(str(error).split()), 120).rstrip(".")
        raise InputError(
            f"{name}: column '{visible(column)}' is damaged ({said}). Write the file again."
        ) from error


def _first_not_utf8(cells: pa.ChunkedArray) -> int | None:
    import pyarrow as pa

    if pa.types.is_dictionary(cells.type):
        cells = pa.chunked_array([chunk.dictionary_decode() for chunk in cells.chunks], cells.type.value_type)
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return None
    for row, cell in enumerate(cells.cast(pa.large_binary()).to_pylist()):
        try:
            (cell or b"").decode("utf-8")
        except UnicodeDecodeError:
            return row
    return None


def _refuse_nul(cells: pl.Series, name: str, start: int) -> None:
    """The same refusal as for text: a NUL is no sign that a person sees."""
    found = cells.str.contains("\0", literal=True).arg_true()
    if found.len():
        raise InputError(
            f"{placed_in_row(name, start + int(found[0]), cells.name)}: a NUL in this text, which no person sees. "
            "Take it out."
        )


def _series(name: str, cells: pa.ChunkedArray) -> pl.Series:
    """One column for Polars, no digit lost; Python objects where Polars has no such type."""
    import polars as pl
    import pyarrow as pa

    kind = cells.type
    if isinstance(kind, pa.BaseExtensionType):
        cells = pa.chunked_array([chunk.storage for chunk in cells.chunks], kind.storage_type)
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        cells = cells.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_decimal256(kind):
        cells = cells.cast(pa.string())
    elif not _is_known(kind):
        return pl.Series(name, cells.to_pylist(), dtype=pl.Object)
    try:
        found = pl.Series(name, cells)
    except pl.exceptions.PolarsError:
        if not pa.types.is_timestamp(kind):
            raise
        # A time zone that the database of zones lacks: the same instants, told in UTC.
        found = pl.Series(name, cells.cast(pa.timestamp(kind.unit))).dt.replace_time_zone("UTC")
    return found


def _is_known(kind: pa.DataType) -> bool:
    """Whether Polars takes a type: it ends the process, or warns, at some that are inside of others."""
    import pyarrow as pa

    strange = isinstance(kind, pa.BaseExtensionType) or pa.types.is_decimal256(kind)
    return not strange and all(_is_known(kind.field(i).type) for i in range(kind.num_fields))

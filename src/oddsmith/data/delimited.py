"""Delimited text as tables of consecutive rows: of all of them at once, or of as many as a piece of it holds.

    chunks of text -> pieces that end where a record ends -> structure proved (scan.py) -> cells parsed by Polars

A piece begins outside quotes, with the line and the number of cells that the pieces before have told: so a text
means the same wherever it is cut, and the same sentence refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from oddsmith.data.ahead import read_ahead
from oddsmith.data.cells import NUMBER
from oddsmith.data.content import ended
from oddsmith.data.doubles import Doubles, columns_with_codes
from oddsmith.data.memory import require
from oddsmith.data.scan import Before, Dialect, Structure, line_at, prove, scan, text_start
from oddsmith.data.strip import strip_blanks
from oddsmith.data.table import Table
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl

_BYTE, _RECORD, _CELL, _COLUMN = 2, 4, 24, 8192
"""Memory that parsing takes for a byte, for one of the longest record, for a cell and for a column, at most."""
_LINE_END = re.compile(r"\r\n|\r|\n")


class Delimited:
    """A file of delimited text. What is learned from all of it is known once it has been read."""

    def __init__(self, dialect: Dialect, *, strip: bool) -> None:
        self.dialect = dialect
        self.strip = strip
        self.columns: list[str] = []
        """Names of the columns, from the first table on."""
        self.notes: tuple[str, ...] = ()
        """What was left out, and what looks odd about the header; after the last table."""
        self._header: list[str] = []
        self._header_line = 1

    def tables(
        self,
        text: Iterable[bytes],
        only: Collection[str] | None = None,
        doubles: Doubles | None = None,
        *,
        ahead: bool = False,
    ) -> Iterator[Table]:
        """The rows in chunks of UTF-8 text, those of a piece in a table; one table where there are no rows.

        `only` these columns are parsed of a text that has been read before; some may come as `doubles`. `ahead`:
        the structure of a piece is proved while cells of those before it are parsed.

        Raises:
            InputError: the text is not a table, or its header does not name the columns.
        """
        if self.strip:
            text = strip_blanks(text, delimiter=self.dialect.delimiter, quote=self.dialect.quote)
        empty: Table | None = None
        n_records, line, quoted, n_fields = 0, 0, False, 0
        structures = _structures(text, self.dialect, with_codes=doubles is not None)
        for structure, with_codes in read_ahead(structures) if ahead else structures:
            if doubles is not None:
                doubles.leave(
                    self.columns[position] for position in with_codes if position < len(self.columns)
                )
            table = self._table(structure, only, doubles or Doubles({}), first=not n_records)
            n_records += structure.n_records
            line = structure.line_of(structure.n_records - 1)
            n_fields = structure.n_fields
            quoted = quoted or structure.quoted
            if table.frame.height:
                yield table
            else:
                empty = table
        if not n_records:
            raise InputError(f"{self.dialect.name}: no header and no rows: the file holds only blanks.")
        notes = _notes(len(self.columns), self._header) if self.dialect.header else ()
        if not quoted and line > n_records:
            notes = (blank_lines_skipped(line - n_records, n_fields), *notes)
        self.notes = tuple(f"{self.dialect.name}: {note}" for note in notes)
        if empty is not None and n_records == int(self.dialect.header):
            yield empty

    def whole(self, text: bytes) -> Table:
        """All rows of a text at once."""
        (table,) = self.tables((text,))
        return replace(table, notes=self.notes)

    def _table(
        self, structure: Structure, only: Collection[str] | None, doubles: Doubles, *, first: bool
    ) -> Table:
        name, header = self.dialect.name, int(self.dialect.header and first)
        # Line ends in the cells before it move a cell to a line below its record's first.
        chosen = None
        if only is not None and not structure.broken:
            chosen = [position for position, column in enumerate(self.columns) if column in only] or None
        rows = None if first else self._with_doubles(structure, chosen, doubles)
        if rows is None:
            rows = doubles.of(self._texts(structure, chosen, first=first), tried=not first)
        if chosen is None:
            self.columns = rows.columns
        position_of = {column: position for position, column in enumerate(self.columns, start=1)}
        line_of = structure.line_of
        broken = rows if structure.broken else None

        def place_of(row: int, column: str) -> str:
            position, line = position_of[column], line_of(row + header)
            if broken is not None:
                line += line_ends(cell for cell in broken.row(row)[: position - 1] if isinstance(cell, str))
            return f"{name}:{line}:{position}"

        def written(column: str) -> pl.Series:
            return self._texts(structure, [position_of[column] - 1], first=first).to_series()

        if only is not None and chosen is None:
            rows = rows.select([column for column in rows.columns if column in only])
        return Table(rows, name, place_of=place_of, written=written)

    def _texts(self, structure: Structure, chosen: list[int] | None, *, first: bool) -> pl.DataFrame:
        """The rows of a piece, without the header, every cell as a text; `chosen` are positions of columns."""
        header = int(self.dialect.header and first)
        rows = cells(structure, self.dialect, self.strip, chosen)
        if chosen is not None:
            rows.columns = [self.columns[position] for position in chosen]
        elif self.dialect.header:
            if first:
                self._header = ["" if cell is None else str(cell) for cell in rows.row(0)]
                self._header_line = structure.line_of(0)
            return _named(rows.slice(header), self._header, self.dialect.name, self._header_line)
        return rows.slice(header)

    def _with_doubles(
        self, structure: Structure, chosen: list[int] | None, doubles: Doubles
    ) -> pl.DataFrame | None:
        """The rows of a piece that is not the first, some columns as doubles; None where they cannot be parsed so."""
        import polars as pl

        wanted = chosen or range(len(self.columns))
        missing = {
            position: doubles.missing[self.columns[position]]
            for position in wanted
            if self.columns[position] in doubles.missing
        }
        if not missing:
            return None
        try:
            rows = _parsed(structure, self.dialect, self.strip, chosen, missing)
        except pl.exceptions.PolarsError:
            return None
        if rows.shape != (structure.n_records, len(chosen or range(structure.n_fields))):
            return None
        if chosen is not None:
            rows.columns = [self.columns[position] for position in chosen]
        elif self.dialect.header:
            rows = _named(rows, self._header, self.dialect.name, self._header_line)
        others = doubles.leave_others(rows)
        if others:
            positions = [self.columns.index(name) for name in others]
            rows = rows.with_columns(self._texts(structure, positions, first=False))
        return rows


def _structures(
    text: Iterable[bytes], dialect: Dialect, *, with_codes: bool
) -> Iterator[tuple[Structure, set[int]]]:
    """The structure of each piece of a text that holds a record; a piece is a chunk, cut after a record.

    `with_codes`: beside it, the positions of columns with leading zeros, of the second piece and those that follow.
    """
    begun = False
    before, held, wanted = Before(), list[bytes](), 0
    for chunk, last in ended(text):
        held.append(chunk)
        if not last and sum(map(len, held)) < wanted:
            continue
        plain = not (dialect.quote and any(dialect.quote.encode() in part for part in held))
        cut = chunk.rfind(b"\n") + 1 if plain else 0
        if last:
            body, rest = b"".join(held), b""
            structure = scan(body, dialect, before, plain=plain)
        elif cut:
            body, rest = b"".join((*held[:-1], memoryview(chunk)[:cut])), chunk[cut:]
            structure = scan(body, dialect, before, plain=plain)
        else:
            body = b"".join(held)
            # A CR at its end may be half of a line end.
            structure = prove(body[:-1] if body.endswith(b"\r") else body, dialect, before, last=False)
            rest = body[structure.end :]
        before, held, wanted = structure.after, [rest], 2 * len(rest)
        if structure.n_records:
            yield structure, columns_with_codes(structure, dialect) if with_codes and begun else set()
            begun = True


def refuse_other_dialect(text: bytes, dialect: Dialect, *, strip: bool) -> None:
    """Stop at a text of blank lines, and at a first line that says that it is divided another way.

    That is Excel's `sep=` line, and one that another delimiter would divide and this one does not. `text` is the
    start of the file, with its first line that is not blank.
    """
    blanks = (b" " if dialect.delimiter == "\t" else b" \t") if strip else b""
    found = re.compile(rb"[\r\n" + blanks + rb"]*([^\r\n]*)").match(text, text_start(text))
    if found is None or not found[1]:
        raise InputError(
            f"{dialect.name}: the file is empty."
            if not text
            else f"{dialect.name}: no header and no rows: the file holds only empty lines."
        )
    first, place = found[1], f"{dialect.name}:{line_at(text, found.start(1))}"
    if (line := re.fullmatch(rb'"?sep=(.)"?,*', first, flags=re.IGNORECASE)) is not None:
        given = visible(line[1].decode("ascii", errors="replace")).replace("\\t", "tab")
        raise InputError(
            f'{place}: Excel\'s "sep=" line is no header. Remove it, and add --delimiter "{given}".'
        )
    delimiter, sign = dialect.delimiter, re.escape(dialect.quote.encode())
    bare = re.sub(sign + rb"[^" + sign + rb"]*(" + sign + rb"|$)", b"", first) if sign else first
    if delimiter.encode() in bare:
        return
    bare = bare.strip(blanks)
    counts = {other: bare.count(other.encode()) for other in "\t;|," if other != delimiter}
    guess = max(counts, key=counts.__getitem__)
    if counts[guess]:
        shown = "tab" if guess == "\t" else guess
        raise InputError(
            f'{place}: one column, for "{visible(delimiter)}" is not in this line. Its delimiter may be another: add '
            f'--delimiter "{shown}". If it is one column, quote the line.'
        )


def cells(
    structure: Structure, dialect: Dialect, strip: bool, chosen: list[int] | None = None
) -> pl.DataFrame:
    """Every record, the header too, parsed by Polars as texts; its shape must be the one that was found.

    `chosen` are the positions of the columns to parse, rising: a record too long then goes unnoticed.
    """
    import polars as pl

    n_chosen = structure.n_fields if chosen is None else len(chosen)
    unfaithful = f"{dialect.name}: the file could not be read faithfully"
    report = "Please report this, with the file if you may."
    try:
        frame = _parsed(structure, dialect, strip, chosen)
    except pl.exceptions.PolarsError as error:
        structure.recheck()
        cause = visible(str(error).partition("\n")[0], limit=120)
        raise InputError(f"{unfaithful}: the parser says: {cause}. {report}") from error
    if frame.shape != (structure.n_records, n_chosen):
        structure.recheck()
        raise InputError(
            f"{unfaithful}: {structure.n_records} records of {n_chosen} fields became "
            f"{frame.height} of {frame.width}. {report}"
        )
    return frame


def _parsed(
    structure: Structure,
    dialect: Dialect,
    strip: bool,
    chosen: list[int] | None,
    doubles: Mapping[int, str] = {},
) -> pl.DataFrame:
    """Every record as Polars parses it: texts, and at the positions of `doubles` numbers.

    These hold nothing else, but for the text that means missing there, or an error of Polars ends it.
    """
    import polars as pl

    n_records, n_fields, body = structure.n_records, structure.n_fields, structure.body
    columns = [f"column_{position}" for position in range(1, n_fields + 1)]
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(columns, pl.String)
    schema |= {columns[position]: pl.Float64 for position in doubles}
    n_chosen = n_fields if chosen is None else len(chosen)
    quote_char = dialect.quote if structure.quoted else None
    copies = 2 if strip and quote_char else 1
    require(
        copies * (_BYTE * len(body) + _RECORD * structure.longest + n_chosen * (_CELL * n_records + _COLUMN)),
        f"{dialect.name}: reading {counted(n_records, 'line')} of {counted(n_fields, 'cell')}",
    )
    missing = dict.fromkeys(columns, "") | {columns[position]: text for position, text in doubles.items()}
    frame = pl.read_csv(
        body,
        has_header=False,
        schema=schema,
        columns=chosen,
        separator=dialect.delimiter,
        quote_char=quote_char,
        null_values=missing,
        low_memory=True,
    )
    if strip and quote_char:
        stripped = pl.col(pl.String).str.strip_chars(" \t")
        frame = frame.with_columns(pl.when(stripped != "").then(stripped))
    return frame


def line_ends(cells: Iterable[str | None]) -> int:
    """Line ends inside cells: those that follow on their record stand so many lines below its first."""
    return sum(len(_LINE_END.findall(cell)) for cell in cells if cell)


def _named(rows: pl.DataFrame, names: list[str], name: str, line: int) -> pl.DataFrame:
    """The rows under the header's names, without nameless empty columns at the end; the header is on `line`."""

    def place(position: int) -> str:
        return f"{name}:{line + line_ends(names[: position - 1])}:{position}"

    width = len(names)
    while width and not names[width - 1] and rows.to_series(width - 1).null_count() == rows.height:
        width -= 1
    seen: dict[str, int] = {}
    for position, column in enumerate(names[:width], start=1):
        if not column.strip():
            raise InputError(
                f"{place(position)}: column {position} has no name. Give it one in the header, or remove the column."
            )
        if column in seen:
            raise InputError(
                f"{place(position)}: '{visible(column)}' names both column {seen[column]} and column {position}. "
                "Rename one of them."
            )
        seen[column] = position
    if not width:
        raise InputError(f"{place(1)}: the header has no names. Name the columns.")
    rows = rows[:, :width]
    rows.columns = names[:width]
    return rows


def blank_lines_skipped(blank: int, n_fields: int) -> str:
    """That they count as no rows is said; in a single column one might mean a missing cell."""
    remedy = " A missing cell in a single column is written as NA." if n_fields == 1 else ""
    return f"{counted(blank, 'blank line')} skipped.{remedy}"


def _notes(kept: int, names: list[str]) -> tuple[str, ...]:
    """What was left out of the file, and what looks odd about its header, in sentences."""
    notes = []
    if kept < len(names):
        columns = (
            f"column {len(names)} has"
            if kept + 1 == len(names)
            else f"columns {kept + 1} to {len(names)} have"
        )
        notes.append(f"{columns} no name and no cells; left out.")
    numbers = [name.strip() for name in names if NUMBER.fullmatch(name.strip())]
    if numbers:
        shown = ", ".join(visible(name) for name in numbers[:3])
        notes.append(f"the header names columns {shown}. If the first line is data, add --no-header.")
    return tuple(notes)

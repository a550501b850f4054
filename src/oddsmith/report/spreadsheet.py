"""CSV that a spreadsheet reads and does not run.

A program that opens a CSV takes a cell that begins with = + - @, tab or carriage return for a formula. Such
texts, names of columns too, get an apostrophe in front. Numbers, and texts that are numbers, stay as they are.

Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oddsmith.data.cells import NUMBER
from oddsmith.errors import InputError, counted, visible

if TYPE_CHECKING:
    import polars as pl

_FORMULA = r"^[=+\-@\t\r]"


def without_formulas(frame: pl.DataFrame, *, header: bool = True) -> tuple[pl.DataFrame, int]:
    """The frame with an apostrophe before every text that a spreadsheet would run, and how many there are.

    Names of columns are counted where they are written: with the `header`.

    Raises:
        InputError: two columns would be called the same.
    """
    import polars as pl

    selected = pl.selectors.by_dtype(pl.String, pl.Categorical, pl.Enum)
    cell = selected.cast(pl.String)
    runs = cell.str.contains(_FORMULA) & ~cell.str.contains(f"^(?:{NUMBER.pattern})$")
    changed = sum(frame.select(runs.sum()).row(0)) if frame.select(selected).width else 0
    safe = frame.with_columns(pl.when(runs).then(pl.lit("'") + cell).otherwise(cell).name.keep())
    names = pl.Series(frame.columns)
    renamed = names.str.contains(_FORMULA)
    safe_names = [f"'{name}" if runs else name for name, runs in zip(names, renamed, strict=True)]
    twice = next((name for name in safe_names if safe_names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"two columns of the output would be called '{visible(twice)}'. Rename one in the data, or say --raw."
        )
    safe.columns = safe_names
    return safe, changed + header * int(renamed.sum())


def defused(n_texts: int) -> str:
    """The sentence on texts that got an apostrophe."""
    return (
        f"{counted(n_texts, 'text')} that a spreadsheet would run as a formula now begin"
        f"{'s' if n_texts == 1 else ''} with an apostrophe. To write texts as they are, say --raw."
    )

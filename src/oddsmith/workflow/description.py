"""What is in each column of a table, of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oddsmith.data.cells import MissingMarkers
from oddsmith.data.describing import describe as summaries
from oddsmith.data.pieces import as_pieces

if TYPE_CHECKING:
    from oddsmith.data.describe import ColumnSummary


def describe(data: Any, *, missing: Sequence[str] | str = ()) -> list[ColumnSummary]:
    """What each column of a table holds: counts, moments and quartiles, or levels.

    Files, named by paths, may be larger than memory.

    Warns:
        DataWarning: whole numbers beyond 2^53 are rounded.

    Raises:
        InputError: the data cannot be read as a table.
    """
    pieces = as_pieces(data)
    tokens = (missing,) if isinstance(missing, str) else tuple(map(str, missing))
    return summaries(pieces, MissingMarkers.from_options(tokens, pieces.columns))

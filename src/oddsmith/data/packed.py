"""The design matrix in a file of raw doubles, for fits that read it again and again without holding it.

    row i at byte 8 p i        pass: chunks of 8 MB in order, two ahead of the fit        take: by seeking

The file has no name in any folder, so that nothing is left behind, whatever ends the process.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddsmith.data.ahead import read_ahead
from oddsmith.data.block import Block, Codes, Floats, of_rows, rows_of_block
from oddsmith.data.memory import shown_size
from oddsmith.errors import InputError, counted, visible

CHUNK = 8 << 20
_SEEK = 1 << 14
"""Bytes that are read in the time that a seek takes."""
_REMEDY = "Name a folder with more room in TMPDIR, or say --no-cache to read the data in every pass."


class PackedSource:
    """A source that reads its rows from a file of its own; classes, weights and offsets are in memory."""

    def __init__(
        self,
        parts: Iterable[Floats],
        shape: tuple[int, int],
        y: Codes,
        sample_weight: Floats | None,
        offset: Floats | None = None,
        watch: Callable[[int, int], None] = lambda number, total: None,
    ) -> None:
        """Write `parts` (m, p) of a matrix of this shape (n, p) one after the other.

        `watch` is called with the number of rows read in a pass, and of all.

        Raises:
            InputError: there is no folder for temporary files, or no room in it.
        """
        self.n_rows, self.n_columns = shape
        self.y, self.sample_weight, self.offset, self.watch = y, sample_weight, offset, watch
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self._lock = Lock()
        self._what = f"the design matrix of {counted(shape[0], 'row')} and {counted(shape[1], 'term')}"
        try:
            folder = tempfile.gettempdir()
            self._refuse_full(folder)
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
            try:
                self._write(parts)
            except BaseException:
                self.close()
                raise
        except OSError as error:
            cause = visible(error.strerror or str(error), 120)
            raise InputError(
                f"{self._what} could not be kept in a temporary file ({cause}). {_REMEDY}"
            ) from error

    def _refuse_full(self, folder: str) -> None:
        need, free = self._row * self.n_rows, shutil.disk_usage(folder).free
        if need > free:
            raise InputError(
                f"{self._what} takes {shown_size(need)} in {visible(folder, 200)}, where {shown_size(free)} are "
                f"free. {_REMEDY}"
            )

    def _write(self, parts: Iterable[Floats]) -> None:
        for part in read_ahead(iter(parts)):
            left = _bytes_of(np.ascontiguousarray(part))
            while left:
                left = left[self._file.write(left) :]

    @property
    def _row(self) -> int:
        """Bytes of a row."""
        return 8 * self.n_columns

    @property
    def in_order(self) -> bool:
        """No: any row can be sought."""
        return False

    def __iter__(self) -> Iterator[Block]:
        return blocks_of(read_ahead(self._chunks()), self.y, self.sample_weight, self.offset)

    def _chunks(self) -> Iterator[Floats]:
        """The rows in order, whole blocks at a time."""
        block = rows_of_block(self.n_columns)
        rows = block * max(1, CHUNK // max(block * self._row, 1))
        for start in range(0, self.n_rows, rows):
            part = self._read(start, min(start + rows, self.n_rows))
            self.watch(len(part), self.n_rows)
            yield part

    def take(self, rows: NDArray[np.intp]) -> Block:
        """The rows with these numbers, as one block: neighbours in one read, others by seeking."""
        X = np.empty((len(rows), self.n_columns))
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        far = np.diff(ordered) * self._row > _SEEK
        long = np.diff(ordered * self._row // CHUNK) > 0
        for places in np.split(np.arange(len(rows)), 1 + np.flatnonzero(far | long)):
            if len(places):
                first = int(ordered[places[0]])
                near = self._read(first, int(ordered[places[-1]]) + 1)
                X[order[places]] = near[ordered[places] - first]
        return Block(X, self.y[rows], of_rows(self.sample_weight, rows), of_rows(self.offset, rows))

    def _read(self, start: int, end: int) -> Floats:
        """Rows from `start` to before `end`."""
        X = np.empty((end - start, self.n_columns))
        left = _bytes_of(X)
        with self._lock:
            self._file.seek(start * self._row)
            while left:
                n_bytes = self._file.readinto(left)
                if not n_bytes:
                    raise InputError(
                        f"{self._what}: the temporary file that held it was cut short. Try again."
                    )
                left = left[n_bytes:]
        return X

    def close(self) -> None:
        """Give the room on the disk back."""
        self._file.close()


def _bytes_of(X: Floats) -> memoryview:
    return X.data.cast("B") if X.size else memoryview(b"")


def blocks_of(
    parts: Iterable[Floats], y: Codes, sample_weight: Floats | None, offset: Floats | None = None
) -> Iterator[Block]:
    """Blocks with the borders of `ArraySource`, of a matrix (n, p) that comes in parts (m, p)."""
    start = 0
    held: list[Floats] = []
    n_held = 0

    def block(X: Floats) -> Block:
        rows = slice(start, start + len(X))
        return Block(X, y[rows], of_rows(sample_weight, rows), of_rows(offset, rows))

    for part in parts:
        size, at = rows_of_block(part.shape[1]), 0
        while at < len(part):
            taken = part[at : at + size - n_held]
            held, n_held, at = [*held, taken], n_held + len(taken), at + len(taken)
            if n_held == size:
                yield block(held[0] if len(held) == 1 else np.concatenate(held))
                start, held, n_held = start + size, [], 0
    if n_held:
        yield block(np.concatenate(held))

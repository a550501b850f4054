"""oddsmith predict --stream: one line out for one row in, as soon as it has come.

    wait for bytes -> all rows that they complete -> rejects into their file -> answers, flushed -> wait

Rows that are there already are scored together, so a full pipe is answered thousands at a time and a single row
by itself. What is answered does not depend on that. Nothing of a row is kept once it is answered.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from oddsmith.cli.options import Voice
from oddsmith.cli.predictions import Shown, mention_unused, predictions, written

if TYPE_CHECKING:
    import polars as pl

    from oddsmith.data.arriving import Arrived, Arriving
    from oddsmith.data.encoding import Unseen
    from oddsmith.data.read import Reading
    from oddsmith.files import Growing
    from oddsmith.workflow.scoring import Scored

_NAME = "standard input"
_PIECE = 1 << 18
"""Bytes that are read at once, at most: some hundreds of rows, from where on more rows gain little time."""
_PLACE = re.compile(re.escape(_NAME) + r"(?::\d+)*: ")
_LINE_END = re.compile(rb"(?:\r\n|\r|\n)\Z")


def answer(
    reading: Reading,
    voice: Voice,
    rejects: str | None,
    shown: Shown,
    *,
    raw: bool,
) -> None:
    """Score standard input to standard output until it ends.

    Raises:
        InputError: the header does not fit the model; a row cannot be scored and there are no `rejects`; the file
            of `rejects` exists, or cannot be written.
    """
    from oddsmith.data.arriving import Arriving

    arriving = Arriving(_NAME, reading)
    kept = None if rejects is None else _Rejects(rejects)
    with contextlib.nullcontext() if kept is None else contextlib.closing(kept):
        answers = _Answers(shown, arriving, voice, kept, raw=raw)
        for piece in _pieces(sys.stdin.buffer):
            answers.give(arriving.feed(piece))
        answers.give(arriving.finish())
    answers.tell()
    if kept is not None and kept.n_rows:
        from oddsmith.errors import counted, visible

        voice.note(f"wrote {counted(kept.n_rows, 'rejected row')} to {visible(kept.path, 200)}")


class _Answers:
    """What is written for the rows, and what has to be said of them in the end."""

    def __init__(
        self,
        shown: Shown,
        arriving: Arriving,
        voice: Voice,
        rejects: _Rejects | None,
        *,
        raw: bool,
    ) -> None:
        self.shown, self.model = shown, shown.model
        self.arriving, self.voice, self.rejects, self.raw = arriving, voice, rejects, raw
        self.n_rows = self.last_line = 0
        self.begun, self.defused = False, 0
        self.unseen: dict[str, Unseen] = {}

    def give(self, arrived: Iterable[Arrived]) -> None:
        """Answer rows, after those that cannot be answered have been recorded."""
        from oddsmith.errors import InputError
        from oddsmith.workflow.scoring import score_rows

        rows = list(arrived)
        if not self.begun and self.arriving.n_fields:
            self._begin()
        if not rows:
            return
        scored = score_rows(self.model, self.arriving, rows, self.shown.of_policy)
        number_of = {}
        for row in rows:
            self.n_rows += row.line > self.last_line
            number_of[row.line], self.last_line = self.n_rows, row.line
        if scored.faults and self.rejects is None:
            first = scored.faults[0]
            good = sum(row.line < first.line for row in scored.rows)
            self._write(scored, number_of, good)
            raise InputError(str(first.fault))
        if self.rejects is not None:
            self.rejects.add(scored.faults)
        self._write(scored, number_of, len(scored.rows))

    def tell(self) -> None:
        """Notes about the whole, each once."""
        from oddsmith.report.spreadsheet import defused

        for column in self.model.design.columns:
            if column.name in self.unseen:
                self.voice.aside(str(self.unseen[column.name]))
        if self.defused:
            self.voice.aside(defused(self.defused))
        blank = self.arriving.blank_lines
        if blank:
            from oddsmith.data.delimited import blank_lines_skipped

            self.voice.aside(f"{_NAME}: {blank_lines_skipped(blank, self.arriving.n_fields)}")

    def _begin(self) -> None:
        """Check the header against the model; only then is the file of rejects made, and anything written."""
        table = self.arriving.table([])
        for note in table.notes:
            self.voice.aside(note)
        mention_unused(self.model, table.frame.columns, self.voice)
        frame = predictions(self.shown, table, self.model.score(table))
        if self.rejects is not None:
            self.rejects.begin()
        self._put(frame, header=True)
        self.begun = True

    def _write(self, scored: Scored, number_of: dict[int, int], n_rows: int) -> None:
        """The answers to the first `n_rows` of the rows that were scored."""
        import polars as pl

        if not n_rows:
            return
        frame = predictions(self.shown, scored.table, scored.scores)
        if self.model.record.id is None:
            numbers = [number_of[row.line] for row in scored.rows]
            frame = frame.with_columns(pl.Series(frame.columns[0], numbers))
        self._put(frame.head(n_rows), header=False)
        for unseen in scored.scores.unseen:
            known = self.unseen.get(unseen.column)
            self.unseen[unseen.column] = unseen if known is None else known + unseen

    def _put(self, frame: pl.DataFrame, *, header: bool) -> None:
        from oddsmith.report.spreadsheet import without_formulas

        if not (self.raw or self.voice.json):
            frame, n_texts = without_formulas(frame, header=header)
            self.defused += n_texts
        sys.stdout.buffer.write(written(frame, as_json=self.voice.json, header=header))
        sys.stdout.buffer.flush()


class _Rejects:
    """CSV of the rows that were not scored: line, reason, and the row's bytes without its line end."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.n_rows = 0
        self._file: Growing | None = None
        self._open = False

    def begin(self) -> None:
        """Make the file."""
        from oddsmith.files import Growing

        self._file = Growing(self.path, "--rejects")
        self._file.write(b"line,reason,row\n")

    def add(self, faults: Sequence[Arrived]) -> None:
        """Record faults: they are with the system when this returns."""
        content = bytearray()
        for row in faults:
            raw = row.raw if row.more else _LINE_END.sub(b"", row.raw)
            if not self._open:
                reason = _PLACE.sub("", str(row.fault), count=1).replace('"', '""')
                content += f'{row.line},"{reason}","'.encode()
                self.n_rows += 1
            content += raw.replace(b'"', b'""')
            self._open = row.more
            if not row.more:
                content += b'"\n'
        if content and self._file is not None:
            self._file.write(bytes(content))

    def close(self) -> None:
        """Force the file to disk, if it was made."""
        if self._file is not None:
            self._file.close()


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """What has arrived, whenever something has, until the end.

    Raises:
        InputError: the stream cannot be read.
    """
    raw = getattr(stream, "raw", stream)
    # Linux lets a pipe hold more than its 64 KiB, so that more rows can wait while others are scored.
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(raw, fcntl.F_SETPIPE_SZ, _PIECE)
    with _waiting(raw) as wait:
        while True:
            wait()
            try:
                piece = raw.read(_PIECE)
            except OSError as error:
                from oddsmith.errors import InputError

                cause = (error.strerror or str(error)).lower()
                raise InputError(f"{_NAME}: cannot be read: {cause}. Send rows through a pipe.") from error
            if piece:
                yield piece
            elif piece is not None:  # a pipe that does not block gives None where it is empty
                return


@contextlib.contextmanager
def _waiting(raw: BinaryIO) -> Iterator[Callable[[], None]]:
    """A function that returns when something can be read, and lets signals do their work before.

    A signal may reach any thread, and those of Polars do not wake the one that reads; but Python writes a byte
    to a descriptor for each.
    """
    descriptor = None
    with contextlib.suppress(OSError):
        descriptor = raw.fileno()
    if descriptor is None or os.name != "posix":
        yield lambda: None
        return
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    before = signal.set_wakeup_fd(waking, warn_on_full_buffer=False)

    def wait() -> None:
        while woken in select.select([descriptor, woken], [], [])[0]:
            os.read(woken, 1)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(waking)

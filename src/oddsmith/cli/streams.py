"""Standard streams as the program needs them: all three open, data in UTF-8, messages that never fail.

What leaves through a pipe or into a file is data, and data is UTF-8 whatever the locale says; a terminal
shows what its encoding has, and the rest as escapes.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TYPE_CHECKING

from oddsmith.cli import ReaderGoneError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(OSError):
    """Standard output cannot be written."""


class Output(io.FileIO):
    """Standard output: what fails here is known to be this stream, and a full pipe is waited for."""

    def write(self, data: ReadableBuffer, /) -> int:
        """The number of bytes written."""
        try:
            # Nothing comes after the system's write: what failed there would be written once more.
            return super().write(data) or self._write_later(data)
        except BrokenPipeError as error:
            raise ReaderGoneError from error
        except OSError as error:
            cause = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise OutputError(error.errno, f"cannot be written: {cause}", "standard output") from error

    def _write_later(self, data: ReadableBuffer) -> int:
        """For a pipe that does not block and is full, which is what writing nothing means."""
        import select

        if not memoryview(data).nbytes:
            return 0
        select.select([], [self], [])
        return self.write(data)


class Messages(Output):
    """Standard error: a message that nobody can hear must not stop the work."""

    def write(self, data: ReadableBuffer, /) -> int:
        """The number of bytes written or thrown away."""
        try:
            return super().write(data)
        except (OSError, ReaderGoneError):
            return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make the process's standard streams so, and let libraries' warnings be messages of ours."""
    import warnings

    _open_missing()
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    if _is_plain(sys.stdout, sys.__stdout__):
        shown = sys.stdout is not None and sys.stdout.isatty()
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(Output(1, "w", closefd=False)),
            encoding=sys.stdout.encoding if shown else "utf-8",
            errors="backslashreplace",
            line_buffering=shown,
        )
    if _is_plain(sys.stderr, sys.__stderr__):
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(Messages(2, "w", closefd=False)),
            encoding="utf-8" if sys.stderr is None else sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
    warnings.showwarning = _show_warning
    # What fails in a destructor is ignored by definition; so is the news of it.
    sys.unraisablehook = lambda _: None


def _open_missing() -> None:
    """Give closed descriptors to the null device, else the next file that is opened would be standard output.

    It is opened the wrong way round, so that using one of them is still an error, with its own sentence.
    """
    for number, wrong_way in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, wrong_way)


def _is_plain(stream: object, original: object) -> bool:
    """Whether a stream is the one that Python opened on a file, pipe or terminal, or is missing."""
    buffer = getattr(stream, "buffer", None)
    return stream is original and (stream is None or isinstance(getattr(buffer, "raw", buffer), io.FileIO))


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    from oddsmith.errors import visible

    sys.stderr.write(f"oddsmith: warning: {visible(str(message), 300)} ({category.__name__})\n")

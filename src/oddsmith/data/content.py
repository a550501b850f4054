"""The bytes of a file, or of a stream, as something that can be read again.

    regular file -> where it lies     -> open() as often as needed -> chunks
    anything else -> held in memory                                -> SHA-256, in a thread

A file that is read more than once must stay as it is: its size and its time of change are compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO, cast

from oddsmith.data.memory import require, shown_size, spare_address_space
from oddsmith.errors import InputError, visible

HEAD = 512
"""So many bytes from its start tell what a file is."""
START = 1 << 16
"""So many tell what its columns are, more if that is no row."""
_PIECE = 1 << 20
_DIGESTED = 1 << 24
"""Bytes that a digest takes in at once: few, or the thread would wait for Python's lock between them."""
_TO_COME = 2
"""Bytes of memory that each byte of a file will ask for at least, beside itself."""

Opened = Callable[[], BinaryIO]
"""Opens the same bytes anew, from their start."""
Chunks = Callable[[], Iterator[bytes]]
"""Begins the same stream of chunks anew."""


class InMemory:
    """Bytes that were read at once."""

    def __init__(self, raw: bytes, name: str) -> None:
        self.raw = raw
        self.name = name

    @property
    def n_bytes(self) -> int:
        """How many they are."""
        return len(self.raw)

    def open(self) -> BinaryIO:
        """A stream over the bytes, which are not copied."""
        return io.BytesIO(self.raw)

    def refuse_changes(self) -> None:
        """Nothing can change them."""


class OnDisk:
    """A regular file, read as it lies there."""

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self._first = self._state()

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return self._first[0]

    def open(self) -> BinaryIO:
        """A buffered stream."""
        with _said(self.name):
            return io.BufferedReader(_Raw(self.path, self.name))

    def __eq__(self, other: object) -> bool:
        """Whether this is the same file in the same state."""
        return isinstance(other, OnDisk) and (self.path, self._first) == (other.path, other._first)

    __hash__ = None  # type: ignore[assignment]  # it is not looked up

    def refuse_changes(self) -> None:
        """Raise InputError where size, time of change or the file itself is another."""
        if self._state() != self._first:
            raise InputError(
                f"{self.name}: this file was changed while it was being read. Let nothing write to it, and start again."
            )

    def _state(self) -> tuple[int, ...]:
        with _said(self.name):
            found = os.stat(self.path)
        return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev


Content = InMemory | OnDisk
"""The bytes of one file."""


def content_at(path: str, name: str) -> Content:
    """The bytes at `path`, to be read chunk by chunk; those of a pipe, and of "-", are held in memory.

    Raises:
        InputError: there is no such file, it cannot be read, or a pipe gives more than memory can hold;
            messages call it `name`.
    """
    with _said(name):
        if path != "-" and stat.S_ISREG((status := os.stat(path)).st_mode) and status.st_size:
            return OnDisk(path, name)
    return InMemory(read_bytes(path, name), name)


def read_bytes(path: str | Path, name: str) -> bytes:
    """The bytes of a file, or of standard input for "-".

    Raises:
        InputError: there is no such file, it cannot be read, or is too large for the memory there is;
            messages call it `name`.
    """
    spare_address_space()
    with _said(name):
        if path == "-":
            return gathered(sys.stdin.buffer, name)
        with Path(path).open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not (stat.S_ISREG(status.st_mode) and status.st_size):
                return gathered(stream, name)
            size = status.st_size
            require((1 + _TO_COME) * size, f"{name}: reading {shown_size(size)}")
            return stream.read()


def gathered(stream: BinaryIO, name: str, what: str = "this is") -> bytes:
    """All that a stream gives whose size nobody knows; it stops where memory could not hold the table."""
    content = io.BytesIO()
    while piece := stream.read(_PIECE):
        content.write(piece)
        size = content.tell()
        require(_TO_COME * size, f"{name}: {what} larger than {shown_size(size)}, and reading it")
    return content.getvalue()


def read_chunks(opened: Opened, size: int | None) -> Iterator[bytes]:
    """The bytes in chunks of `size`, the first and the last one shorter; all at once where that is None.

    The first chunk tells how to read the others: the less it holds, the better.
    """
    with opened() as stream:
        first = stream.read(-1 if size is None else min(size, START))
        if first:
            yield first
        while size is not None and (chunk := stream.read(size)):
            yield chunk


def ended(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each chunk, and whether it is the last; a last one that is empty, where there is none."""
    before = None
    for chunk in chunks:
        if before is not None:
            yield before, False
        before = chunk
    yield before or b"", True


class Digest:
    """SHA-256 of the bytes, worked out in a thread while others read them.

    On a slow disk the thread goes ahead and the reader finds in the system's cache what it has fetched.
    """

    def __init__(self, content: Content) -> None:
        self.content = content
        self._hash = hashlib.sha256()
        self._stopped = False
        self._failure: InputError | None = None
        self._thread = Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads can be started
            self._run()

    def hexdigest(self) -> str:
        """Of all the bytes, in hexadecimal; waits for them."""
        if self._thread.ident is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._hash.hexdigest()

    def stop(self) -> None:
        """Nobody wants to know any more."""
        self._stopped = True
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with cast("io.BufferedReader", self.content.open()) as stream:
                held = memoryview(bytearray(min(_DIGESTED, self.content.n_bytes)))
                while not self._stopped and (n_bytes := stream.readinto(held)):
                    self._hash.update(held[:n_bytes])
        except InputError as error:
            self._failure = error


def digest_ahead(paths: Sequence[str]) -> None:
    """Begin the digest of a long file that is about to be read, so that it goes on while libraries are loaded."""
    with contextlib.suppress(InputError, OSError, ValueError):
        if (
            paths[0] != "-"
            and stat.S_ISREG((found := os.stat(paths[0])).st_mode)
            and found.st_size > _DIGESTED
        ):
            _begun.append(Digest(OnDisk(paths[0], paths[0])))


def digest_of(content: Content) -> Digest:
    """The digest of these bytes, begun now or ahead."""
    begun = _begun.pop() if _begun else None
    if begun is not None and begun.content == content:
        return begun
    if begun is not None:
        begun.stop()
    return Digest(content)


_begun: list[Digest] = []
"""The digest that was begun ahead, until somebody asks for it."""


class _Raw(io.FileIO):
    """A file whose failures are sentences."""

    def __init__(self, path: str, called: str) -> None:
        super().__init__(path)
        self._called = called

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the buffer; returns how many bytes there were."""
        with _said(self._called):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        """All that is left."""
        with _said(self._called):
            return super().readall()


@contextmanager
def _said(name: str) -> Iterator[None]:
    """What the system says about a file that cannot be read, as a sentence."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name}: there is no such file. Check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{name}: this is a folder. Name a file in it.") from error
    except PermissionError as error:
        raise InputError(
            f"{name}: no permission to read this file. Change its permissions or copy it."
        ) from error
    except (OSError, ValueError) as error:
        cause = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(f"{name}: cannot be read: {visible(cause)}. Check the path.") from error

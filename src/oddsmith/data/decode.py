"""From the bytes of a file to text in UTF-8, proved to decode, or a sentence on what they are instead.

    bytes -> unzipped -> no foreign format -> decoded -> no NUL

All at once or chunk by chunk, with the same text and the same sentences. Nothing is read or unpacked beyond
what memory can hold: a file that unpacks without end stops early.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO, cast

import numpy as np

from oddsmith.data.content import HEAD, Chunks, Opened, ended, gathered, read_chunks
from oddsmith.data.memory import require, shown_size
from oddsmith.data.scan import line_at
from oddsmith.errors import InputError, visible

_PIECE = 1 << 20
_DECODING = 5
"""Bytes of memory for each byte while it is decoded: characters of up to four bytes, and again as UTF-8."""

# Signs that open other formats, and that no table in text begins with: (bytes, what it is, what to do).
_FOREIGN = [
    (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a zip or Excel file", "Unpack it, or save the sheet as CSV"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel file", "Save the sheet as CSV"),
    (rb"PAR1[^\x20-\x7e\t\r\n]", "a Parquet file", "Write it as CSV"),
    (rb"ARROW1\x00\x00", "an Arrow file", "Write it as CSV"),
    (rb"SQLite format 3\x00", "an SQLite database", "Write the table as CSV"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "an image, not text", "Give a CSV file"),
    (rb"%PDF-", "a PDF document, not text", "Give a CSV file"),
    (
        rb"BZh[1-9]1AY&SY|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|7z\xbc\xaf",
        "a compressed file",
        "Unpack it, or use gzip",
    ),
    (rb"\x1f\x8b", "compressed twice with gzip", "Unpack it once"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the data", "Run git lfs pull"),
    (
        rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)",
        "a web page, not a table",
        "Download the data file again",
    ),
]

_MARKS = [
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (codecs.BOM_UTF8, "UTF-8"),
]


def utf8_text(raw: bytes, name: str, encoding: str) -> bytes:
    """The text in `raw`, plain or gzip, as UTF-8; a byte order mark stays at its start.

    Raises:
        InputError: the bytes are another format, are damaged, do not decode, or hold a NUL; the message says
            where.
    """
    return b"".join(utf8_chunks(lambda: io.BytesIO(raw), name, encoding, None))


def utf8_chunks(opened: Opened, name: str, encoding: str, size: int | None) -> Iterator[bytes]:
    """`utf8_text` in chunks of about `size` bytes; all at once where that is None.

    What the chunks before a fault hold is text all the same.
    """
    with opened() as stream:
        head = stream.read(HEAD)
    if head.startswith(b"\x1f\x8b"):
        raw: Chunks = partial(_unzipped, opened, name, size)
        head = next(_unzipped(opened, name, HEAD), b"")
    else:
        raw = partial(read_chunks, opened, size)
    _refuse_foreign(head, name)
    return _text(raw, _codec(encoding, head, name), name)


def decoded(content: bytes, name: str, encoding: str, first_line: int = 1) -> bytes:
    """The text as UTF-8, proved to decode and to hold no NUL; a byte order mark stays at its start.

    `first_line` is the line on which `content` begins, where it is a part of a text.

    Raises:
        InputError: as for `utf8_text`.
    """
    codec = _codec(encoding, content[:HEAD] if first_line == 1 else b"", name)
    return b"".join(_text(lambda: iter((content,)), codec, name, first_line))


def _text(raw: Chunks, codec: str, name: str, first_line: int = 1) -> Iterator[bytes]:
    if codec in ("utf-8", "utf-8-sig"):
        return _as_utf8(_without_nul(raw, name, first_line), raw, name, first_line)
    return _without_nul(lambda: _recoded(raw(), codec, name, first_line), name, first_line)


def _unzipped(opened: Opened, name: str, size: int | None) -> Iterator[bytes]:
    """The text of all members of a gzip file, every checksum checked."""
    import gzip
    import zlib

    remedy = "Fetch the file again, or unpack it by hand."
    try:
        with opened() as packed, gzip.GzipFile(fileobj=packed) as stream:
            if size is None:
                yield gathered(cast("BinaryIO", stream), name, "unpacked, this file is")
                return
            while chunk := stream.read(size):
                yield chunk
    except EOFError as error:
        raise InputError(f"{name}: the compressed file ends early: it was cut short. {remedy}") from error
    except gzip.BadGzipFile as error:
        if str(error).startswith("Not a gzipped file"):
            raise InputError(
                f"{name}: after the compressed data come bytes that are not gzip. {remedy}"
            ) from error
        raise InputError(
            f"{name}: the compressed file is damaged: {visible(str(error))}. {remedy}"
        ) from error
    except (OSError, zlib.error) as error:
        raise InputError(
            f"{name}: the compressed file is damaged: {visible(str(error))}. {remedy}"
        ) from error


def _refuse_foreign(start: bytes, name: str) -> None:
    for sign, what, remedy in _FOREIGN:
        if re.match(sign, start):
            raise InputError(f"{name}: this is {what}. {remedy}.")
    if start[257:262] == b"ustar":
        raise InputError(f"{name}: this is a tar archive. Unpack it and name a file in it.")


def _codec(encoding: str, head: bytes, name: str) -> str:
    """The name of a codec for text, which a byte order mark at the start does not contradict."""
    try:
        codec = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise InputError(f"--encoding {visible(encoding)!r}: unknown. Use a name like latin-1.") from error
    for mark, marked in _MARKS:
        if head.startswith(mark):
            if not codec.startswith(marked.lower()):
                raise InputError(
                    f"{name}: a byte order mark says that this file is {marked}, not {codec}. "
                    f"Add --encoding {marked.lower()}."
                )
            break
    return codec


def _recoded(chunks: Iterable[bytes], codec: str, name: str, first_line: int) -> Iterator[bytes]:
    """Chunks of text in another encoding as UTF-8."""
    decoder, lines = None, first_line - 1
    for chunk, last in ended(chunks):
        require(_DECODING * len(chunk), f"{name}: decoding {shown_size(len(chunk))} as {codec}")
        try:
            if decoder is None and last:
                text = chunk.decode(codec)
            else:
                io.TextIOWrapper(io.BytesIO(), codec)  # refuses a codec that is not one of text
                decoder = decoder or codecs.getincrementaldecoder(codec)()
                text = decoder.decode(chunk, last)
            content = text.encode("utf-8")
        except UnicodeDecodeError as error:
            given = error.object
            line = lines + line_at(given, error.start)
            if codec.startswith(("utf-16", "utf-32")):
                line = lines + 1 + given[: error.start].decode(codec, errors="ignore").count("\n")
            raise InputError(
                f"{name}:{line}: byte 0x{given[error.start]:02x} on line {line} is not {codec}. "
                "Name the file's encoding with --encoding."
            ) from error
        except (UnicodeError, LookupError) as error:
            raise InputError(
                f"{name}: the text cannot be decoded as {codec}. Choose another --encoding."
            ) from error
        lines += content.count(b"\n")
        yield content


def _as_utf8(chunks: Iterable[bytes], again: Chunks, name: str, first_line: int) -> Iterator[bytes]:
    """The chunks themselves, but for characters that a border divides, once it is proved that they decode."""
    rest, offset = b"", 0
    for chunk, last in ended(chunks):
        content = rest + chunk if rest else chunk
        end = len(content) if content.isascii() else _proved(content, last, again, offset, name, first_line)
        rest = content[end:]
        offset += end
        if content:
            yield content[:end]


def _proved(content: bytes, last: bool, again: Chunks, offset: int, name: str, first_line: int) -> int:
    """How many of the bytes from `offset` on are whole characters."""
    view, position = memoryview(content), 0
    while position < len(view):
        piece = view[position : position + _PIECE]
        ends = position + len(piece) == len(view)
        try:
            position += codecs.utf_8_decode(piece, "strict", ends and last)[1]
        except UnicodeDecodeError as error:
            position += error.start
            line = _line_of(again(), offset + position, first_line)
            raise InputError(
                f"{name}:{line}: byte 0x{content[position]:02x} on line {line} is not UTF-8. Name the file's "
                "encoding, for instance --encoding latin-1 or --encoding cp1252."
            ) from error
        if ends:
            break
    return position


def _without_nul(again: Chunks, name: str, first_line: int) -> Iterator[bytes]:
    """The chunks as they are, once it is proved that they hold no NUL."""
    offset = 0
    for chunk in again():
        at = chunk.find(b"\0")
        if at >= 0:
            raise _nul(again, offset + at, name, first_line)
        offset += len(chunk)
        yield chunk


def _nul(again: Chunks, position: int, name: str, first_line: int) -> InputError:
    line, offset = _line_of(again(), position, first_line), 0
    for chunk in again():
        rest = np.frombuffer(chunk, dtype=np.uint8)[max(0, position - offset) :]
        offset += len(chunk)
        if rest.any():
            return InputError(
                f"{name}:{line}: a NUL byte on line {line}: this is not plain text. Fetch the file again; if it is "
                "UTF-16, add --encoding utf-16-le (or utf-16-be)."
            )
    return InputError(
        f"{name}:{line}: NUL bytes from line {line} to the end of the file, as after a crash or a broken copy. "
        "Fetch the file again, or cut them off."
    )


def _line_of(chunks: Iterable[bytes], position: int, line: int) -> int:
    """`line_at` of a text that begins on `line`, and is read once more for it, up to `position`."""
    held = b""
    for chunk in chunks:
        content = held + chunk[:position]
        position -= len(chunk)
        # A CR at a border may be half of a line end.
        held = b"\r" if content.endswith(b"\r") and position > 0 else b""
        line += line_at(content, len(content) - len(held)) - 1
        if position <= 0:
            break
    return line

"""From the bytes of a file to text in UTF-8, proved to decode, or a sentence on what they are instead.

bytes -> unzipped -> no foreign format -> decoded -> no NUL

Nothing is read or unpacked beyond what memory can hold: a file that unpacks without end stops early.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import sys
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from oddsmith.data.memory import require, shown_size, spare_address_space
from oddsmith.data.scan import line_at
from oddsmith.errors import InputError, visible

_PIECE = 1 << 20
_TO_COME = 2
"""Bytes of memory that each byte of text will ask for at least, beside itself."""
_DECODING = 5
"""As many while it is decoded: characters of up to four bytes, and again as UTF-8."""

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


def read_bytes(path: str | Path, name: str) -> bytes:
    """The bytes of a file, or of standard input for "-".

    Raises:
        InputError: there is no such file, it cannot be read, or is too large for the memory there is;
            messages call it `name`.
    """
    spare_address_space()
    try:
        if str(path) == "-":
            return _gathered(sys.stdin.buffer, name)
        with Path(path).open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not (stat.S_ISREG(status.st_mode) and status.st_size):
                return _gathered(stream, name)
            size = status.st_size
            require((1 + _TO_COME) * size, f"{name}: reading {shown_size(size)}")
            return stream.read()
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


def _gathered(stream: BinaryIO, name: str, *, unpacked: bool = False) -> bytes:
    """All that a stream gives whose size nobody knows; it stops where memory could not hold the table."""
    content = io.BytesIO()
    while piece := stream.read(_PIECE):
        if unpacked and not content.tell():
            _refuse_foreign(piece, name)
        content.write(piece)
        size = content.tell()
        what = "unpacked, this file is" if unpacked else "this is"
        require(_TO_COME * size, f"{name}: {what} larger than {shown_size(size)}, and reading it")
    return content.getvalue()


def utf8_text(raw: bytes, name: str, encoding: str) -> bytes:
    """The text in `raw`, plain or gzip, as UTF-8; a byte order mark stays at its start.

    Raises:
        InputError: the bytes are another format, are damaged, do not decode, or hold a NUL; the message says
            where.
    """
    content = _unzipped(raw, name) if raw.startswith(b"\x1f\x8b") else raw
    _refuse_foreign(content, name)
    return decoded(content, name, encoding)


def _unzipped(raw: bytes, name: str) -> bytes:
    """The text of all members of a gzip file, every checksum checked."""
    import gzip
    import zlib

    remedy = "Fetch the file again, or unpack it by hand."
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            return _gathered(cast("BinaryIO", stream), name, unpacked=True)
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


def _refuse_foreign(content: bytes, name: str) -> None:
    start = content[:512]
    for sign, what, remedy in _FOREIGN:
        if re.match(sign, start):
            raise InputError(f"{name}: this is {what}. {remedy}.")
    if content[257:262] == b"ustar":
        raise InputError(f"{name}: this is a tar archive. Unpack it and name a file in it.")


def decoded(content: bytes, name: str, encoding: str, first_line: int = 1) -> bytes:
    """The text as UTF-8, proved to decode and to hold no NUL; a byte order mark stays at its start.

    `first_line` is the line on which `content` begins, where it is a part of a text.

    Raises:
        InputError: as for `utf8_text`.
    """
    try:
        codec = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise InputError(f"--encoding {visible(encoding)!r}: unknown. Use a name like latin-1.") from error
    for mark, marked in _MARKS if first_line == 1 else ():
        if content.startswith(mark):
            if not codec.startswith(marked.lower()):
                raise InputError(
                    f"{name}: a byte order mark says that this file is {marked}, not {codec}. "
                    f"Add --encoding {marked.lower()}."
                )
            break
    if codec in ("utf-8", "utf-8-sig"):
        _refuse_nul(content, name, first_line)
        _refuse_other_than_utf8(content, name, first_line)
        return content
    require(_DECODING * len(content), f"{name}: decoding {shown_size(len(content))} as {codec}")
    try:
        text = content.decode(codec).encode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line - 1 + line_at(content, error.start)
        if codec.startswith(("utf-16", "utf-32")):
            line = first_line + content[: error.start].decode(codec, errors="ignore").count("\n")
        raise InputError(
            f"{name}:{line}: byte 0x{content[error.start]:02x} on line {line} is not {codec}. "
            "Name the file's encoding with --encoding."
        ) from error
    except (UnicodeError, LookupError) as error:
        raise InputError(
            f"{name}: the text cannot be decoded as {codec}. Choose another --encoding."
        ) from error
    _refuse_nul(text, name, first_line)
    return text


def _refuse_other_than_utf8(content: bytes, name: str, first_line: int) -> None:
    if content.isascii():
        return
    view, position = memoryview(content), 0
    while position < len(view):
        piece = view[position : position + _PIECE]
        try:
            position += codecs.utf_8_decode(piece, "strict", position + len(piece) == len(view))[1]
        except UnicodeDecodeError as error:
            position += error.start
            line = first_line - 1 + line_at(content, position)
            raise InputError(
                f"{name}:{line}: byte 0x{content[position]:02x} on line {line} is not UTF-8. Name the file's "
                "encoding, for instance --encoding latin-1 or --encoding cp1252."
            ) from error


def _refuse_nul(text: bytes, name: str, first_line: int) -> None:
    position = text.find(b"\0")
    if position < 0:
        return
    line = first_line - 1 + line_at(text, position)
    if not np.frombuffer(text, dtype=np.uint8, offset=position).any():
        raise InputError(
            f"{name}:{line}: NUL bytes from line {line} to the end of the file, as after a crash or a broken copy. "
            "Fetch the file again, or cut them off."
        )
    raise InputError(
        f"{name}:{line}: a NUL byte on line {line}: this is not plain text. Fetch the file again; if it is "
        "UTF-16, add --encoding utf-16-le (or utf-16-be)."
    )

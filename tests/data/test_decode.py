"""Bytes become text only where every byte decodes, and no more of them than memory can hold."""

import gzip
import io
import random
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddsmith.data import decode, memory
from oddsmith.data.content import read_bytes
from oddsmith.data.decode import utf8_text
from oddsmith.errors import InputError


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10e6)


class Endless(io.RawIOBase):
    """A stream that never ends, and remembers how much of it was read."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "read to its end, which it has not"
        self.given += size
        return b"1,2\n" * (size // 4)


BYTES = st.one_of(
    st.text().map(str.encode),
    st.lists(
        st.sampled_from([b"a", b"\n", "é".encode(), "€".encode(), "😀".encode(), b"\xff", b"\xe2\x82"])
    ).map(b"".join),
)


@given(BYTES)
def test_utf8_is_checked_piece_by_piece_as_at_once(content):
    content = b"xy" + content.replace(b"\0", b"").replace(b"\r", b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "_PIECE", 5)
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = 1 + content.count(b"\n", 0, error.start)
            with pytest.raises(InputError, match=f"^t.csv:{line}: byte 0x{content[error.start]:02x} on line"):
                utf8_text(content, "t.csv", "utf-8")
        else:
            assert utf8_text(content, "t.csv", "utf-8") is content


def test_a_character_that_the_end_of_the_file_cuts_off_is_refused():
    with pytest.raises(InputError, match=r"t.csv:2: byte 0xe2 on line 2 is not UTF-8"):
        utf8_text("a\n€".encode()[:-1], "t.csv", "utf-8")


def test_a_stream_without_end_is_refused_early(monkeypatch, little_memory):
    stream = Endless()
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": stream}))
    with pytest.raises(InputError) as refusal:
        read_bytes("-", "standard input")
    assert str(refusal.value) == (
        "standard input: this is larger than 5 MB, and reading it needs about 11 MB of memory; 10 MB are available. "
        "Keep fewer rows or columns, or use a machine with more memory."
    )
    assert stream.given < 10e6


def test_a_device_without_end_is_refused_early(little_memory):
    with pytest.raises(InputError, match=r"^/dev/zero: this is larger than 5 MB"):
        read_bytes("/dev/zero", "/dev/zero")


def test_a_file_beyond_memory_is_refused_unread(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as stream:
        stream.truncate(1 << 42)
    with pytest.raises(InputError, match=r"huge.csv: reading 4,398.0 GB needs about 13,194.2 GB of memory; "):
        read_bytes(path, "huge.csv")


def test_a_stream_gives_what_a_file_gives(monkeypatch, tmp_path):
    content = b"a,b\n" * 700_000
    (tmp_path / "t.csv").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(content)}))
    assert read_bytes("-", "standard input") == read_bytes(tmp_path / "t.csv", "t.csv") == content


@pytest.mark.parametrize("members", [1, 50])
def test_a_bomb_is_refused_long_before_it_is_unpacked(little_memory, monkeypatch, members):
    bomb = gzip.compress(b"0.5,1\n" * (400_000 // members)) * members * 40
    unpacked = 0
    plain = gzip.GzipFile.read

    def counting(self: gzip.GzipFile, size: int = -1) -> bytes:
        nonlocal unpacked
        piece = plain(self, size)
        unpacked += len(piece)
        return piece

    monkeypatch.setattr(gzip.GzipFile, "read", counting)
    with pytest.raises(
        InputError, match=r"bomb.gz: unpacked, this file is larger than \d MB, and reading it needs"
    ):
        utf8_text(bomb, "bomb.gz", "utf-8")
    assert unpacked < 10e6
    assert len(zlib.decompress(bomb, 31)) * (40 if members == 1 else 2000) > 80e6


def test_gzip_within_gzip_is_refused_by_its_first_bytes():
    outer = gzip.compress(gzip.compress(b"a,b\n" * 1000) + random.Random(0).randbytes(4 << 20))
    with pytest.raises(InputError, match=r"t.gz: this is compressed twice with gzip. Unpack it once."):
        utf8_text(outer[: len(outer) // 2], "t.gz", "utf-8")


def test_decoding_asks_for_memory_first(little_memory):
    with pytest.raises(InputError, match=r"^t.csv: decoding 3 MB as iso8859-1 needs about 15 MB of memory"):
        utf8_text(b"abc" * 1_000_000, "t.csv", "latin-1")


@given(
    st.text(alphabet="é\nab😀", max_size=30), st.sampled_from(["utf-16", "utf-32-be", "utf-8-sig", "cp1252"])
)
def test_other_encodings_become_utf8(text, codec):
    text = "x" + text if codec != "cp1252" else "x" + text.replace("😀", "")
    assert utf8_text(text.encode(codec), "t.csv", codec).decode("utf-8-sig") == text


def test_a_codec_that_only_decodes_strictly_is_refused_in_a_sentence():
    with pytest.raises(
        InputError,
        match=r"^rows\.csv(:3: byte 0xff on line 3 is not idna|: the text cannot be decoded as idna)",
    ):
        utf8_text(b"x1,y\n1,0\n\xff,1\n", "rows.csv", "idna")

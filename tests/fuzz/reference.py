"""A slow reader of delimited text, to judge the quick one by: Python's csv module, and rules in plain sight.

    bytes -> unzipped -> decoded -> regular (RFC 4180) -> records -> no blank lines -> one width -> names

`expected` gives the names and cells that a person sees. `Refused` says that the text must be refused, or, with
`certain=False`, that it may be: a first line that looks like another format or another dialect.
"""

import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass

from oddsmith.data.read import Reading

csv.field_size_limit(1 << 30)
DELIMITERS = {"comma": ",", "semicolon": ";", "space": " ", "tab": "\t", "\\t": "\t"}
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8"}
FOREIGN = re.compile(
    rb"PK|\xd0\xcf\x11\xe0|PAR1|ARROW1|SQLite format 3|\x89PNG|\xff\xd8\xff|GIF8|%PDF-|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"
    rb"|7z\xbc\xaf|\x1f\x8b|version https://git-lfs|(?i:(\xef\xbb\xbf)?\s*<)"
)
OTHER_DELIMITERS = set("\t;|,")


@dataclass
class Refused(Exception):  # noqa: N818 - a verdict, and no error of the program
    """The text must be refused; `certain=False`: it may be read as well."""

    why: str
    certain: bool = True


@dataclass
class Expected:
    """The table in a text: its cells, an empty one as None, and how many physical lines the text has."""

    names: list[str]
    rows: list[list[str | None]]
    n_lines: int


def dialect(reading: Reading) -> tuple[str, str]:
    """Delimiter and quote, one character each, the quote empty where there is none."""
    delimiter = DELIMITERS.get(reading.delimiter, reading.delimiter)
    quote = "" if reading.quote == "none" else reading.quote
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in "\r\n\0":
        raise Refused("no delimiter")
    if len(quote) > 1 or not quote.isascii() or (quote and quote in "\r\n\0 \t") or quote == delimiter:
        raise Refused("no quote")
    return delimiter, quote


def decoded(raw: bytes, encoding: str) -> str:
    """The text, without its byte order mark."""
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            raise Refused("damaged gzip") from None
    if FOREIGN.match(raw) or raw[257:262] == b"ustar":
        raise Refused("another format", certain=False)
    try:
        text = raw.decode(encoding)
    except (UnicodeError, LookupError, ValueError):
        raise Refused("does not decode") from None
    for mark, family in MARKS.items():
        if raw.startswith(mark) and not encoding.startswith(family):
            raise Refused("a mark of another encoding", certain=False)
    if encoding in ("utf-16", "utf-8-sig") and text.startswith("\ufeff"):
        raise Refused("two marks", certain=False)
    text = text.removeprefix("\ufeff")
    if text.startswith("\ufeff"):
        raise Refused("two marks")
    if "\0" in text:
        raise Refused("NUL")
    return text


def expected(raw: bytes, reading: Reading) -> Expected:
    """The table that `raw` holds.

    Raises:
        Refused: it holds none.
    """
    delimiter, quote = dialect(reading)
    text = decoded(raw, reading.encoding)
    n_lines = 1 + len(re.findall(r"\r\n|\r|\n", text))
    blanks = " \t" if reading.strip else ""
    first = next((line.strip(blanks) for line in re.split(r"[\r\n]+", text) if line.strip(blanks)), "")
    if re.match(r'"?sep=.', first, re.IGNORECASE):
        raise Refused("sep=", certain=False)
    records = stripped(text, delimiter, quote) if reading.strip else plain(text, delimiter, quote)
    if not records:
        raise Refused("empty")
    width = len(records[0])
    if any(len(record) != width for record in records):
        raise Refused("ragged")
    may_be_other = width == 1 and OTHER_DELIMITERS - {delimiter} & set(first)
    names, rows = [f"column_{place}" for place in range(1, width + 1)], records
    if reading.header:
        names, *rows = records
        while width and not names[width - 1] and not any(row[width - 1] for row in rows):
            width -= 1
        names = names[:width]
        if not names or not all(name.strip() for name in names) or len(set(names)) < width:
            raise Refused("names")
    if may_be_other:
        raise Refused("another delimiter", certain=False)
    return Expected(names, [[cell or None for cell in row[:width]] for row in rows], n_lines)


def plain(text: str, delimiter: str, quote: str) -> list[list[str]]:
    """Records of a regular text, by the csv module."""
    grammatical(text, delimiter, quote)
    options = {"quotechar": quote, "strict": True} if quote else {"quoting": csv.QUOTE_NONE}
    try:
        found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **options))
    except csv.Error as error:
        raise Refused(str(error)) from None
    return [record for record in found if record]


def stripped(text: str, delimiter: str, quote: str) -> list[list[str]]:
    """Records without blanks around cells; between cells that a space divides, a run of blanks is one space."""
    if delimiter == " ":
        records = grammatical(single_spaces(text, quote), delimiter, quote)
    else:
        records = grammatical(text, delimiter, quote, blanks="[ ]*" if delimiter == "\t" else "[ \t]*")
    return [[cell.strip(" \t") for cell in record] for record in records]


def grammatical(text: str, delimiter: str, quote: str, blanks: str = "") -> list[list[str]]:
    """Records by the grammar of RFC 4180: a cell is bare and without a quote, or quoted as a whole."""
    d, q = re.escape(delimiter), re.escape(quote)
    quoted = rf"{blanks}{q}((?:[^{q}]|{q}{q})*){q}{blanks}|" if quote else "(?!)()|"
    cell = re.compile(rf"{quoted}({blanks}[^{d}{q}\r\n]*)")
    end = re.compile(rf"({d})|\r\n|\r|\n|\Z")
    records: list[list[str]] = [[]]
    place = 0
    while True:
        found = cell.match(text, place)
        ended = end.match(text, found.end())
        if ended is None:
            raise Refused(f"a quote at {found.end()}")
        content = found[2] if found[1] is None else found[1].replace(quote * 2, quote)
        records[-1].append(content)
        place = ended.end()
        if ended[1] is None:
            if found[1] is None and len(records[-1]) == 1 and not content.strip(" \t" if blanks else ""):
                records.pop()
            if place == len(text):
                return records
            records.append([])


def single_spaces(text: str, quote: str) -> str:
    """Outside quotes: no blanks at the ends of a line, and one space for each run of blanks that holds one."""
    q = re.escape(quote)
    parts = re.split(rf"({q}[^{q}]*(?:{q}|\Z))", text) if quote else [text]
    text = "".join(part if k % 2 == 0 else f"\0{k}\0" for k, part in enumerate(parts))
    text = re.sub(r"[ \t]+(?=[\r\n]|\Z)", "", re.sub(r"(\A|(?<=[\r\n]))[ \t]+", "", text))
    return re.sub(r"\0(\d+)\0", lambda found: parts[int(found[1])], re.sub(r"[ \t]* [ \t]*", " ", text))

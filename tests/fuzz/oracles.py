"""What must hold whatever comes in: each oracle takes hostile input and raises where a promise is broken.

Property tests and `fuzz/` call the same ones. An `InputError` is an answer, if it is one short sentence or two
that a terminal can show; any other exception is a fault.
"""

import io
import math
import re
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

from oddsmith.data.cells import BLANKS, DEFAULT_MISSING, MissingMarkers, exact_number, numbers
from oddsmith.data.encoding import NumericColumn, cell_reader
from oddsmith.data.native import as_table
from oddsmith.data.read import read_table
from oddsmith.data.target import TargetOptions, read_target
from oddsmith.errors import DataWarning, InputError
from oddsmith.model import Model, load

from .reference import Refused, expected

LONGEST = 600
"""Characters of a message, beside the file's name."""


class Broken(AssertionError):  # noqa: N818 - what is broken is a promise
    """A promise that does not hold."""


def require(holds, what):
    """Raise Broken, whatever flags Python runs with."""
    if not holds:
        raise Broken(what)


def check_message(error, name=""):
    """An InputError's text is short, printable and on one line."""
    message = str(error)
    require(message.isprintable(), f"a message that steers a terminal: {message!r}")
    require(len(message.replace(name, "")) <= LONGEST, f"a long message: {message!r}")
    require(message.endswith((".", "?", ")")), f"a message without an end: {message!r}")


def check_table(raw, reading, path):
    """`read_table` gives exactly the cells of the slow reader, or refuses; and it refuses what that refuses.

    Where the format is not said, content may say that it is another one: then there is nothing to compare.
    """
    Path(path).write_bytes(raw)
    try:
        found = read_table(path, reading)
    except InputError as error:
        check_message(error, str(path))
        found, refusal = None, str(error)
    if reading.format != "csv":
        return
    try:
        truth = expected(raw, reading)
    except Refused as refused:
        require(
            found is None or not refused.certain,
            f"read, though it must not be ({refused.why}): {found and found.frame.rows()!r}",
        )
        return
    if found is None:
        line = re.match(rf"{re.escape(str(path))}:(\d+)", refusal)
        require(
            line is None or 1 <= int(line[1]) <= truth.n_lines,
            f"a line that is not there ({truth.n_lines} are): {refusal}",
        )
        raise Broken(f"refused, though it is a table: {refusal}")
    frame = found.frame
    require(frame.columns == truth.names, f"columns {frame.columns!r}, not {truth.names!r}")
    cells = [list(row) for row in frame.rows()]
    require(cells == truth.rows, f"cells {cells!r}, not {truth.rows!r}")
    for row in {0, frame.height // 2, frame.height - 1} & set(range(frame.height)):
        place = re.fullmatch(r".*:(\d+):(\d+)", found.place(row, frame.columns[-1]))
        require(
            place is not None and 1 <= int(place[1]) <= truth.n_lines and int(place[2]) == frame.width,
            f"row {row} of {truth.n_lines} lines is at {found.place(row, frame.columns[-1])}",
        )


_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


def number_of(cell):
    """The double that a cell is by the documented grammar: "missing", None for a text, or the number."""
    bare = "".join(cell).strip(BLANKS)
    if cell in DEFAULT_MISSING or bare in DEFAULT_MISSING:
        return "missing"
    return float(bare) if _NUMBER.fullmatch(bare) else None


def check_cells(cells):
    """A column of texts is read as numbers by Python's own `float`, and by nothing else; alike one cell alone."""
    found = numbers(pl.Series("x", cells, dtype=pl.String), frozenset(DEFAULT_MISSING))
    truth = [number_of(cell) for cell in cells]
    for row, (cell, expected_value, value) in enumerate(
        zip(cells, truth, found.values.to_list(), strict=True)
    ):
        same = value is None if expected_value in (None, "missing") else _same(value, expected_value)
        require(same, f"{cell!r} is {expected_value!r}, and was read as {value!r}")
        require(
            (found.first_text == row) == (None in truth and truth.index(None) == row),
            f"the first text is at {found.first_text}",
        )
    require(
        (found.n_cells, found.n_numbers)
        == (sum(value != "missing" for value in truth), sum(isinstance(value, float) for value in truth)),
        f"{found.n_cells} cells, {found.n_numbers} numbers in {cells!r}",
    )
    read = cell_reader(NumericColumn("x", 0.5, 1.0), frozenset(DEFAULT_MISSING))
    for cell, expected_value in zip(cells, truth, strict=True):
        try:
            alone = read(cell)[0][1]
        except InputError as error:
            check_message(error)
            alone = None
        if expected_value is None or expected_value in (math.inf, -math.inf):
            require(alone is None, f"{cell!r} alone is {alone!r}")
        else:
            wanted = 0.5 if expected_value == "missing" else expected_value
            require(alone is not None and _same(alone, wanted), f"{cell!r} alone is {alone!r}")
        exact = exact_number(cell)
        require(
            exact is None or exact == Decimal(cell),
            f"{cell!r} is not exactly {exact!r}",
        )


def _same(a, b):
    return a == b and math.copysign(1.0, a) == math.copysign(1.0, b)


EXPRESSION_ROWS = {
    "a": ["1", "2.5", None, "-3", "0", "7"],
    "b": ["x", "y", "", "x'", 'y"', "\N{SNOWMAN}"],
    "flag": ["true", "false", "true", None, "false", "true"],
    "A B": ["1", "0", "1", "0", "1", "1"],
    "select": ["10", "20", "30", "40", "50", "60"],
    "\x1b[2J": ["p", "q", "p", "q", "p", "q"],
}
_FORBIDDEN = {
    "open",
    "os.system",
    "subprocess.Popen",
    "socket.connect",
    "socket.getaddrinfo",
    "ctypes.dlopen",
}
_forbidden_now = []
_listening = False


def _hook(event, arguments):
    asks_for_memory = event == "open" and str(arguments[0]).startswith(("/proc/", "/sys/fs/cgroup/"))
    if _listening and event in _FORBIDDEN and not (asks_for_memory and arguments[1] == "r"):
        _forbidden_now.append((event, arguments))


@contextmanager
def nothing_is_run():
    """Raise Broken if the block opens a file, a process or a connection."""
    global _listening
    if not getattr(sys, "_oddsmith_oracle", False):
        sys.addaudithook(_hook)
        sys._oddsmith_oracle = True
    _forbidden_now.clear()
    _listening = True
    try:
        yield
    finally:
        _listening = False
    require(not _forbidden_now, f"this was done: {_forbidden_now!r}")


def check_expression(target):
    """A target is refused, or gives labels that do not depend on the order of the rows; and nothing is run."""
    markers = MissingMarkers.from_options((), ())

    def outcome(rows):
        try:
            return read_target(as_table(rows), TargetOptions(target), markers)
        except InputError as error:
            check_message(error)
            return str(error)

    outcome(EXPRESSION_ROWS)  # modules that an error's path needs are loaded by now
    with nothing_is_run():
        found = outcome(EXPRESSION_ROWS)
    backwards = outcome({name: cells[::-1] for name, cells in EXPRESSION_ROWS.items()})
    require(
        isinstance(found, str) == isinstance(backwards, str),
        f"{found!r}, and backwards {backwards!r}",
    )
    if not isinstance(found, str):
        require(found.classes == backwards.classes, f"{found.classes}, backwards {backwards.classes}")
        require(found.codes.tolist() == backwards.codes.tolist()[::-1], "labels depend on other rows")
        require(set(found.codes.tolist()) <= {-1, *range(len(found.classes))}, "a code of no class")


def check_model(raw, path, rows):
    """A model file is refused, or works whole: it predicts, explains, draws its card, and is saved as it was."""
    from rich.console import Console

    from oddsmith.report.card import draw_card

    Path(path).write_bytes(raw)
    try:
        model = load(path)
    except InputError as error:
        check_message(error, str(path))
        return None
    predictions(model, rows)
    out = io.StringIO()
    draw_card(model, Console(file=out, width=100), coefficients=True)
    check_shown(out.getvalue())
    again = Path(f"{path}.again")
    model.save(again)
    if model.record.digest == load(again).record.digest:
        return model
    raise Broken("what was saved is another model")


def predictions(model: Model, rows):
    """Probabilities and labels of the rows, or the sentence that refuses them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            proba, labels = model.predict_proba(rows), model.predict(rows)
            model.explain(rows)
        except InputError as error:
            check_message(error)
            return str(error)
    require(np.isfinite(proba).all(), "a probability that is no number")
    require(np.allclose(proba.sum(axis=1), 1.0, rtol=1e-9), "probabilities that do not add up to 1")
    return proba.tolist(), labels.tolist()


def check_shown(text):
    """What is drawn for a person: printable lines."""
    strange = next((line for line in text.split("\n") if not line.isprintable()), None)
    require(strange is None, f"this steers a terminal: {strange!r}")


def run(arguments):
    """A command line in this process: (exit code, standard output, standard error)."""
    from oddsmith.cli import main

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    err = io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
    out.flush()
    return code, out.buffer.getvalue().decode("utf-8"), err.getvalue()


def check_command(arguments, *, shown=True):
    """A command ends with 0 or 2, and neither its messages nor what it shows can steer a terminal."""
    code, out, err = run(arguments)
    require(code in (0, 2), f"{arguments!r} ended with {code}: {err}")
    require("Traceback" not in err, f"{arguments!r}: {err}")
    require(code != 2 or len(err) <= 2 * LONGEST, f"{arguments!r}: {err}")
    check_shown(err)
    if shown:
        check_shown(out)
    return code, out, err

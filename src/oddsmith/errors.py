"""What can go wrong, said to a person: place, cause, remedy.

`InputError` is the only exception that bad input raises. A face prints its message and leaves with
exit code 2; in Python it is an ordinary `ValueError`.
"""


class InputError(ValueError):
    """Input that cannot be used: a file, a table, a column, an option or a model file.

    The message is one sentence or two: `file:line:column: what is wrong. How to mend it.`
    """


class FitWarning(UserWarning):
    """A fit that ended, but whose coefficients are not an optimum; the message is its status."""


class DataWarning(UserWarning):
    """Rows that were used, though something about them deserves a look."""


def visible(text: str, limit: int = 60) -> str:
    r"""Text from outside as a message may show it: on one line, unable to steer a terminal, at most `limit` long.

    Control characters, escape sequences, line ends, bidirectional and zero-width marks are written out
    (`\x1b`, `\n`, `\u202e`); what goes beyond `limit` characters is replaced by an ellipsis.
    """
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 row", "1,600 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def figure(value: float | None) -> str:
    """Four significant digits, and never fewer than its whole part has, up to a thousand million."""
    if value is None:
        return "-"
    size = abs(value)
    if size < 1e15 and value == int(value):
        return f"{value:,.0f}"
    if not 1e-4 <= size < 1e9:
        return f"{value:.3e}"
    return f"{value:,.{max(0, 3 - _exponent(size))}f}"


def _exponent(size: float) -> int:
    return int(f"{size:.3e}".partition("e")[2])

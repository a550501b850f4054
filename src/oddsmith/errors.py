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

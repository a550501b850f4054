"""The command line: one file a verb, and one place where outcomes become exit codes.

    0 fine    1 a check failed    2 usage, input or surroundings    101 our bug
    130 interrupted (Ctrl-C)    143 terminated (SIGTERM)    129 the terminal has gone (SIGHUP)

Data goes to standard output, messages to standard error. This module loads next to nothing, so that what it
promises about signals and sentences holds while everything else is still loading.
"""

from __future__ import annotations

import os
import sys

from oddsmith.errors import InputError, visible
from oddsmith.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

BUG, INTERRUPTED, USAGE = 101, 130, 2
_ALLOCATIONS = 200_000
"""Objects, more than were freed, between two looks for cycles among them."""

_FAREWELLS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal has gone"}
_farewell_of: dict[int, str] = {}


class ReaderGoneError(Exception):
    """Nobody reads standard output any more, as after `head`; no OSError, since rich and click act on those."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command line and leave with its exit code; from here on the process is the program's."""
    sys.exit(_outcome(sys.argv[1:] if arguments is None else arguments, own_process=True))


def program() -> NoReturn:
    """`main` for a process that ends with it: the system takes back what Python and libraries would take apart.

    So Python looks for cycles of dead objects seldom: what is loaded would be gone through again and again.
    """
    import gc

    gc.set_threshold(_ALLOCATIONS)
    try:
        main()
    except SystemExit as left:
        sys.stderr.flush()
        os._exit(left.code if isinstance(left.code, int) else USAGE)


def _leave_on_signals() -> None:
    """Leave at once from wherever the program is: an exception might surface where it is only printed.

    A signal that is ignored already (nohup, jobs in the background) stays so, and all of them are ignored as
    soon as Python begins to take itself apart, when the outcome is settled.
    """
    import atexit
    import signal

    for name, farewell in _FAREWELLS.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            _farewell_of[number] = farewell
            signal.signal(number, _leave)
            atexit.register(signal.signal, number, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    try:
        # Nothing is imported here: the signal may have come in the middle of an import.
        discard_unfinished = getattr(sys.modules.get("oddsmith.files"), "discard_unfinished", None)
        if discard_unfinished is not None:
            discard_unfinished()
        # On a terminal a progress bar may have hidden the cursor.
        cursor = "\r\x1b[2K\x1b[?25h" if os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb" else ""
        os.write(2, f"{cursor}oddsmith: {_farewell_of[number]}.\n".encode("ascii"))
    finally:
        os._exit(128 + number)


def _outcome(arguments: list[str], *, own_process: bool = False) -> int:
    """Run a command line; whatever happens becomes an exit code and at most one message."""
    try:
        return _run(arguments, own_process=own_process)
    except BaseException as error:
        # Panics of libraries written in Rust are no Exceptions.
        code = _said(error, verbose="-v" in arguments or "--verbose" in arguments)
        _silence_unless_it_flushes()
        return code


def _run(arguments: list[str], *, own_process: bool) -> int:
    if own_process:
        _leave_on_signals()
        from oddsmith.cli.streams import prepare_streams

        prepare_streams()
    from oddsmith.cli.verbs import run

    code = run(arguments)
    sys.stdout.flush()
    return code


def _said(error: BaseException, *, verbose: bool) -> int:
    """Say in a sentence what happened; returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else USAGE
    if isinstance(error, (ReaderGoneError, BrokenPipeError)):
        return 0
    if isinstance(error, KeyboardInterrupt):
        _complain(f"{_FAREWELLS['SIGINT']}.")
        return INTERRUPTED
    sentence = str(error) if isinstance(error, InputError) else _about_surroundings(error)
    if sentence is not None:
        _complain(sentence)
        return USAGE
    if verbose:
        import traceback

        traceback.print_exception(error)
    _complain(
        f"this is a bug in oddsmith, not in your data: {type(error).__name__}: {visible(str(error), 300)}\n"
        f"Please report it with the command and its output when -v is added (oddsmith {__version__})."
    )
    return BUG


def _about_surroundings(error: BaseException) -> str | None:
    """What the machine refuses, in a sentence; None where the error is about something else."""
    cause = visible(str(error).partition("\n")[0] or type(error).__name__, 200)
    if isinstance(error, MemoryError):
        detail = "" if cause == "MemoryError" else f" ({cause})"
        return f"not enough memory{detail}. Use fewer rows or columns, or a machine with more."
    if isinstance(error, RecursionError):
        return "the input is nested too deeply. Make it simpler."
    if _while_loading_a_library(error):
        return (
            f"a library cannot be loaded: {type(error).__name__}: {cause}. "
            f"Look at memory and limits (ulimit -a), or install oddsmith again."
        )
    if type(error).__name__ == "PanicException" and ("os error" in str(error) or "Os {" in str(error)):
        return f"the system refuses what a library needs: {cause}. Look at memory and limits (ulimit -a)."
    if isinstance(error, OSError):
        place = visible(str(error.filename), 200) if error.filename else "the system refuses"
        return f"{place}: {visible((error.strerror or str(error)).lower(), 200)}."
    if isinstance(error, RuntimeError) and "start new thread" in cause:
        return "no more threads can be started. Look at the limits on processes (ulimit -u)."
    if isinstance(error, UnicodeEncodeError) and error.object[error.start] in map(chr, range(0xDC80, 0xDD00)):
        return "an argument is not text in UTF-8, as everything but names of files has to be."
    return None


def _while_loading_a_library(error: BaseException) -> bool:
    """Whether other people's modules were being loaded, or a file of ours was not there to be loaded."""
    foreign = not (getattr(error, "name", None) or "").startswith("oddsmith")
    if isinstance(error, ModuleNotFoundError) or (isinstance(error, ImportError) and foreign):
        return True
    here, filename, frame = os.path.dirname(os.path.dirname(__file__)), "", error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        filename = code.co_filename
        if code.co_name == "<module>" and not filename.startswith(here):
            return True
        frame = frame.tb_next
    return filename.startswith("<frozen importlib")


def _silence_unless_it_flushes() -> None:
    """Let what cannot be written go nowhere, so that leaving does not fail once more."""
    try:
        sys.stdout.flush()
    except Exception:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"oddsmith: {message}\n")
        sys.stderr.flush()

"""A file is either the old one or the new one, never a third state.

`write_atomically` writes a temporary file in the same folder, forces it to disk, renames it over the
target and forces the folder's entry to disk.
"""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from oddsmith.errors import InputError, visible


def write_atomically(path: str | Path, content: bytes) -> None:
    """Replace the file at `path` by `content`, or leave it as it was.

    Permissions of an existing file are kept; a link is followed, so that it still points at the file. A
    device or a pipe cannot be replaced, and is written to.

    Raises:
        InputError: the file cannot be written; the message names it and the cause.
    """
    temporary: str | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        if os.path.exists(path) and not os.path.isfile(path):
            # A terminal, a pipe or /dev/null: something that is written to, and must not be replaced.
            Path(path).write_bytes(content)
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "it is write-protected")
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        temporary = None
        _sync_folder(target.parent)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{visible(str(path), 200)}: cannot be written: {_cause(error)}. Choose another place."
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _cause(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "its folder does not exist"
    return (getattr(error, "strerror", None) or str(error)).lower()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; a platform that cannot open folders does so by itself."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

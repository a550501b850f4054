"""A file is either the old one or the new one, never a third state, and nothing else is left behind.

    nameless file -> content -> forced to disk -> named -> the name forced to disk

Until it is complete the new file has no name: whatever ends the process before, SIGKILL and power cuts
included, the system takes it away. A file that did not exist gets its name in one step. In place of an older
one it needs a hidden name for a moment, since no system call puts a nameless file where another one is: a
SIGKILL in the microseconds between `link` and `rename` leaves the old file and, beside it, a complete copy of
the new one called `.oddsmith-...`. Where there are no nameless files (`O_TMPFILE` is Linux's, and not every
file system has it) the new file has that hidden name from its beginning, and SIGKILL leaves what was written.

Of two writers at once each writes a whole file, and the last one stays. Other names of the old file (hard
links) keep the old content.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from oddsmith.errors import InputError, visible

_unfinished: set[str] = set()
"""Hidden names that may exist at this moment."""


Content = bytes | Callable[[], Iterable[bytes]]
"""All of it, or what begins to make it, part by part."""


def write_atomically(path: str | Path, content: Content) -> None:
    """Replace the file at `path` by `content`, or leave it as it was, whatever is raised while that is made.

    Content that is made part by part is begun again where another program gets in between.

    Permissions of an existing file are kept; a link is followed, so that it still points at the file. A
    device or a pipe cannot be replaced, and is written to.

    Raises:
        InputError: the file cannot be written; the message names it and the cause.
    """
    name = visible(str(path), 200)
    try:
        target = _written(os.fspath(path), content)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be written: {_cause(error)}. Choose another place.") from error
    if target is not None:
        try:
            _sync_folder(os.path.dirname(target))
        except OSError as error:
            raise InputError(
                f"{name}: is written, but its folder cannot be forced to disk: {_cause(error)}. "
                f"Check the disk: a power cut may bring the former state back."
            ) from error


class Growing:
    """A new file that grows: what `write` was given is with the system when it returns, whatever ends the process."""

    def __init__(self, path: str, option: str) -> None:
        """Make the file; a device or a pipe is written to as it is.

        Raises:
            InputError: there is such a file already, which `option` is to name otherwise, or it cannot be made.
        """
        self._name = visible(path, 200)
        flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            old = _status(path)
            new = old is None or stat.S_ISREG(old.st_mode)
            self._descriptor = os.open(path, flags | (os.O_CREAT | os.O_EXCL if new else 0), 0o666)
        except FileExistsError as error:
            raise InputError(
                f"{self._name}: there is such a file already, and it is not replaced. Move it away, or name another "
                f"one with {option}."
            ) from error
        except (OSError, ValueError) as error:
            raise self._refused(error) from error

    def write(self, content: bytes) -> None:
        """Add `content` at the end.

        Raises:
            InputError: it cannot be written.
        """
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Force the file to disk, where it lies on one, and close it.

        Raises:
            InputError: it cannot be written.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
                raise self._refused(error) from error
        finally:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)

    def _refused(self, error: OSError | ValueError) -> InputError:
        return InputError(f"{self._name}: cannot be written: {_cause(error)}. Choose another place.")


def discard_unfinished() -> None:
    """Remove what a write in progress has given a name, for a process that ends without unwinding."""
    for hidden in tuple(_unfinished):
        with contextlib.suppress(OSError):
            os.unlink(hidden)


def _written(path: str, content: Content) -> str | None:
    """Write `content`; returns the file that has a new entry in its folder, None for a device or a pipe."""
    for _ in range(10):
        old = _status(path)
        if not os.path.basename(path) or (old is not None and stat.S_ISDIR(old.st_mode)):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if old is not None and not stat.S_ISREG(old.st_mode):
            with open(os.open(path, os.O_WRONLY), "wb") as stream:
                for part in _parts(content):
                    stream.write(part)
            return None
        target = os.path.realpath(path, strict=old is not None)
        if old is None and os.path.islink(target):
            raise OSError(errno.EIO, "its link cannot be followed")
        if old is not None and not os.access(
            target, os.W_OK, effective_ids=os.access in os.supports_effective_ids
        ):
            raise PermissionError(errno.EACCES, "it is write-protected")
        # Where there was no file, another writer may have made one in the meantime: look again.
        with contextlib.suppress(FileExistsError):
            _publish(content, target, None if old is None else stat.S_IMODE(old.st_mode))
            return target
    raise FileExistsError(errno.EEXIST, "other programs make and remove it at the same time")


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _publish(content: Content, target: str, permissions: int | None) -> None:
    """Put `content` at `target`: in the place of a file with these permissions, or of none.

    Raises:
        FileExistsError: a file that was not there has appeared; it stays.
    """
    folder = os.path.dirname(target)
    hidden = os.path.join(folder, f".oddsmith-{os.urandom(8).hex()}")
    # Until it has the old file's permissions, nobody else may open it.
    at_first = 0o666 if permissions is None else 0o600
    descriptor = _nameless(folder, at_first)
    nameless = descriptor is not None
    _unfinished.add(hidden)
    try:
        if descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(hidden, flags, at_first)
        try:
            for part in _parts(content):
                rest = memoryview(part)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            if permissions is not None:
                os.chmod(descriptor if os.chmod in os.supports_fd else hidden, permissions)
            os.fsync(descriptor)
            if nameless and permissions is None:
                _name(descriptor, target)
            elif nameless:
                _name(descriptor, hidden)
                os.replace(hidden, target)
        finally:
            # What closing could complain about, fsync has said.
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if not nameless:
            os.replace(hidden, target)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(hidden)
        _unfinished.discard(hidden)


def _parts(content: Content) -> Iterable[bytes]:
    return (content,) if isinstance(content, bytes) else content()


def _nameless(folder: str, permissions: int) -> int | None:
    """A new file in `folder` without a name, or None where the system or the file system has no such thing."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, permissions)
    except OSError:
        # If more is wrong than that, the named way meets it too and says it.
        return None


def _name(descriptor: int, name: str) -> None:
    # A descriptor for the folder makes Python call linkat(), which can follow the link in /proc to the file.
    os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=descriptor, follow_symlinks=True)


def _cause(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "its folder does not exist"
    return (getattr(error, "strerror", None) or str(error)).lower()


def _sync_folder(folder: str) -> None:
    """Make a new name durable, as far as the system and the file system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        # A folder that may be written to but not listed.
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)

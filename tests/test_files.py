"""A file is the old one or the new one, whatever goes wrong between."""

import os
import stat
import threading
from pathlib import Path

import pytest

from oddsmith.errors import InputError
from oddsmith.files import write_atomically


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_writes_a_new_file_with_the_permissions_that_any_program_would_give(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new", b"content")
    (tmp_path / "ordinary").write_bytes(b"")
    assert listing(tmp_path) == {"new": b"content", "ordinary": b""}
    assert mode(tmp_path / "new") == mode(tmp_path / "ordinary")


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o755])
def test_an_existing_file_keeps_its_permissions(tmp_path: Path, permissions: int) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"old")
    path.chmod(permissions)
    write_atomically(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == permissions


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_still_points_at_the_file(tmp_path: Path, exists: bool) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    if exists:
        real.write_bytes(b"old")
    link.symlink_to("real")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert link.readlink() == Path("real")
    assert not real.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize("function", ["fsync", "fchmod", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException
) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, function, fail)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_atomically(path, b"new")
    assert listing(tmp_path) == {"model.json": b"old"}
    if expected is InputError:
        assert str(caught.value).endswith(
            "model.json: cannot be written: no space left on device. Choose another place."
        )


def test_content_is_on_disk_before_the_file_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noting_fsync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        fsync(descriptor)

    def noting_replace(source: str, target: Path) -> None:
        assert Path(source).parent == target.parent
        assert Path(source).read_bytes() == b"new"
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    write_atomically(tmp_path / "model.json", b"new")
    assert events == ["content", "rename", "folder"]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("folder", "it is a folder"),
        ("absent/model.json", "its folder does not exist"),
        ("file/model.json", "not a directory"),
        ("x" * 300, "file name too long"),
        ("nul\0", ".*embedded null.*"),
    ],
)
def test_places_where_nothing_can_be_written(tmp_path: Path, name: str, cause: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"file")
    with pytest.raises(InputError, match=f": cannot be written: {cause}. Choose another place"):
        write_atomically(tmp_path / name, b"new")
    assert listing(tmp_path) == {"file": b"file"}
    assert listing(tmp_path / "folder") == {}


def test_a_write_protected_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"old")
    # As the superuser every file is writable: the answer of the operating system is simulated.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="it is write-protected"):
        write_atomically(path, b"new")
    assert listing(tmp_path) == {"model.json": b"old"}


def test_a_name_cannot_steer_the_terminal_that_shows_the_message() -> None:
    with pytest.raises(InputError, match=r"absent/\\x1b\[2J\\nname: cannot"):
        write_atomically("absent/\x1b[2J\nname", b"")


def test_a_device_is_written_to_and_stays_a_device() -> None:
    write_atomically("/dev/null", b"content")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    path, received = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    write_atomically(path, b"content")
    reader.join()
    assert received == [b"content"]
    assert stat.S_ISFIFO(path.stat().st_mode)

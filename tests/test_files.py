"""A file is the old one or the new one, whatever goes wrong between."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oddsmith import files
from oddsmith.errors import InputError
from oddsmith.files import Growing, discard_unfinished, write_atomically


@pytest.fixture(params=["nameless", "named"])
def birth(request, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a file comes into being: without a name, or where the system lacks that, with a hidden one."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif files._nameless(os.getcwd(), 0o600) is None:
        pytest.skip("there are no nameless files here")
    return request.param


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_writes_a_new_file_with_the_permissions_that_any_program_would_give(
    tmp_path: Path, birth: str
) -> None:
    write_atomically(tmp_path / "new", b"content")
    (tmp_path / "ordinary").write_bytes(b"")
    assert listing(tmp_path) == {"new": b"content", "ordinary": b""}
    assert mode(tmp_path / "new") == mode(tmp_path / "ordinary")


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o755])
def test_an_existing_file_keeps_its_permissions(tmp_path: Path, permissions: int, birth: str) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"old")
    path.chmod(permissions)
    write_atomically(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == permissions


def test_nobody_else_can_open_what_replaces_a_private_file(
    tmp_path: Path, birth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, modes = tmp_path / "model.json", []
    path.write_bytes(b"old")
    path.chmod(0o600)
    write = os.write

    def noting(descriptor: int, content: bytes) -> int:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", noting)
    write_atomically(path, b"new")
    assert modes == [0o600]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_still_points_at_the_file(tmp_path: Path, exists: bool, birth: str) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    if exists:
        real.write_bytes(b"old")
    link.symlink_to("real")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert link.readlink() == Path("real")
    assert not real.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize("function", ["open", "write", "chmod", "fsync", "link", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException, birth: str
) -> None:
    if (function, birth) == ("link", "named"):
        pytest.skip("a file with a name needs no link")
    path = tmp_path / "model.json"
    path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(os, function, fail)
    monkeypatch.setattr(os, "supports_fd", {*os.supports_fd, fail})
    expected = InputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught:
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert listing(tmp_path) == {"model.json": b"old"}
    assert not files._unfinished
    if expected is InputError:
        assert str(caught.value).endswith(
            "model.json: cannot be written: no space left on device. Choose another place."
        )


def test_content_is_on_disk_before_the_file_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, birth: str
) -> None:
    events: list[str] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def noting_fsync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        fsync(descriptor)

    def noting_link(source: str, name: str, **options: object) -> None:
        assert listing(tmp_path).keys() <= {"model.json"}
        events.append("link to the file's name" if name.endswith("model.json") else "link to a hidden name")
        link(source, name, **options)

    def noting_replace(source: str, target: str) -> None:
        assert Path(source).parent == Path(target).parent
        assert Path(source).read_bytes() == b"new"
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "link", noting_link)
    monkeypatch.setattr(os, "replace", noting_replace)
    first = {"nameless": ["link to the file's name"], "named": ["rename"]}
    second = {"nameless": ["link to a hidden name", "rename"], "named": ["rename"]}
    for names in (first, second):
        events.clear()
        write_atomically(tmp_path / "model.json", b"new")
        assert events == ["content", *names[birth], "folder"]


def test_a_file_that_another_writer_makes_in_the_meantime_is_replaced_and_keeps_its_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if files._nameless(str(tmp_path), 0o600) is None:
        pytest.skip("there are no nameless files here")
    path, link = tmp_path / "model.json", os.link

    def late(source: str, name: str, **options: object) -> None:
        if not path.exists():
            path.write_bytes(b"another's")
            path.chmod(0o604)
        link(source, name, **options)

    monkeypatch.setattr(os, "link", late)
    write_atomically(path, b"new")
    assert listing(tmp_path) == {"model.json": b"new"}
    assert mode(path) == 0o604


@pytest.mark.parametrize("exists", [True, False])
def test_of_writers_at_the_same_time_each_writes_a_whole_file(
    tmp_path: Path, exists: bool, birth: str
) -> None:
    path = tmp_path / "model.json"
    contents = [bytes([letter]) * 200_000 for letter in b"abcd"]
    if exists:
        path.write_bytes(contents[0])
    seen: set[bytes] = set()

    def write(content: bytes) -> None:
        for _ in range(10):
            write_atomically(path, content)
            seen.add(path.read_bytes())

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= set(contents)
    assert list(listing(tmp_path)) == ["model.json"]


def test_a_folder_that_cannot_be_forced_to_disk_is_said_to_hold_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, number = os.fsync, errno.EIO

    def fail_on_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_on_folders)
    with pytest.raises(
        InputError, match="new: is written, but its folder cannot be forced to disk: input/output"
    ):
        write_atomically(tmp_path / "new", b"new")
    number = errno.EINVAL  # so file systems answer that cannot do it
    write_atomically(tmp_path / "newer", b"newer")
    assert listing(tmp_path) == {"new": b"new", "newer": b"newer"}


def test_a_process_that_leaves_without_unwinding_discards_what_has_a_hidden_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    fsync, during = os.fsync, []

    def leaving(descriptor: int) -> None:
        during.append(listing(tmp_path))
        discard_unfinished()
        during.append(listing(tmp_path))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", leaving)
    with pytest.raises(InputError):
        write_atomically(tmp_path / "model.json", b"new")
    assert [list(found.values()) for found in during] == [[b"new"], []]
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    "name", ["x" * 255, "\U0001d53b" * 63, "a\nb", os.fsdecode(b"\xff\xfe"), "-", "sp ace", ".hidden"]
)
def test_any_name_that_the_system_takes(tmp_path: Path, name: str, birth: str) -> None:
    for content in (b"first", b"second"):
        write_atomically(tmp_path / name, content)
        assert listing(tmp_path) == {name: content}


def test_a_link_that_leads_in_a_circle_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match="cannot be written: too many levels of symbolic links"):
        write_atomically(tmp_path / "a", b"new")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_symlink()) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("folder", "it is a folder"),
        ("absent/model.json", "its folder does not exist"),
        ("file/model.json", "not a directory"),
        ("x" * 300, "file name too long"),
        ("nul\0", ".*embedded null.*"),
        ("absent/", "it is a folder"),
        ("", "it is a folder"),
    ],
)
def test_places_where_nothing_can_be_written(tmp_path: Path, name: str, cause: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"file")
    with pytest.raises(InputError, match=f": cannot be written: {cause}. Choose another place"):
        write_atomically(f"{tmp_path}/{name}", b"new")
    assert listing(tmp_path) == {"file": b"file"}
    assert listing(tmp_path / "folder") == {}


def test_a_write_protected_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"old")
    # As the superuser every file is writable: the answer of the operating system is simulated.
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(InputError, match="it is write-protected"):
        write_atomically(path, b"new")
    assert listing(tmp_path) == {"model.json": b"old"}


def test_a_name_cannot_steer_the_terminal_that_shows_the_message() -> None:
    with pytest.raises(InputError, match=r"absent/\\x1b\[2J\\nname: cannot"):
        write_atomically("absent/\x1b[2J\nname", b"")


def test_a_device_is_written_to_and_stays_a_device() -> None:
    write_atomically("/dev/null", b"content")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_device_that_is_full() -> None:
    with pytest.raises(InputError, match="/dev/full: cannot be written: no space left on device"):
        write_atomically("/dev/full", b"content")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    path, received = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    write_atomically(path, b"content")
    reader.join()
    assert received == [b"content"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_growing_file_holds_what_was_written_before_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    growing = Growing(str(path), "--rejects")
    for number in range(3):
        growing.write(b"%d\n" % number)
        assert path.read_bytes() == b"0\n1\n2\n"[: 2 * number + 2]
    growing.close()
    with pytest.raises(InputError) as refused:
        Growing(str(path), "--rejects")
    assert str(refused.value) == (
        f"{path}: there is such a file already, and it is not replaced. Move it away, or name another one with --rejects."
    )
    assert path.read_bytes() == b"0\n1\n2\n"


@pytest.mark.parametrize("name", ["absent/file", ".", "\0"])
def test_places_where_nothing_can_grow(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be written: .*\. Choose another place\."):
        Growing(str(tmp_path / name), "--rejects")
    assert not list(tmp_path.iterdir())


def test_a_growing_device_that_is_full() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no full device")
    growing = Growing("/dev/full", "--rejects")
    with pytest.raises(InputError, match=r"/dev/full: cannot be written: no space left on device\."):
        growing.write(b"x")
    growing.close()


def test_what_is_written_in_parts_arrives_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, bytes(content[:2])))
    growing = Growing(str(tmp_path / "rejects.csv"), "--rejects")
    growing.write(b"seven b")
    monkeypatch.undo()
    growing.close()
    assert (tmp_path / "rejects.csv").read_bytes() == b"seven b"


def test_content_that_is_made_part_by_part_is_written_whole(tmp_path: Path, birth: str) -> None:
    write_atomically(tmp_path / "new", lambda: iter([b"one ", b"", b"two"]))
    assert listing(tmp_path) == {"new": b"one two"}


def test_what_fails_while_content_is_made_leaves_the_old_file(tmp_path: Path, birth: str) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def failing() -> Iterator[bytes]:
        yield b"new"
        raise InputError("this is why")

    with pytest.raises(InputError, match=r"^this is why$"):
        write_atomically(tmp_path / "file", failing)
    assert listing(tmp_path) == {"file": b"old"}


def test_content_is_begun_again_where_another_file_gets_in_between(tmp_path: Path, birth: str) -> None:
    begun = 0

    def content() -> Iterator[bytes]:
        nonlocal begun
        begun += 1
        yield b"new"
        if begun == 1:
            (tmp_path / "file").write_bytes(b"another")

    write_atomically(tmp_path / "file", content)
    assert listing(tmp_path) == {"file": b"new"}

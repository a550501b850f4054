"""Command lines as they are typed, run in this process."""

import io
import shlex
import sys
from dataclasses import dataclass
from unittest import mock

import pytest

import oddsmith.cli
from oddsmith.data.samples import access_requests, students


@dataclass(frozen=True)
class Outcome:
    """What a command line did: exit code, standard output as bytes, standard error as text."""

    code: int
    stdout: bytes
    err: str

    @property
    def out(self):
        return self.stdout.decode("utf-8")


def run(command, stdin=b""):
    """Run `oddsmith COMMAND`; a pattern in it is one argument, for no shell is at work."""
    streams = [
        io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", write_through=True) for data in (stdin, b"", b"")
    ]
    with mock.patch.multiple(sys, stdin=streams[0], stdout=streams[1], stderr=streams[2]):
        code = oddsmith.cli._outcome(shlex.split(command))
    return Outcome(code, streams[1].buffer.getvalue(), streams[2].buffer.getvalue().decode("utf-8"))


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`command("train ...")` in an empty folder, without the colours and widths of whoever runs the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder with sample rows and the models made of them, to be read and not written to."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "requests.csv").write_text(access_requests(300, seed=3))
    (folder / "later.csv").write_text(access_requests(60, seed=4, first=301))
    (folder / "students.csv").write_text(students(300, seed=1))
    (folder / "new-students.csv").write_text(students(40, seed=2, labelled=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in (
            "train requests.csv --target needs_review --id request --alpha 0.01 -o review.json",
            "train students.csv --target 'Hogwarts House' --multi-class ovr --alpha 0.01 -o houses.json",
            "train students.csv --target 'Hogwarts House' --alpha 0.01 -o softmax.json",
        ):
            outcome = run(line)
            assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture
def shop(workshop, command, tmp_path):
    """`command`, in a folder that holds links to all of the workshop's files."""
    for path in workshop.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return command

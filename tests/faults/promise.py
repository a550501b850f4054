"""The promise as a judge: old file or new file, nothing left behind, a sentence and no traceback.

A case is a command line in a folder that holds what the command replaces, and nothing else. Run without a
fault it shows the new state; run with one it must end in the old state or the new one, with an exit code that
is documented for such a fault.
"""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from oddsmith.data.samples import access_requests, students

PROGRAM = (sys.executable, "-c", "from oddsmith.cli import main; main()")
LONGEST = 600
NEVER = ("Traceback", "Exception ignored", "panicked", "Fatal Python error")


@dataclass(frozen=True)
class Case:
    """A command line; `{shop}` in it is the folder of its inputs, and `old` is what it finds where it runs."""

    name: str
    command: str
    old: dict[str, bytes] = field(default_factory=dict)
    link: str | None = None
    """A symbolic link to `old`'s file, through which the command writes."""

    def arguments(self, shop):
        return self.command.replace("{shop}", str(shop)).split()

    def prepare(self, folder):
        for name, content in self.old.items():
            (folder / name).write_bytes(content)
        if self.link:
            (folder / self.link).symlink_to(next(iter(self.old)))


@dataclass(frozen=True)
class Outcome:
    """What a run left: exit code (negative: the signal that killed it), both streams, and every file."""

    code: int
    out: bytes
    err: str
    files: dict[str, bytes]
    links: frozenset[str]


_TRAIN = "train {shop}/requests.csv --target needs_review --id request"
CASES = (
    Case("train, new file", f"{_TRAIN} -o model.json"),
    Case("train, old file", f"{_TRAIN} -o model.json", {"model.json": b"old"}),
    Case("train through a link", f"{_TRAIN} --json -o link", {"model.json": b"old"}, "link"),
    Case(
        "train --flat",
        "train {shop}/students.csv --target house --drop name,hand --multi-class ovr --alpha .01 --flat -o m.json",
        {"m.json": b"old"},
    ),
    Case(
        "build",
        "build {shop}/requests.csv --target needs_review --id request --cost fn=5,fp=1 -o model.json --json",
        {"model.json": b"old"},
    ),
    Case(
        "calibrate -o",
        "calibrate {shop}/review.json {shop}/later.csv --method platt -o m.json",
        {"m.json": b"old"},
    ),
    Case("explain", "explain {shop}/review.json --row ambiguity=3,support=4"),
    Case("predict -o", "predict {shop}/review.json {shop}/requests.csv --proba -o p.csv", {"p.csv": b"old"}),
    Case("predict", "predict {shop}/review.json {shop}/requests.csv"),
    Case("evaluate", "evaluate {shop}/review.json {shop}/requests.csv --threshold .5"),
    Case("describe", "describe {shop}/requests.csv"),
    Case("show", "show {shop}/review.json"),
    Case("tutorial", "tutorial ."),
)


def make_shop(folder):
    """The inputs of all cases."""
    (folder / "requests.csv").write_text(access_requests(60, seed=3))
    (folder / "later.csv").write_text(access_requests(60, seed=4, first=61))
    header, rest = students(80, seed=1).split("\n", 1)
    (folder / "students.csv").write_text(f"{_short(header)}\n{rest}")
    command = _TRAIN.replace("{shop}", str(folder)).split()
    subprocess.run(
        [*PROGRAM, *command, "-o", folder / "review.json"], check=True, capture_output=True, timeout=60
    )
    return folder


def _short(header):
    """The names of students' columns without blanks, as a command line without quotes needs them."""
    names = {"Hogwarts House": "house", "First Name": "name", "Best Hand": "hand"}
    return ",".join(names.get(name, name) for name in header.split(","))


def run(case, shop, folder, prefix=(), **options):
    """Run a case as a process of its own, in an empty folder."""
    case.prepare(folder)
    done = subprocess.run(
        [*prefix, *PROGRAM, *case.arguments(shop)],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120, **options,
    )  # fmt: skip
    return outcome(folder, done.returncode, done.stdout, done.stderr)


def outcome(folder: Path, code, out, err):
    found = [path for path in folder.rglob("*") if not path.is_dir()]
    return Outcome(
        code=code,
        out=out,
        err=err.decode("utf-8", "replace"),
        files={str(path.relative_to(folder)): path.read_bytes() for path in found if not path.is_symlink()},
        links=frozenset(path.name for path in found if path.is_symlink()),
    )


def complaints(case, clean, found, codes, *, leftover=None):
    """What of the promise a run broke, in sentences; none if it kept it.

    `clean` is the same run without a fault. `leftover` is what SIGKILL may leave under a hidden name:
    "whole" a copy of a new file, between link and rename; "part" where files are not born nameless.
    """
    broken = []
    if found.code not in codes:
        broken.append(f"exit code {found.code}, not one of {sorted(codes)}")
    broken += [f"{word!r} on standard error" for word in NEVER if word in found.err]
    if found.code in (2, 101, 129, 130, 143):
        said = found.err.rpartition("oddsmith: ")
        if not said[1] or len(said[2]) > LONGEST or not said[2].endswith((".\n", "FOLDER\n")):
            broken.append("no sentence at the end of standard error")
        if len(found.err) > len(clean.err) + LONGEST:
            broken.append("much more is said than one sentence")
    if not clean.out.startswith(found.out):
        broken.append("standard output is not the beginning of what it should be")
    if found.code == 0 and (found.out, found.files) != (clean.out, clean.files):
        broken.append("exit code 0, but not all of the work is done")
    if found.links != clean.links:
        broken.append(f"links {sorted(found.links)}")
    hidden = [name for name in found.files if Path(name).name.startswith(".oddsmith-")]
    for name, content in found.files.items():
        if name in hidden:
            whole = content in clean.files.values()
            if len(hidden) > 1 or leftover is None or (leftover == "whole" and not whole):
                broken.append(f"{name} is left behind")
        elif content not in (case.old.get(name), clean.files.get(name)):
            broken.append(f"{name} is neither old nor new: {content[:40]!r} ({len(content)} bytes)")
    broken += [f"{name} has gone" for name in case.old if name not in found.files]
    return broken

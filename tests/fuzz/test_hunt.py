"""The harness on demand: it finds what is planted, saves it once for each place, and replays it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLANTED = """
import random, sys
from pathlib import Path
from fuzz.engines import Hunt, random_engine
from fuzz.targets import Target

def prepare(folder):
    def check(content):
        if b"!" in content:
            raise ValueError("planted")
    return [b"abc"], check

def change(content, chance):
    return content[:2] + bytes([chance.randrange(32, 64)])

folder = Path(sys.argv[1])
sys.exit(random_engine(Hunt("planted", Target([], prepare, change), folder, folder / "found", 0.5, 0)))
"""


def python(*arguments):
    if not (ROOT / "fuzz").is_dir():
        pytest.skip("the harness is not part of this copy of the project")
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_is_planted_is_found_saved_once_and_goes_on(tmp_path):
    done = python("-c", PLANTED, tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    (found,) = (tmp_path / "found").iterdir()
    assert found.read_bytes() == b"ab!"
    assert "ValueError: 'planted'" in done.stdout
    assert done.stdout.endswith("1 broken promises\n")


def test_a_short_hunt_and_a_replay(tmp_path):
    done = python(
        "-m", "fuzz", "cells", "--minutes", "0.005", "--engine", "random", "--found", tmp_path / "found"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cells: ")
    assert done.stdout.endswith("(random changes), 0 broken promises\n")
    (tmp_path / "input").write_bytes(b"\x00a,b\n1,2\n")
    done = python("-m", "fuzz", "scan", "--replay", tmp_path / "input")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'input'}: every promise holds\n")

"""A sample of every kind of fault on every verb; `python -m tests.faults.exhaustive` tries them all."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from .inside import Faults
from .promise import CASES, Case, Outcome, complaints, make_shop
from .trials import calls_of_os, lines, places, system_calls

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="faults are put into forked processes"),
]
SAMPLE = 2


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def faults():
    with Faults() as process:
        yield process


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_any_fault_leaves_the_old_state_or_the_new_one_and_a_sentence(case, shop, faults, tmp_path):
    folder = tmp_path / "run"
    clean, counts = faults.counts(case, shop, folder)
    assert complaints(case, clean, clean, {0}) == []
    assert clean.files.keys() >= case.old.keys()
    assert not any(content in clean.files.values() for content in case.old.values())
    rng = random.Random(case.name)
    few = SAMPLE if case.old else 1
    trials = rng.sample([*calls_of_os(counts, most=20)], few) + rng.sample([*lines(counts, most=200)], few)
    if case.old:
        writing = {name: counts[name] for name in ("write", "fsync", "chmod", "replace", "unlink", "close")}
        trials += rng.sample([*calls_of_os(writing, most=2, named=True)], few)
        # The one window that is left: a copy of the new file beside the old one.
        (window,) = (trial for trial in calls_of_os({"replace": 1}, most=1) if trial.leftover)
        left = faults.run(case, shop, folder, **window.fault)
        assert [name for name in left.files if name.startswith(".oddsmith-")]
        trials.append(window)
    for trial in trials:
        found = faults.run(case, shop, folder, **trial.fault)
        broken = complaints(case, clean, found, trial.codes, leftover=trial.leftover)
        assert faults.met
        assert not broken, (trial, broken, found.err)


@pytest.mark.parametrize("case", [CASES[1], CASES[4]], ids=lambda case: case.name)
def test_any_system_call_may_fail_or_be_the_last(case, shop, faults, tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    folder = tmp_path / "run"
    try:
        clean, counts = faults.system_calls(case, shop, folder)
    except RuntimeError as error:
        pytest.skip(str(error))
    met = 0
    trials = random.Random(case.name).sample([*system_calls(counts, most=20)], 3 * SAMPLE)
    for trial in trials:
        found = faults.run(case, shop, folder, **trial.fault)
        # Native code makes a call more or less from run to run: the last one may not come.
        met += faults.met
        codes = trial.codes if faults.met else {0}
        broken = complaints(case, clean, found, codes, leftover=trial.leftover)
        assert not broken, (trial, broken, found.err)
    assert met >= len(trials) - 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_modules_load_is_said_in_a_line(number, shop, tmp_path):
    code = (
        "import sys, os, signal; from oddsmith.cli import main\n"
        # Whoever runs the tests may ignore it, as nohup does.
        f"if signal.getsignal({int(number)}) == signal.SIG_IGN: signal.signal({int(number)}, signal.SIG_DFL)\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'polars': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main()"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "train",
        shop / "requests.csv",
        "--target",
        "needs_review",
        "-o",
        "m.json",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    farewell = {
        signal.SIGINT: b"interrupted",
        signal.SIGTERM: b"terminated",
        signal.SIGHUP: b"the terminal has gone",
    }
    assert (done.returncode, done.stderr) == (128 + number, b"oddsmith: %s.\n" % farewell[number])
    assert list(tmp_path.iterdir()) == []


def test_processes_that_write_the_same_file_leave_one_whole_file(shop, tmp_path):
    commands = [
        [
            "train",
            str(shop / "requests.csv"),
            "--target",
            "needs_review",
            "--alpha",
            alpha,
            "-q",
            "-o",
            "m.json",
        ]
        for alpha in ("0", "0.1")
    ]
    program = [sys.executable, "-c", "from oddsmith.cli import main; main()"]
    alone = set()
    for command in commands:
        subprocess.run([*program, *command], cwd=tmp_path, check=True, timeout=60)
        alone.add((tmp_path / "m.json").read_bytes())
    together = [subprocess.Popen([*program, *command], cwd=tmp_path) for command in commands]
    assert [process.wait(60) for process in together] == [0, 0]
    assert len(alone) == 2
    assert (tmp_path / "m.json").read_bytes() in alone
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]


def test_signals_that_were_ignored_at_the_start_stay_ignored(shop, tmp_path):
    """As nohup does, and shells for jobs in the background."""
    with subprocess.Popen(
        ["sh", "-c", 'trap "" HUP INT; exec "$@"', "sh", sys.executable, "-c",
         "from oddsmith.cli import main; main()", "describe", "-", "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        time.sleep(0.3)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(b"x,y\n1,2\n3,4\n", timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert b'"name": "x"' in out


def test_the_judge_sees_what_is_wrong():
    case = Case("x", "train", {"m": b"old"})
    clean = Outcome(0, b"all", "", {"m": b"new"}, frozenset())

    def judged(code=2, out=b"", err="oddsmith: a sentence.\n", files=None, links=(), **options):
        found = Outcome(code, out, err, {"m": b"old"} if files is None else files, frozenset(links))
        return complaints(case, clean, found, {0, 2, -9}, **options)

    assert judged() == judged(files={"m": b"new"}) == []
    assert judged(code=-9, err="", files={"m": b"old", ".oddsmith-1": b"new"}, leftover="whole") == []
    for broken in (
        judged(code=101), judged(err="Traceback\noddsmith: a sentence.\n"), judged(err="a sentence.\n"),
        judged(err=f"oddsmith: {'x' * 700}.\n"), judged(out=b"al?"), judged(files={"m": b"ne"}), judged(files={}),
        judged(files={"m": b"old", ".oddsmith-1": b"new"}), judged(code=0, err=""), judged(links=["m"]),
        judged(files={"m": b"old", ".oddsmith-1": b"ne"}, leftover="whole"), judged(files={"m": b"new", "n": b""}),
    ):  # fmt: skip
        assert broken


def test_places_are_all_or_spread_with_the_last_ones():
    assert list(places(3, 8)) == [1, 2, 3]
    assert places(100, 8) == [1, 26, 51, 76, 96, 97, 98, 99, 100]

"""Surroundings that are hostile from the start: closed streams, odd locales, tight limits, strange files.

The verbs do their work all the same, or end with exit code 2 and one sentence.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from .promise import LONGEST, NEVER, PROGRAM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="limits, signals and descriptors are POSIX's"),
]

ROWS = "naïve,魔法,y\n" + "".join(
    f"{i % 7},{'süß' if i % 3 else 'ça'},{'日本' if i * i % 5 > 1 else 'été'}\n" for i in range(40)
)
TRAIN = "train rows.csv --target y --alpha .1 -o new.json"
PREDICT = "predict model.json rows.csv --proba"
WRITE = f"{PREDICT} -q -o new.csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model file with labels that are not ASCII."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "rows.csv").write_text(ROWS, "utf-8")
    shell("oddsmith train rows.csv --target y --alpha .1 -q -o model.json", folder)
    return (folder / "model.json").read_bytes()


@pytest.fixture(scope="module")
def predictions(model, tmp_path_factory):
    """What WRITE writes."""
    folder = tmp_path_factory.mktemp("predictions")
    (folder / "rows.csv").write_text(ROWS, "utf-8")
    (folder / "model.json").write_bytes(model)
    return shell(f"oddsmith {PREDICT}", folder)[0]


@pytest.fixture
def folder(tmp_path, model):
    (tmp_path / "rows.csv").write_text(ROWS, "utf-8")
    (tmp_path / "model.json").write_bytes(model)
    return tmp_path


def shell(line, folder, *, code=0, limits=None, **environment):
    """Run a line of sh in which `oddsmith` is this program; standard output and standard error."""
    done = subprocess.run(
        ["sh", "-c", f'oddsmith() {{ "$PYTHON" -c "from oddsmith.cli import main; main()" "$@"; }}\n{line}'],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        check=False,
        timeout=120,
        preexec_fn=limits,
    )
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == code, (line, said)
    assert not any(word in said for word in NEVER), said
    if code == 2:
        assert said.startswith("oddsmith: ")
        assert said.count("\n") == 1
        assert len(said) <= LONGEST
    return done.stdout, said


@pytest.mark.parametrize("closed", ["<&- >&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_what_is_not_used_may_be_closed(folder, predictions, closed):
    shell(f"oddsmith {WRITE.replace(' -q', '')} {closed}", folder)
    assert (folder / "new.csv").read_bytes() == predictions
    assert sorted(os.listdir(folder)) == ["model.json", "new.csv", "rows.csv"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"oddsmith {PREDICT} >&-", "standard output: cannot be written: it is closed."),
        ("oddsmith describe rows.csv --json >&-", "standard output: cannot be written: it is closed."),
        ("oddsmith describe - <&-", "standard input: cannot be read: bad file descriptor."),
        (f"oddsmith {TRAIN} --json -q >/dev/full", "standard output: cannot be written: no space left on device."),
        (f"oddsmith {PREDICT} -o .", ".: cannot be written: it is a folder."),
        (f"oddsmith {PREDICT} -o rows.csv", "-o rows.csv: this file is read, and the result would replace it."),
        ("oddsmith describe /dev/null", "/dev/null: the file is empty."),
        ("oddsmith describe /proc/self/mem", "/proc/self/mem: cannot be read: input/output error."),
        ("mkdir gone; cd gone; rmdir ../gone; oddsmith predict $OLDPWD/model.json $OLDPWD/rows.csv -o new.csv",
         "new.csv: cannot be written: its folder does not exist."),
        ("mkdir gone; cd gone; rmdir ../gone; oddsmith tutorial", "the current folder is no longer there."),
    ],
)  # fmt: skip
@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and /proc are Linux's")
def test_what_cannot_be_done_is_said(folder, line, sentence):
    _, said = shell(line, folder, code=2)
    assert f"oddsmith: {sentence}" in said
    assert not any(name.startswith(".") for name in os.listdir(folder))


def test_a_name_of_any_bytes_is_written_and_said_in_one_line(folder, model):
    name = b"\xff\xfeline\nbreak"
    command = [*PROGRAM, *TRAIN.split()[:-1], name, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == rb"wrote \udcff\udcfeline\nbreak"
    assert (folder / os.fsdecode(name)).read_bytes() == model


LOCALES = [
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "tr_TR", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
]


@pytest.mark.parametrize("verb", [PREDICT, "show model.json --json", "describe rows.csv"])
def test_data_is_utf_8_in_every_locale(folder, verb):
    line = f"oddsmith {verb}"
    expected, _ = shell(line, folder, PYTHONUTF8="1")
    assert "日本".encode() in expected or "魔法".encode() in expected
    for locale in LOCALES:
        assert shell(line, folder, **locale)[0] == expected, locale


@pytest.mark.parametrize("columns", ["0", "1", "1000000"])
def test_settings_of_the_terminal_do_not_matter(folder, columns):
    environment = {"COLUMNS": columns, "TERM": "dumb", "TMPDIR": "/absent"}
    shell("oddsmith --help && oddsmith describe rows.csv", folder, **environment)


def test_no_environment_at_all(folder):
    line = f'exec env -i PYTHONPATH="$PYTHONPATH" "$PYTHON" -m oddsmith {TRAIN}'
    shell(line, folder, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    assert "日本".encode() in (folder / "new.json").read_bytes()


def limited(kind, amount):
    import resource

    return lambda: resource.setrlimit(getattr(resource, kind), (amount, amount))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the address space")
@pytest.mark.parametrize("megabytes", [200, 400, 600, 760, 1400])
def test_little_address_space(folder, megabytes):
    enough = megabytes > 700
    limits = limited("RLIMIT_AS", megabytes << 20)
    _, said = shell(f"oddsmith {TRAIN}", folder, code=0 if enough else 2, limits=limits)
    assert enough or "more of address space, and NumPy, SciPy and Polars need 640 MB to start." in said


@pytest.mark.parametrize("descriptors", [8, 10, 12])
def test_few_files_may_be_open(folder, descriptors):
    enough = descriptors > 10
    line = f'exec "$PYTHON" -m oddsmith {WRITE}'
    _, said = shell(line, folder, code=0 if enough else 2, limits=limited("RLIMIT_NOFILE", descriptors))
    assert enough or "this process cannot open 8 more files" in said


def test_a_file_that_may_not_be_so_long(folder):
    line = f'exec "$PYTHON" -m oddsmith {WRITE}'
    _, said = shell(line, folder, code=2, limits=limited("RLIMIT_FSIZE", 1024))
    assert said == "oddsmith: new.csv: cannot be written: file too large. Choose another place.\n"
    assert sorted(os.listdir(folder)) == ["model.json", "rows.csv"]


def as_nobody(*limits):
    """The beginning of a command that has no rights but to read, so that permissions and limits hold for it."""
    if os.geteuid():
        return ["prlimit", *limits]
    if shutil.which("setpriv") is None:
        pytest.skip("the superuser may do everything, and setpriv is not installed")
    rights = "-all,+dac_read_search"
    user = ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", rights, "--ambient-caps", rights]
    return [*user, "prlimit", *limits]


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is not installed")
@pytest.mark.parametrize("processes", [1, 11, 24])
def test_few_threads_may_be_started(folder, processes):
    if not os.geteuid():
        folder.chmod(0o777)
    elif processes:
        pytest.skip("the limit counts all processes of this user")
    command = [*as_nobody(f"--nproc={processes}"), *PROGRAM, *WRITE.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
    if processes < 12:
        assert done.returncode == 2
        assert done.stderr.startswith(b"oddsmith: this process cannot start 12 threads, as Polars does.")
        assert done.stderr.count(b"\n") == 1
    else:
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is not installed")
@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "sentence"),
    [(0o555, 0o666, "permission denied"), (0o777, 0o444, "it is write-protected")],
)
def test_a_folder_or_file_that_may_not_be_written(folder, folder_mode, file_mode, sentence):
    place = folder / "place"
    place.mkdir()
    (place / "new.csv").write_bytes(b"old")
    (place / "new.csv").chmod(file_mode)
    place.chmod(folder_mode)
    command = [*as_nobody("--core=0"), *PROGRAM, *WRITE.replace("new.csv", "place/new.csv").split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
    place.chmod(0o777)
    message = f"oddsmith: place/new.csv: cannot be written: {sentence}. Choose another place.\n"
    assert (done.returncode, done.stderr.decode()) == (2, message)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"new.csv": b"old"}


def test_rows_and_predictions_through_named_pipes(folder, predictions):
    os.mkfifo(folder / "in")
    os.mkfifo(folder / "out")
    received = []
    reader = threading.Thread(target=lambda: received.append((folder / "out").read_bytes()))
    writer = threading.Thread(target=lambda: (folder / "in").write_text(ROWS, "utf-8"))
    for thread in (reader, writer):
        thread.start()
    shell("oddsmith predict model.json in --proba -o out", folder)
    reader.join()
    writer.join()
    assert received == [predictions]


def test_a_full_pipe_that_does_not_block_is_waited_for(folder):
    (folder / "long.csv").write_text(ROWS + "".join(ROWS.splitlines(keepends=True)[1:] * 500), "utf-8")
    expected, _ = shell("oddsmith predict model.json long.csv", folder)
    assert len(expected) > 1 << 17
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    with subprocess.Popen(
        [*PROGRAM, "predict", "model.json", "long.csv"], cwd=folder, stdout=sending
    ) as process:
        os.close(sending)
        with open(receiving, "rb") as stream:
            time.sleep(0.5)
            assert stream.read() == expected
        assert process.wait(60) == 0


def test_ctrl_c_on_a_terminal_gives_the_cursor_back(folder):
    pty = pytest.importorskip("pty")
    (folder / "rows.csv").write_text("x,y\n" + "".join(f"{(i * 7) % 13},{i % 2}\n" for i in range(2000)))
    solver = ["--solver", "gradient-descent", "--iterations", "100000000"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ["TERM"] = "xterm"
        os.execv(PROGRAM[0], [*PROGRAM, *TRAIN.split(), *solver])
    shown = b""
    with contextlib.suppress(OSError):
        while b"training" not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        while True:
            shown += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"\x1b[?25l" in shown
    assert shown.endswith(b"\x1b[?25hoddsmith: interrupted.\r\n")
    assert sorted(os.listdir(folder)) == ["model.json", "rows.csv"]


def test_a_signal_while_standard_input_is_awaited(folder):
    with subprocess.Popen(
        [*PROGRAM, "describe", "-"], cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(b"x,y\n")
        process.stdin.flush()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read() == b"oddsmith: terminated.\n"
        assert process.wait(60) == 143

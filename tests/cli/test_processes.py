"""The program itself: what it loads, what it leaves with, and how it behaves in a pipeline."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import oddsmith.cli

pytestmark = pytest.mark.slow

ODDSMITH = [sys.executable, "-c", "from oddsmith.cli import main; main()"]
HEAVY = {
    "numpy", "polars", "pandas", "pyarrow", "narwhals", "rich", "msgspec", "scipy", "threadpoolctl",
    "sklearn", "statsmodels", "matplotlib",
}  # fmt: skip


def program(*arguments, environment=None, **options):
    surroundings = {
        name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}
    }
    return subprocess.run(
        [*ODDSMITH, *arguments],
        capture_output=True,
        env={**surroundings, **(environment or {})},
        timeout=60,
        check=False,
        **options,
    )


def loaded_by(folder, *arguments):
    """Heavy modules that a command line has loaded when it ends."""
    code = (
        "import json, sys\n"
        "from oddsmith.cli import _outcome\n"
        "code = _outcome(sys.argv[1:])\n"
        f"print(json.dumps([code, sorted(set({sorted(HEAVY)!r}) & set(sys.modules))]), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, cwd=folder, timeout=60, check=True
    )
    status, modules = json.loads(found.stderr.splitlines()[-1])
    assert status == 0, found.stderr
    return set(modules)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["train", "--help"], set()),
        (["predict", "--help"], set()),
        (["predict", "review.json", "later.csv"], {"numpy", "polars", "msgspec"}),
        (["predict", "review.json", "later.csv", "--proba", "--explain"], {"numpy", "polars", "msgspec"}),
        (["show", "review.json"], {"numpy", "msgspec", "rich"}),
        (["describe", "requests.csv"], {"numpy", "polars", "msgspec", "rich"}),
    ],
)
def test_a_command_loads_only_what_it_uses(arguments, allowed, workshop):
    assert loaded_by(workshop, *arguments) <= allowed


def test_importing_the_package_loads_nothing(workshop):
    code = f"import sys, oddsmith; print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert found.stdout == b"[]\n"


def test_data_and_messages_go_apart_and_exit_codes_arrive(workshop):
    requests = (workshop / "later.csv").read_bytes()
    found = program("predict", "review.json", "-", cwd=workshop, input=requests)
    assert (found.returncode, found.stderr) == (0, b"")
    assert found.stdout.startswith(b"request,needs_review\n")
    assert found.stdout.count(b"\n") == requests.count(b"\n")
    refused = program("predict", "review.json", "absent.csv", cwd=workshop)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr == b"oddsmith: absent.csv: there is no such file. Check the path.\n"


def test_a_reader_that_leaves_early_is_no_error(workshop, tmp_path):
    wide = tmp_path / "wide.csv"
    names = ",".join(f"column_with_a_long_name_{i}" for i in range(1000))
    wide.write_text(
        "\n".join([names, *(",".join(str((i * r) % 7) for i in range(1000)) for r in range(1, 4))])
    )
    long = tmp_path / "long.csv"
    text = (workshop / "later.csv").read_text().splitlines()
    long.write_text("\n".join([text[0], *(text[1:] * 100)]))
    for arguments in (["describe", str(wide)], ["predict", "review.json", str(long), "--proba"]):
        with subprocess.Popen(
            [*ODDSMITH, *arguments], cwd=workshop, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(timeout=60) == 0, arguments


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "xterm-256color"}])
def test_no_colour_where_none_is_wanted(workshop, environment):
    found = program("show", "review.json", cwd=workshop, environment=environment)
    assert found.returncode == 0
    assert b"\x1b[3" not in found.stdout
    assert b"\x1b[9" not in found.stdout


def test_a_pipe_is_given_utf_8_and_a_terminal_what_its_encoding_has(tmp_path):
    (tmp_path / "rows.csv").write_text("naïve 魔法,y\n1,a\n2,b\n", "utf-8")
    found = program("describe", "rows.csv", cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert (found.returncode, found.stderr) == (0, b"")
    assert "naïve 魔法".encode() in found.stdout
    pty = pytest.importorskip("pty")
    controlling, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "200"}
    with subprocess.Popen(
        [*ODDSMITH, "describe", "rows.csv"], cwd=tmp_path, env=environment, stdin=terminal, stdout=terminal
    ) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(controlling, 4096):
                shown += piece
        assert process.wait(timeout=60) == 0
    os.close(controlling)
    assert b"na\\xefve \\u9b54\\u6cd5" in shown


def test_an_interrupted_run_leaves_with_130_and_the_older_file(workshop, tmp_path):
    (tmp_path / "rows.csv").write_text("x,y\n" + "".join(f"{(i * 7) % 13},{i % 2}\n" for i in range(2000)))
    (tmp_path / "model.json").write_text("older")
    arguments = ["train", "rows.csv", "--target", "y", "-o", "model.json", "--solver", "gradient-descent"]
    with subprocess.Popen(
        [*ODDSMITH, *arguments, "--iterations", "100000000", "-v"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        # The line about the rows that were read says that work has begun.
        assert b"rows.csv" in process.stderr.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().endswith(b"oddsmith: interrupted.\n")
        assert process.wait(timeout=60) == 130
        assert process.stdout.read() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "rows.csv"]
    assert (tmp_path / "model.json").read_text() == "older"


def test_a_warning_of_a_library_is_a_message_of_ours(workshop):
    code = (
        "import sys, warnings\n"
        "from oddsmith.cli import main, verbs\n"
        "verbs.run = lambda _: warnings.warn('odd\\x1b[2J') or 0\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stderr == b"oddsmith: warning: odd\\x1b[2J (UserWarning)\n"


@pytest.mark.parametrize(
    ("raised", "code", "sentence"),
    [
        ("MemoryError()", 2, "not enough memory. Use fewer rows or columns, or a machine with more."),
        (
            "MemoryError('Unable to allocate 9 GiB')",
            2,
            "not enough memory (Unable to allocate 9 GiB). Use fewer",
        ),
        ("RecursionError('maximum depth')", 2, "the input is nested too deeply."),
        ("OSError(5, 'Input/output error', 'place')", 2, "place: input/output error."),
        ("OSError(24, 'Too many open files')", 2, "the system refuses: too many open files."),
        ('RuntimeError("can\'t start new thread")', 2, "no more threads can be started."),
        ("ImportError('no space', name='scipy')", 2, "a library cannot be loaded: ImportError: no space."),
        ("ImportError('no such name', name='oddsmith.cli')", 101, "this is a bug in oddsmith"),
        (
            "UnicodeEncodeError('utf-8', '\\udcff', 0, 1, 'surrogates not allowed')",
            2,
            "an argument is not text in UTF-8",
        ),
        ("EOFError()", 101, "this is a bug in oddsmith, not in your data: EOFError"),
        ("KeyboardInterrupt()", 130, "interrupted."),
        ("SystemExit(1)", 1, ""),
        ("PanicException('Os { code: 11 }')", 2, "the system refuses what a library needs: Os { code: 11 }."),
        (
            "PanicException('index')",
            101,
            "this is a bug in oddsmith, not in your data: PanicException: index",
        ),
    ],
)
def test_what_a_verb_raises_becomes_a_sentence_and_an_exit_code(raised, code, sentence, monkeypatch, capsys):
    class PanicException(BaseException):
        pass

    def raises(_):
        error = eval(raised, {"PanicException": PanicException})
        raise error

    monkeypatch.setattr("oddsmith.cli.verbs.run", raises)
    assert oddsmith.cli._outcome([]) == code
    said = capsys.readouterr().err
    assert said.startswith(f"oddsmith: {sentence}" if sentence else "")
    assert "Traceback" not in said


def test_what_goes_wrong_while_a_library_loads_is_not_our_bug(tmp_path, monkeypatch, capsys):
    (tmp_path / "broken_library.py").write_text("undefined_name")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("oddsmith.cli.verbs.run", lambda _: __import__("broken_library"))
    assert oddsmith.cli._outcome([]) == 2
    assert capsys.readouterr().err.startswith(
        "oddsmith: a library cannot be loaded: NameError: name 'undefined_name' is not defined. Look at memory"
    )


def test_end_of_file_inside_a_verb_is_no_interruption(monkeypatch, capsys):
    """click takes one for the other."""

    def ends(*_, **__):
        raise EOFError("it ends")

    monkeypatch.setattr("oddsmith.cli.verbs.Verbs.invoke", ends)
    assert oddsmith.cli._outcome(["show", "x"]) == 101
    assert "EOFError: it ends" in capsys.readouterr().err


def test_the_installed_program_is_this_one():
    script = Path(sys.executable).with_name("oddsmith")
    if not script.exists():
        pytest.skip("the package is not installed here")
    found = subprocess.run([script, "--version"], capture_output=True, check=True, timeout=60)
    assert found.stdout.startswith(b"oddsmith, version ")


def test_a_process_that_ends_at_once_has_said_everything(tmp_path):
    """Through a pipe, which is not flushed by itself; and its exit code is that of the outcome."""
    (tmp_path / "rows.csv").write_text("x,y\n" + "".join(f"{i % 7},{i % 2}\n" for i in range(2000)))
    for arguments, code in (
        (["describe", "rows.csv", "--json"], 0),
        (["show", "none.json"], 2),
        (["nothing"], 2),
    ):
        found = subprocess.run(
            [sys.executable, "-m", "oddsmith", *arguments],
            capture_output=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
        assert found.returncode == code
        expected = program(*arguments, cwd=tmp_path)
        assert (found.stdout, found.stderr) == (expected.stdout, expected.stderr)

"""The program itself: what it loads, what it leaves with, and how it behaves in a pipeline."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
    names = ",".join(f"column_with_a_long_name_{i}" for i in range(2000))
    wide.write_text(
        "\n".join([names, *(",".join(str((i * r) % 7) for i in range(2000)) for r in range(1, 4))])
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


def test_an_output_that_cannot_hold_a_letter_is_no_failure(tmp_path):
    (tmp_path / "rows.csv").write_text("naïve 魔法,y\n1,a\n2,b\n", "utf-8")
    found = program("describe", "rows.csv", cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert (found.returncode, found.stderr) == (0, b"")
    assert b"na\\xefve \\u9b54\\u6cd5" in found.stdout


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
        assert b"interrupted." in process.stderr.read()
        assert process.wait(timeout=60) == 130
        assert process.stdout.read() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "rows.csv"]
    assert (tmp_path / "model.json").read_text() == "older"


def test_the_installed_program_is_this_one():
    script = Path(sys.executable).with_name("oddsmith")
    if not script.exists():
        pytest.skip("the package is not installed here")
    found = subprocess.run([script, "--version"], capture_output=True, check=True, timeout=60)
    assert found.stdout.startswith(b"oddsmith, version ")

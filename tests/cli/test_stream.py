"""`predict --stream`: the answers of a file, at once and in order, and a file of what could not be answered."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oddsmith

ODDSMITH = [sys.executable, "-c", "from oddsmith.cli import main; main()"]
HEADER = b"who,x,group,flag,y\n"
ROWS = [
    f'"{who}",{x},"{group}",{flag},{y}\n'.encode()
    for who, x, group, flag, y in [
        ("a", 1.5, "red, dark", "true", 0),
        ("b", -2, "blue", "false", 1),
        ('c ""d""', 3e-2, "blue", "true", 0),
        ("e\nf", "", "two\nlines", "", 1),
        ("g", "NA", "red, dark", "false", 1),
        ("h", 0.1, "two\nlines", "true", 0),
        ("=1+1", 7, "blue", "false", 1),
        ("i", 1.25, "red, dark", "false", 0),
    ]
]


def done(outcome):
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with a model of a number, a category and a boolean, its rows, and a model of a number."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "rows.csv").write_bytes(HEADER + b"".join(ROWS * 5))
    settings = {"id": "who", "categorical": ["group"], "missing": ["?"], "alpha": 0.1}
    oddsmith.train(folder / "rows.csv", "y", **settings).save(folder / "model.json")
    (folder / "plain.csv").write_text("x,y\n" + "".join(f"{i % 7},{(i // 3) % 2}\n" for i in range(30)))
    oddsmith.train(folder / "plain.csv", "y", alpha=0.1).save(folder / "plain.json")
    return folder


@pytest.fixture
def shop(models, command, tmp_path):
    """`command`, in a folder that holds links to the models and rows."""
    for path in models.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return command


def rejects(path="rejects.csv"):
    """Line, reason and row of each rejected row; a row's line ends as they came."""
    with open(path, newline="", errors="surrogateescape") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["line", "reason", "row"]
    return [(int(line), reason, row) for line, reason, row in rows]


@pytest.mark.parametrize("options", ["", "--proba", "--proba --explain", "--json --proba", "--raw"])
@pytest.mark.parametrize("piece", [1, 50, 1 << 18])
def test_answers_are_those_of_a_file(shop, options, piece):
    expected = done(shop(f"predict model.json rows.csv {options}"))
    with mock.patch("oddsmith.cli.stream._PIECE", piece):
        content = b"".join(Path("rows.csv").read_bytes().splitlines(keepends=True)[:30])
        found = done(shop(f"predict model.json --stream {options}", stdin=content))
    assert expected.stdout.startswith(found.stdout)
    assert found.stdout.count(b"\n") >= 20


NUMBER = st.floats(-1e6, 1e6).map(repr) | st.sampled_from(["", "NA", " 3 ", "1e2", '"4"', "?"])
GROUP = st.sampled_from(
    ['"red, dark"', "blue", '"two\nlines"', '"two\r\nlines"', "", "unknown", '"a ""new"" one"']
)
FLAG = st.sampled_from(["true", "false", "", '"true"'])
END = st.sampled_from([b"\n", b"\r\n"])
SOUND = st.tuples(
    st.tuples(st.sampled_from(["id", '"a, b"', '"a\nb"', "naïve"]), NUMBER, GROUP, FLAG)
    .map(",".join)
    .map(str.encode),
    END,
).map(b",0".join)
BAD = st.tuples(
    st.sampled_from(
        [
            (b"id,1,blue,true", "line {line} has 4 fields, the header has 5."),
            (b"id,one,blue,true,0", "'one' in numeric column 'x'. Correct the cell"),
            (b"id,1e999,blue,true,0", "'1e999' in numeric column 'x' is beyond the range of a double."),
            (b"id,1,blue,yes,0", "'yes' in column 'flag', which is true or false."),
            (b"\xff,1,blue,true,0", "byte 0xff on line {line} is not UTF-8."),
            (b'id,1,5" pipe,true,0', 'a quote (") inside an unquoted cell.'),
            (b'id,1,"blue"x,true,0', 'text after the closing quote (")'),
        ]
    ),
    END,
)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(SOUND, SOUND, BAD), max_size=12), st.sampled_from([1, 7, 64, 1 << 18]))
def test_rows_at_fault_change_no_bit_of_the_others(shop, rows, piece):
    is_sound = [isinstance(row, bytes) for row in rows]
    raw = [row if sound else row[0][0] + row[1] for row, sound in zip(rows, is_sound, strict=True)]
    Path("sound.csv").write_bytes(
        HEADER + b"".join(row for row, sound in zip(raw, is_sound, strict=True) if sound)
    )
    expected = done(shop("predict model.json sound.csv --proba"))
    Path("rejects.csv").unlink(missing_ok=True)
    with mock.patch("oddsmith.cli.stream._PIECE", piece):
        content = HEADER + b"".join(raw)
        found = done(shop("predict model.json --stream --rejects rejects.csv --proba", stdin=content))
    assert found.stdout == expected.stdout
    line, wanted = 2, []
    for row, text, sound in zip(rows, raw, is_sound, strict=True):
        if not sound:
            wanted.append((line, row[0][1].format(line=line), row[0][0].decode(errors="surrogateescape")))
        line += text.count(b"\n")
    given_back = rejects()
    assert [(line, row) for line, _, row in given_back] == [(line, row) for line, _, row in wanted]
    for (_, reason, _), (_, start, _) in zip(given_back, wanted, strict=True):
        assert reason.startswith(start)


def test_a_row_at_fault_ends_the_stream_after_the_answers_before_it(shop):
    content = HEADER + b"".join(ROWS[:3]) + b"id,1\n" + ROWS[5]
    found = shop("predict model.json --stream", stdin=content)
    assert (found.code, found.stdout) == (
        2,
        done(shop("predict model.json --stream", stdin=content[: content.index(b"id,")])).stdout,
    )
    assert found.err == (
        "oddsmith: standard input:5: line 5 has 2 fields, the header has 5. Complete the line or remove it.\n"
    )
    assert shop("predict model.json -", stdin=content).err == found.err
    # A cell before the short row is named first, though the row was seen to be short before cells were read.
    cell = HEADER + ROWS[0] + b"id,one,blue,true,0\nid,1\n"
    found = shop("predict model.json --stream", stdin=cell)
    assert (found.code, found.stdout.count(b"\n")) == (2, 2)
    assert found.err == (
        "oddsmith: standard input:3:2: 'one' in numeric column 'x'. Correct the cell, or leave it empty if it is "
        "unknown.\n"
    )


def test_rejects_tell_line_reason_and_row(shop):
    bad = b'first,1\n"two\nlines",one,blue,true,0\r\nid,1,5" x,true,0\n'
    content = HEADER + ROWS[0] + bad + ROWS[1]
    found = done(shop("predict model.json --stream --rejects rejects.csv", stdin=content))
    assert found.stdout == done(shop("predict model.json -", stdin=HEADER + ROWS[0] + ROWS[1])).stdout
    assert found.err == "wrote 3 rejected rows to rejects.csv\n"
    assert Path("rejects.csv").read_bytes() == (
        b"line,reason,row\n"
        b'3,"line 3 has 2 fields, the header has 5. Complete the line or remove it.","first,1"\n'
        b"4,\"'one' in numeric column 'x'. Correct the cell, or leave it empty if it is unknown.\","
        b'"""two\nlines"",one,blue,true,0"\n'
        b'6,"a quote ("") inside an unquoted cell. Quote the whole cell and double the quotes inside it, or add '
        b'--quote none where quotes are ordinary characters.","id,1,5"" x,true,0"\n'
    )


def test_log_odds_beyond_a_double_spoil_their_row_alone(shop):
    content = b"x\n1\n1.7e308\n2\n-1.7e308\n3\n"
    Path("wide.csv").write_text("x,y\n" + "".join(f"{i % 7}e-9,{i % 7 // 4}\n" for i in range(30)))
    done(shop("train wide.csv --target y --alpha 1e-3 -o wide.json"))
    found = done(shop("predict wide.json --stream --rejects rejects.csv", stdin=content))
    assert [line.split(",")[0] for line in found.out.splitlines()] == ["row", "1", "3", "5"]
    assert [(line, reason) for line, reason, _ in rejects()] == [
        (line, "the log-odds of this row are beyond the range of a double. Check its numbers.")
        for line in (3, 5)
    ]


def test_rows_without_an_id_keep_the_number_of_their_place(shop):
    content = b"x\n1\ntwo\n\n3\n"
    found = done(shop("predict plain.json --stream --rejects rejects.csv", stdin=content))
    assert [line.split(",")[0] for line in found.out.splitlines()] == ["row", "1", "3"]
    assert found.err.splitlines() == [
        "standard input: 1 blank line skipped. A missing cell in a single column is written as NA.",
        "wrote 1 rejected row to rejects.csv",
    ]
    as_json = done(shop("predict plain.json --stream --json", stdin=b"x\n1\n3\n"))
    assert [json.loads(line)["row"] for line in as_json.out.splitlines()] == [1, 2]


def test_an_oversized_line_is_kept_whole(shop):
    long = b"id,1," + b"x" * 3_000_000 + b',true,"0"'
    content = HEADER + ROWS[0] + long + b"\n" + ROWS[1]
    found = done(shop("predict model.json --stream --rejects rejects.csv", stdin=content))
    assert found.stdout == done(shop("predict model.json -", stdin=HEADER + ROWS[0] + ROWS[1])).stdout
    with open("rejects.csv", "rb") as stream:
        kept = stream.read()
    assert kept.endswith(b',"' + long.replace(b'"', b'""') + b'"\n')
    assert kept.split(b"\n")[1].startswith(b'3,"line 3 has more than 1,048,896 bytes.')


def test_notes_are_told_once_whatever_came_together(shop):
    content = (
        HEADER[:-1]
        + b",more\n"
        + b"".join(
            row.replace(b"blue", group)[:-1] + b",1\n"
            for row, group in zip(ROWS, [b"x", b"y"] * 4, strict=True)
        )
    )
    err = done(shop("predict model.json --stream -v", stdin=content)).err
    assert [line.partition(";")[0] for line in err.splitlines()[1:]] == [
        "not used by the model: 'more'",
        "'group': 3 rows have a level that training never saw, such as 'y'. It counts as none of the known ones "
        "and scores like the reference level.",
        "1 text that a spreadsheet would run as a formula now begins with an apostrophe. To write texts as they are, "
        "say --raw.",
    ]
    with mock.patch("oddsmith.cli.stream._PIECE", 9):
        assert done(shop("predict model.json --stream -v", stdin=content)).err == err


def test_a_model_without_a_header_and_one_column_reads_such_rows(command):
    Path("bare.csv").write_text("".join(f"{i % 5},{i % 2}\n" for i in range(20)))
    done(command("train bare.csv --no-header --target -1 --alpha 1 -o bare.json"))
    expected = done(command("predict bare.json bare.csv --proba"))
    found = done(command("predict bare.json --stream --proba", stdin=Path("bare.csv").read_bytes()))
    assert found.stdout == expected.stdout
    content = b"x\n\n1\n\n2\n"
    Path("one.csv").write_text("x,y\n1,0\n2,1\n3,1\n1,1\n")
    done(command("train one.csv --target y --alpha 1 -o one.json"))
    found = done(command("predict one.json --stream", stdin=content))
    assert (
        found.err
        == "standard input: 2 blank lines skipped. A missing cell in a single column is written as NA.\n"
    )


@pytest.mark.parametrize(
    ("line", "content", "sentence"),
    [
        ("model.json --stream", b"", "standard input: the file is empty."),
        (
            "model.json --stream",
            b"who,x\n",
            "standard input: no column called 'group', 'flag', which the model needs.",
        ),
        (
            "model.json --stream",
            b"x,group,flag\n",
            "standard input: no column called 'who', which predictions echo",
        ),
        ("model.json --stream --format svmlight", b"", "--format svmlight: A stream is delimited text."),
        ("model.json rows.csv --stream", HEADER, "--stream reads standard input and writes standard output"),
        (
            "model.json --stream -o out.csv",
            HEADER,
            "--stream reads standard input and writes standard output",
        ),
        ("model.json rows.csv --rejects r.csv", b"", "--rejects goes with --stream."),
        ("model.json", b"", "Missing argument 'DATA...'."),
        (
            "model.json --stream --rejects rows.csv",
            HEADER,
            "rows.csv: there is such a file already, and it is not",
        ),
        (
            "model.json --stream --rejects no/r.csv",
            HEADER,
            "no/r.csv: cannot be written: its folder does not exist.",
        ),
        ("model.json --stream --rejects .", HEADER, ".: cannot be written: is a directory."),
    ],
)
def test_what_cannot_be_begun_is_refused_and_nothing_is_written(shop, line, content, sentence):
    before = Path("rows.csv").read_bytes()
    found = shop(f"predict {line}", stdin=content)
    assert (found.code, found.stdout) == (2, b"")
    assert sentence in found.err
    assert len(found.err) <= 600
    assert Path("rows.csv").read_bytes() == before
    assert not Path("out.csv").exists()
    assert not Path("r.csv").exists()


def test_a_header_alone_is_answered_by_one(shop):
    found = done(shop("predict model.json - --stream --proba --rejects rejects.csv", stdin=HEADER))
    assert (found.stdout, found.err) == (b"who,y,proba_0,proba_1\n", "")
    assert rejects() == []


@pytest.fixture
def started(shop):
    """`started(...)`: the program with these arguments, its pipes unbuffered; ended if a test leaves it running."""
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            process = subprocess.Popen(
                [*ODDSMITH, "predict", *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def told(process, content):
    process.stdin.write(content)
    process.stdin.flush()


@pytest.mark.slow
def test_each_row_is_answered_before_the_next_is_sent(started):
    process = started("model.json", "--stream", "--rejects", "rejects.csv")
    told(process, HEADER)
    assert process.stdout.readline() == b"who,y\n"
    for row in (ROWS[0], ROWS[1], ROWS[1].replace(b"\n", b"\r\n")):
        told(process, row[:5])
        told(process, row[5:])
        assert process.stdout.readline().startswith(row[1:2] + b",")
    told(process, b"x,1\n" + b'x,5",1,,\n' + ROWS[2])
    assert process.stdout.readline().startswith(b'"c ""d""",')
    # What an answer has left behind is with the system: a kill takes none of it.
    process.kill()
    process.wait(timeout=60)
    assert [line for line, _, _ in rejects()] == [5, 6]


@pytest.mark.slow
def test_an_interrupted_stream_leaves_with_130_and_all_its_rejects(started):
    process = started("model.json", "--stream", "--rejects", "rejects.csv")
    told(process, HEADER + b"bad\n" + ROWS[0])
    assert process.stdout.readline() == b"who,y\n"
    assert process.stdout.readline().startswith(b"a,")
    process.send_signal(signal.SIGINT)
    assert process.stderr.read() == b"oddsmith: interrupted.\n"
    assert process.wait(timeout=60) == 130
    assert [row for _, _, row in rejects()] == ["bad"]


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_stream_without_a_word(started):
    process = started("model.json", "--stream")
    told(process, HEADER + ROWS[0])
    process.stdout.readline()
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        for _ in range(1000):
            told(process, ROWS[1] * 100)
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


@pytest.mark.slow
def test_a_pipe_that_does_not_block_is_waited_for(shop):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(
        [*ODDSMITH, "predict", "model.json", "--stream"], stdin=reading, stdout=subprocess.PIPE
    ) as process:
        os.close(reading)
        os.write(writing, HEADER)
        assert process.stdout.readline() == b"who,y\n"
        os.write(writing, ROWS[0])
        assert process.stdout.readline().startswith(b"a,")
        os.close(writing)
        assert process.stdout.read() == b""
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_what_cannot_be_recorded_is_not_passed_over(shop):
    content = HEADER + ROWS[0] + b"bad\n" + ROWS[1]
    found = shop("predict model.json --stream --rejects /dev/full", stdin=content)
    assert (found.code, found.stdout) == (2, b"")
    assert (
        found.err
        == "oddsmith: /dev/full: cannot be written: no space left on device. Choose another place.\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_a_closed_standard_input_is_said_to_be_so(shop):
    found = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *ODDSMITH, "predict", "model.json", "--stream"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (found.returncode, found.stdout) == (2, b"")
    assert found.stderr == (
        b"oddsmith: standard input: cannot be read: bad file descriptor. Send rows through a pipe.\n"
    )

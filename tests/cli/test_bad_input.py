"""What is wrong with a command line: exit code 2, one sentence, nothing written, and no traceback."""

import json
import os
from pathlib import Path

import pytest

ROWS = "x,level,w,y\n1,a,1,no\n2,b,1,yes\n3,a,2,no\n5,b,1,yes\n4,a,1,yes\n2,b,1,no\n"
KEPT = b"an older file\n"

FILES = {
    "rows.csv": ROWS,
    "empty.csv": "",
    "blank.csv": "\n\n",
    "header.csv": "x,level,w,y\n",
    "ragged.csv": ROWS + "7,a,1\n",
    "text.csv": ROWS.replace("\n5,b", "\nfive,b"),
    "infinite.csv": ROWS.replace("\n5,b", "\n1e999,b"),
    "one-class.csv": ROWS.replace("yes", "no"),
    "no-label.csv": "x,y\n1,\n2,\n",
    "all-missing.csv": "x,y\n,no\nNA,yes\n,no\n",
    "constant.csv": "x,y\n1,no\n1,yes\n1,no\n",
    "no-x.csv": ROWS.replace("x,level", "z,level"),
    "bad-x.csv": ROWS.replace("\n5,b", "\nfive,b"),
    "latin.csv": b"x,y\n1,caf\xe9\n2,tea\n",
    "nul.csv": b"x,y\n1,a\0\n2,b\n",
    "three.csv": ROWS.replace("4,a,1,yes", "4,a,1,maybe").replace("2,b,1,no", "2,b,1,maybe"),
    "minus.csv": ROWS.replace("3,a,2", "3,a,-2"),
    "gap.csv": ROWS.replace("3,a,2", "3,a,"),
    "words.csv": ROWS.replace("3,a,2", "3,a,heavy"),
    "weightless.csv": "x,level,w,y\n1,a,1,no\n2,b,0,yes\n3,a,2,no\n5,b,0,yes\n",
    "measured.csv": "x,y\n" + "".join(f"{i % 7},{i / 7}\n" for i in range(200)),
    "web.csv": "<!doctype html><html></html>",
    "quote.csv": 'x,y\n1,"no\n2,yes\n',
    "twice.csv": "x,x,y\n1,2,no\n2,1,yes\n",
    "foreign.json": '{"weights": [1, 2]}',
    "array.json": "[]",
    "notes.txt": "remember the milk",
    "empty.json": "",
}

TRAIN = "train {} --target y -o out"
WITH = "train rows.csv --target y -o out {}"

# (command line, how the one line on standard error begins after "oddsmith: ")
REFUSED = [
    (TRAIN.format("absent.csv"), "absent.csv: there is no such file. Check the path."),
    (TRAIN.format("."), ".: this is a folder. Name a file in it."),
    (TRAIN.format("empty.csv"), "empty.csv: the file is empty."),
    (TRAIN.format("blank.csv"), "blank.csv: no header and no rows"),
    (TRAIN.format("header.csv"), "header.csv: no rows to train on, only a header."),
    (
        TRAIN.format("ragged.csv"),
        "ragged.csv:8: line 8 has 3 fields, the header has 4. Complete the line or remove",
    ),
    (
        TRAIN.format("text.csv"),
        "text.csv:5:1: 'five' in numeric column 'x' (5 of 6 cells are numbers). Add it to",
    ),
    (TRAIN.format("infinite.csv"), "infinite.csv:5:1: '1e999' in numeric column 'x' is beyond the range"),
    (
        TRAIN.format("one-class.csv"),
        "one-class.csv: target 'y' has one class: no (rows with a label: 6). Two",
    ),
    (TRAIN.format("no-label.csv"), "no-label.csv: target 'y' has no label in any of 2 rows."),
    (
        TRAIN.format("all-missing.csv"),
        "all-missing.csv: no column is left as a feature. 'x' is left out: empty",
    ),
    (TRAIN.format("latin.csv"), "latin.csv:2: byte 0xe9 on line 2 is not UTF-8."),
    (TRAIN.format("nul.csv"), "nul.csv:2: a NUL byte on line 2"),
    (
        TRAIN.format("measured.csv"),
        "measured.csv: target 'y' has 200 different values in 200 rows: a measurement",
    ),
    (TRAIN.format("web.csv"), "web.csv: this is a web page, not a table."),
    (TRAIN.format("quote.csv"), 'quote.csv:2:2: a quote (") opens here and is never closed.'),
    (TRAIN.format("twice.csv"), "twice.csv:1:2: 'x' names both column 1 and column 2."),
    (
        TRAIN.format("rows.csv").replace(" y ", " yy "),
        "rows.csv: 'yy' is none of its 4 columns. Did you mean 'y'?",
    ),
    (TRAIN.format("rows.csv").replace(" y ", " 9 "), "rows.csv: '9' is none of its 4 columns."),
    (
        TRAIN.format("rows.csv").replace(" y ", " 'x >' "),
        "rows.csv: target 'x >' is neither a column nor an SQL",
    ),
    (TRAIN.format("rows.csv").replace("-o out", "-o -"), "-o -: a model is kept in a file. Name one"),
    (
        TRAIN.format("rows.csv").replace("-o out", "-o rows.csv"),
        "-o rows.csv: this file is read, and the result",
    ),
    (
        TRAIN.format("rows.csv").replace("-o out", "-o ./link.csv"),
        "-o ./link.csv: this file is read, and the",
    ),
    (
        TRAIN.format("rows.csv").replace("-o out", "-o absent/out"),
        "absent/out: cannot be written: its folder",
    ),
    (TRAIN.format("rows.csv").replace("-o out", "-o folder"), "folder: cannot be written: it is a folder."),
    (
        TRAIN.format("rows.csv").replace("-o out", "-o rows.csv/out"),
        "rows.csv/out: cannot be written: not a dir",
    ),
    (WITH.format("--alpha -1"), "--alpha -1: give a finite number, 0 or more, or auto or path."),
    (WITH.format("--alpha nan"), "--alpha nan: give a finite number, 0 or more, or auto or path."),
    (WITH.format("--alpha much"), "--alpha much: give a finite number, 0 or more, or auto or path."),
    (WITH.format("--l1-ratio 2"), "--l1-ratio 2.0: give a number from 0, ridge, to 1, lasso."),
    (
        WITH.format("--l1-ratio 1 --alpha 1 --solver lbfgs"),
        "lbfgs needs an objective without kinks, and a penalty with l1_ratio 1 has some. Use one of newton, ",
    ),
    (WITH.format("--iterations 5"), "--iterations is not for --solver auto, which takes no settings."),
    (
        WITH.format("--solver sgd --batch-size 2"),
        "--batch-size is not for --solver sgd, which takes --learning-rate",
    ),
    (WITH.format("--solver gradient-descent --iterations 0"), "--iterations 0: give a positive number."),
    (
        WITH.format("--solver gradient-descent --learning-rate 1e6"),
        "gradient-descent diverged: the mean loss went",
    ),
    (WITH.format("--solver sgd --learning-rate 1e300"), "sgd diverged: the mean loss went from"),
    (WITH.format("--seed -3"), "--seed -3: give a whole number from 0 to below 2^63."),
    (
        WITH.format("--positive maybe"),
        "rows.csv: target 'y': --positive 'maybe' is none of its labels 'no', 'yes'",
    ),
    (
        WITH.format("--map-label maybe=no"),
        "rows.csv: target 'y': --map-label 'maybe=no' fits none of the labels",
    ),
    (WITH.format("--map-label no"), "--map-label 'no' is not of the form FROM=TO."),
    (WITH.format("--drop lvl"), "rows.csv: 'lvl' is none of its 4 columns."),
    (WITH.format("--drop x,level,w"), "rows.csv: no column is left as a feature."),
    (WITH.format("--features x --drop x"), "rows.csv: column 'x' is named by --features and by --drop"),
    (
        WITH.format("--numeric level"),
        "rows.csv:2:2: 'a' in numeric column 'level' (0 of 6 cells are numbers).",
    ),
    (WITH.format("--weight level"), "rows.csv:2:2: 'a' in numeric column 'level'"),
    (WITH.format("--id who"), "rows.csv: 'who' is none of its 4 columns."),
    (WITH.format("--delimiter ab"), "--delimiter 'ab': a delimiter is one ASCII character"),
    (WITH.format("--delimiter ';'"), 'rows.csv:1: one column, for ";" is not in this line.'),
    (WITH.format("--quote ab"), "--quote 'ab': a quote is one visible ASCII character, or none."),
    (WITH.format("--encoding klingon"), "--encoding 'klingon': unknown."),
    (WITH.format("--flat"), "the flat form holds numbers only, and 'level' is not one."),
    (TRAIN.format("minus.csv") + " --weight w", "minus.csv:4:3: -2 is no weight. Weights are 0 or more."),
    (TRAIN.format("gap.csv") + " --weight w", "gap.csv:4:3: a missing cell is no weight."),
    (TRAIN.format("words.csv") + " --weight w", "words.csv:4:3: 'heavy' in numeric column 'w'"),
    (
        TRAIN.format("weightless.csv") + " --weight w",
        "all rows of class 'yes' have weight 0, so there is nothing",
    ),
    ("describe absent.csv", "absent.csv: there is no such file."),
    ("describe ragged.csv", "ragged.csv:8: line 8 has 3 fields"),
    ("describe empty.csv --json", "empty.csv: the file is empty."),
    ("show absent.json", "absent.json: no such file. A model is made with: oddsmith train."),
    ("show folder", "folder: cannot be read: is a directory. Check the path."),
    ("show empty.json", "empty.json: the file is empty. Train the model again."),
    ("show notes.txt", "notes.txt:1:1: not JSON (expecting value)."),
    ("show foreign.json", "foreign.json: JSON, but not a model file of oddsmith"),
    ("show array.json", "array.json: not a model file: the document is not a JSON object."),
    ("show cut.json --json", "cut.json:"),
    (
        "show tampered.json",
        "tampered.json: its digest does not fit its content: the file was changed after training.",
    ),
    ("predict absent.json rows.csv -o out", "absent.json: no such file."),
    ("predict cut.json rows.csv -o out", "cut.json:"),
    ("predict rows.csv rows.csv -o out", "rows.csv:1:1: not JSON"),
    ("predict model.json absent.csv -o out", "absent.csv: there is no such file."),
    ("predict model.json ragged.csv -o out", "ragged.csv:8: line 8 has 3 fields"),
    ("predict model.json no-x.csv -o out", "no-x.csv: no column called 'x', which the model needs."),
    ("predict model.json bad-x.csv -o out", "bad-x.csv:5:1: 'five' in numeric column 'x' (5 of 6 cells"),
    (
        "predict model.json infinite.csv",
        "infinite.csv:5:1: '1e999' in numeric column 'x' is beyond the range",
    ),
    (
        "predict model.json rows.csv -o absent/out",
        "absent/out: cannot be written: its folder does not exist.",
    ),
    ("predict model.json rows.csv -o folder", "folder: cannot be written: it is a folder."),
    (
        "predict model.json rows.csv -o rows.csv",
        "-o rows.csv: this file is read, and the result would replace",
    ),
    (
        "predict model.json rows.csv -o model.json",
        "-o model.json: this file is read, and the result would repl",
    ),
    (
        "predict with-id.json rows.csv -o out",
        "rows.csv: no column called 'who', which predictions echo as id.",
    ),
    ("evaluate model.json no-x.csv", "no-x.csv: no column called 'x', which the model needs."),
    (
        "evaluate model.json three.csv",
        "three.csv:6:4: label 'maybe' of target 'y' is none of the model's classes",
    ),
    ("evaluate model.json no-y.csv", "no-y.csv: no column called 'y', which holds the labels."),
    ("evaluate model.json header.csv", "header.csv: target 'y' has no label in any of 0 rows."),
    (
        "evaluate model.json rows.csv --threshold half",
        "--threshold 'half' is no number. Give probabilities: .2,",
    ),
    (
        "evaluate model.json rows.csv --threshold 1.5",
        "threshold 1.5: not a probability. Give a number from 0 to 1.",
    ),
    (
        "evaluate model.json rows.csv --threshold nan",
        "threshold nan: not a probability. Give a number from 0 to 1.",
    ),
    (
        "evaluate model.json rows.csv --threshold .2,,-1",
        "threshold -1.0: not a probability. Give a number from 0 to 1.",
    ),
    (
        "evaluate model.json rows.csv --cost 5",
        "--cost '5': give it as fn=120,fp=18 (names: fn, fp, tn, tp, defer; fn and fp are needed).",
    ),
    (
        "evaluate model.json rows.csv --cost fn=5",
        "--cost 'fn=5': give it as fn=120,fp=18 (names: fn, fp, tn, tp, defer; fn and fp are needed).",
    ),
    (
        "evaluate model.json rows.csv --cost fn=5,fp=x",
        "--cost 'fn=5,fp=x': give it as fn=120,fp=18 (names: fn, fp, tn, tp, defer; fn and fp are needed).",
    ),
    (
        "evaluate model.json rows.csv --cost fn=5,fp=1,tp=9",
        "cost fn=5.0: not more than that of the right answer, tp=9",
    ),
    (
        "evaluate model.json rows.csv --cost fn=5,fp=1,defer=2",
        "--cost 'fn=5,fp=1,defer=2': rows are called one class or",
    ),
    (
        "evaluate model.json rows.csv --cost fn=5,fn=6,fp=1",
        "--cost 'fn=5,fn=6,fp=1': give it as fn=120,fp=18",
    ),
    (
        "evaluate model.json rows.csv --cost fn=-5,fp=1",
        "cost fn=-5.0: not more than that of the right answer, tp=0.0.",
    ),
    ("evaluate model.json rows.csv --cost fn=nan,fp=1", "cost fn=nan: not a finite number."),
    ("evaluate three.json three.csv --threshold .5", "thresholds need two classes, and there are 3."),
    ("evaluate three.json three.csv --cost fn=1,fp=2", "costs fn and fp need two classes, and there are 3."),
    ("tutorial rows.csv", "rows.csv: cannot be made a folder: file exists. Name another one."),
    ("tutorial folder", "folder/students.csv: exists and is not the tutorial's. Name another folder:"),
]

# Said by click, in its words, after a line on usage.
USAGE = [
    ("", "Usage: oddsmith"),
    ("fly", "No such command 'fly'."),
    ("train", "Missing argument 'DATA...'."),
    ("train rows.csv -o out", "Missing option '--target'."),
    ("train rows.csv --target y", "Missing option '-o' / '--output'."),
    ("train rows.csv --target y -o out --frobnicate", "--frobnicate"),
    (WITH.format("--solver adam"), "Invalid value for '--solver': 'adam' is not one of"),
    (WITH.format("--multi-class ovo"), "Invalid value for '--multi-class': 'ovo' is not one of"),
    (WITH.format("--iterations 1.5"), "Invalid value for '--iterations': '1.5' is not a valid integer."),
    ("predict model.json", "Missing argument 'DATA...'."),
    ("show model.json extra", "Got unexpected extra argument"),
    ("evaluate model.json rows.csv --bins 0", "Invalid value for '--bins': 0 is not in the range"),
    ("evaluate model.json rows.csv --bins 999999999", "Invalid value for '--bins': 999999999 is not in the"),
    ("evaluate model.json rows.csv --bins x", "Invalid value for '--bins'"),
]


@pytest.fixture(scope="module")
def stall(tmp_path_factory):
    """A folder with every file that the command lines name."""
    from .conftest import run

    folder = tmp_path_factory.mktemp("stall")
    for name, content in FILES.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "folder").mkdir()
    (folder / "folder" / "students.csv").write_text("mine")
    (folder / "link.csv").symlink_to("rows.csv")
    (folder / "no-y.csv").write_text("x,level,w\n1,a,1\n")
    (folder / "with-id.csv").write_text(
        "\n".join(f"{id_},{row}" for id_, row in zip(["who", *"abcdef"], ROWS.splitlines(), strict=True))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in (
            "train rows.csv --target y --alpha 0.1 -o model.json",
            "train three.csv --target y --alpha 0.1 -o three.json",
            "train with-id.csv --target y --id who --alpha 0.1 -o with-id.json",
        ):
            assert run(line).code == 0
    model = (folder / "model.json").read_bytes()
    (folder / "cut.json").write_bytes(model[: len(model) // 2])
    tampered = json.loads(model)
    tampered["equations"][0]["intercept"] += 0.5
    (folder / "tampered.json").write_text(json.dumps(tampered))
    return folder


def snapshot(folder):
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(params=[True, False], ids=["over an older file", "to a new file"])
def older(request, stall, monkeypatch, command):
    """Everything that lies in the folder, with or without a file where the output would go."""
    monkeypatch.chdir(stall)
    if request.param:
        Path("out").write_bytes(KEPT)
    yield snapshot(stall)
    Path("out").unlink(missing_ok=True)


@pytest.mark.parametrize(("line", "sentence"), REFUSED)
def test_a_refusal_is_one_sentence_and_touches_nothing(line, sentence, older, command, stall):
    outcome = command(line)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert outcome.err.startswith(f"oddsmith: {sentence}")
    assert outcome.err.count("\n") == 1
    assert outcome.err.endswith("\n")
    assert 20 < len(outcome.err) < 400
    assert "Traceback" not in outcome.err
    assert snapshot(stall) == older


@pytest.mark.parametrize(("line", "sentence"), USAGE)
def test_a_wrong_use_is_told_with_the_usage(line, sentence, older, command, stall):
    outcome = command(line)
    assert (outcome.code, outcome.stdout) == (2, b"")
    assert sentence in outcome.err
    assert "Usage: oddsmith" in outcome.err
    assert "Traceback" not in outcome.err
    assert snapshot(stall) == older


def test_near_names_are_offered(stall, command, monkeypatch):
    monkeypatch.chdir(stall)
    assert "Did you mean 'level'?" in command("train rows.csv --target levle -o out").err
    assert "Did you mean 'level'?" in command("train rows.csv --target y --drop Lebel -o out").err


def test_a_refusal_is_the_same_with_quiet_and_verbose(stall, command, monkeypatch):
    monkeypatch.chdir(stall)
    for flag in ("-q", "-v", "--json"):
        outcome = command(f"train one-class.csv --target y -o out {flag}")
        assert (outcome.code, outcome.stdout) == (2, b"")
        assert outcome.err.splitlines()[-1].startswith("oddsmith: one-class.csv: target 'y' has one class")


def test_a_folder_that_may_not_be_written_to(stall, command, monkeypatch):
    """The superuser may write anywhere, so that the operating system's answer is simulated."""
    monkeypatch.chdir(stall)

    opened, nameless = os.open, getattr(os, "O_TMPFILE", 0)

    def refuse(path, flags, *rest, **named):
        if flags & os.O_CREAT or (nameless and flags & nameless == nameless):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *rest, **named)

    before = snapshot(stall)
    monkeypatch.setattr(os, "open", refuse)
    for line in (TRAIN.format("rows.csv") + " --alpha 1", "predict model.json rows.csv -o out"):
        outcome = command(line)
        assert (outcome.code, outcome.stdout) == (2, b"")
        assert outcome.err.splitlines()[-1].startswith(
            "oddsmith: out: cannot be written: permission denied. Ch"
        )
    assert snapshot(stall) == before


def test_names_cannot_steer_the_terminal(command, tmp_path):
    """Escape sequences in names, labels and cells are written out in every message and table."""
    bad = "\x1b]0;owned\x07\x1b[2J\u202e"
    rows = "\n".join(f"{i % 3},{'ab'[i % 2]}{bad},{'no' if i % 5 else 'yes'}{bad},{bad}" for i in range(30))
    Path("rows.csv").write_text(f"x{bad},level{bad},y{bad},constant{bad}\n{rows}\n")
    lines = [
        "train rows.csv --target 3 --alpha 1 -o model.json -v",
        "train rows.csv --target 3 --alpha 1 --multi-class ovr --drop 'absent' -o model.json",
        "train rows.csv --target 2 --id nothing -o model.json",
        "show model.json -v",
        "describe rows.csv",
        "evaluate model.json rows.csv",
        "predict model.json rows.csv -o out.csv -v",
        f"predict model.json '{bad}'",
        f"show '{bad}'",
    ]
    for line in lines:
        outcome = command(line)
        shown = outcome.out + outcome.err
        assert outcome.code in (0, 2)
        assert shown
        assert all(sign == "\n" or sign.isprintable() for sign in shown), (line, shown)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read anything")
def test_a_file_that_may_not_be_read(stall, command, monkeypatch, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text(ROWS)
    secret.chmod(0)
    outcome = command(f"describe {secret}")
    assert outcome.code == 2
    assert "no permission to read this file" in outcome.err

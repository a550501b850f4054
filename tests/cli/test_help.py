"""Help: short enough for a screen, and every example in it runs as it stands."""

import gzip
import re
from pathlib import Path

import polars as pl
import pytest

import oddsmith.cli as oddsmith_cli
from oddsmith.cli.verbs import VERBS, oddsmith
from oddsmith.data.samples import access_requests, students

pytestmark = pytest.mark.slow


def examples_of(verb):
    """The lines below "Examples:" in a verb's help, as they are typed."""
    epilog = oddsmith.get_command(None, verb).epilog
    heading, *lines = [line.strip() for line in epilog.replace("\b", "").strip().splitlines()]
    assert heading == "Examples:"
    return lines


EXAMPLES = [(verb, line) for verb in VERBS for line in examples_of(verb)]


def adult_like(dot):
    rows = []
    for i in range(60):
        label = ">50K" if (i * i) % 7 > 3 else "<=50K"
        work = "?" if i % 11 == 0 else ("Private" if i % 3 else "State-gov")
        rows.append(f"{20 + (i * 13) % 40}, {work}, {(i * 7) % 16}, {label}{dot}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with every file that examples name."""
    from .conftest import run

    folder = tmp_path_factory.mktemp("shelf")
    requests = access_requests(1000, seed=3)
    (folder / "requests.csv").write_text(requests)
    (folder / "requests.csv.gz").write_bytes(gzip.compress(requests.encode()))
    (folder / "validation.csv").write_text(access_requests(80, seed=4, first=1001))
    (folder / "students.csv").write_text(students(400, seed=1))
    (folder / "later-students.csv").write_text(students(100, seed=2))
    (folder / "costs.csv").write_text(
        "house,owl,visit\nGryffindor,0,5\nHufflepuff,3,0\nRavenclaw,3,4\nSlytherin,8,1\n"
    )
    later = pl.read_csv(access_requests(300, seed=5, first=2001).encode(), infer_schema=False)
    later.with_row_index("amount", 20).write_csv(folder / "later-requests.csv")
    (folder / "adult.data").write_text(adult_like(""))
    (folder / "adult-test.csv").write_text(adult_like("."))
    survey = [f"{i % 5},{(i * 3) % 7},{max(0, (i * i) % 9 - 4) / 2}" for i in range(80)]
    visits = [
        f"{i // 3},{'north' if i % 2 else 'south'},{i % 7},{(i * i) % 5 / 2 - 1},{int((i * i + i // 3) % 4 // 2 + i % 7 > 4)}"
        for i in range(400)
    ]
    (folder / "visits.csv").write_text("\n".join(["patient,ward,age,prior_log_odds,ill", *visits]))
    loans = [f"{i % 7},{i % 5},{'yes' if (i * i + i // 3) % 4 + i % 7 > 6 else 'no'}" for i in range(400)]
    (folder / "loans.csv").write_text("\n".join(["months,accounts,default", *loans]))
    (folder / "survey.csv").write_text("\n".join(["rating,years,affairs", *survey]))
    for part in (1, 2):
        rows = [f"{i % 5},{i % 3},{(i * i + part) % 7 // 4}" for i in range(40)]
        (folder / f"part-{part}.csv").write_text("\n".join(["a,b,y", *rows]))
    table = pl.read_csv(folder / "requests.csv", infer_schema=False)
    for part in (1, 2):
        table.slice(100 * (part - 1), 100).write_parquet(folder / f"part-{part}.parquet")
    svmlight = [f"{(i * i) % 7 // 4} 1:{i % 5} 3:{i % 3 + 1}" for i in range(60)]
    (folder / "rows.svm").write_text("\n".join(svmlight))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in (
            "train requests.csv --target needs_review -o model.json",
            "train requests.csv --target needs_review --alpha .01 -o new.json",
            "train requests.csv --target needs_review --drop ambiguity -o old.json",
            "train students.csv --target 'Hogwarts House' --id Index --multi-class ovr --alpha .01 -o houses.json",
            "decide model.json later-requests.csv --cost fn=120,fp=18 --capacity review=200/1000 -o decided.json",
            "train adult.data --no-header --strip --missing '?' --target -1 -o adult.json",
        ):
            outcome = run(line)
            assert outcome.code == 0, outcome.err
    return folder


@pytest.mark.parametrize(("verb", "line"), EXAMPLES)
def test_every_example_runs(verb, line, shelf, command, tmp_path):
    for path in shelf.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    stdin = b""
    if "|" in line:
        source, line = (part.strip() for part in line.split("|"))
        program, name = source.split()
        stdin = Path(name).read_bytes()
        stdin = {"cat": lambda data: data, "zcat": gzip.decompress}[program](stdin)
    assert line.startswith(f"oddsmith {verb}")
    outcome = command(line.removeprefix("oddsmith "), stdin)
    judges = verb in ("audit", "build", "gate")
    assert outcome.code == 0 or (judges and outcome.code == 1), outcome.err
    written = re.search(r" -o (\S+)", line)
    if written:
        assert Path(written[1]).stat().st_size > 0
    else:
        assert outcome.stdout


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_examples_and_every_option_is_explained(verb, flag, command):
    outcome = command(f"{verb} {flag}")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: oddsmith {verb} ")
    for line in examples_of(verb):
        assert f"  {line}\n" in outcome.out
    for parameter in oddsmith.get_command(None, verb).params:
        if parameter.param_type_name == "option":
            assert parameter.name == "help" or (parameter.help or "").endswith((".", "]")), parameter


def test_the_verbs_are_listed_along_the_path(command):
    outcome = command("--help")
    assert (outcome.code, outcome.err) == (0, "")
    listed = re.findall(r"^  (\w+)  ", outcome.out.split("Commands:")[1], flags=re.MULTILINE)
    assert listed == list(VERBS)
    files = {path.stem for path in Path(oddsmith_cli.__file__).parent.glob("*.py")}
    assert {*VERBS} < files

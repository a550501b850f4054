"""Every public data set trains with one command, written as a person would type it.

Row and class counts are those of the data sets' own descriptions; coefficients are held against statsmodels.
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oddsmith.model import load

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not here"),
    pytest.mark.slow,
]

SEPARABLE = "no_finite_optimum"
CODES = "SEX,EDUCATION,MARRIAGE,PAY_0,PAY_2,PAY_3,PAY_4,PAY_5,PAY_6"
ZEROS = ",".join(f"column_{position}=0" for position in range(2, 7))

# file: (the rest of the command line, class counts, columns, status)
TRAININGS = {
    "hogwarts/dataset_train.csv": (
        "--target 'Hogwarts House' --id Index --drop 'Best Hand' --multi-class ovr",
        {"Gryffindor": 327, "Hufflepuff": 529, "Ravenclaw": 443, "Slytherin": 301},
        13,
        "converged",
    ),
    "csv/adult-train.csv": (
        "--no-header --strip --missing '?' --target -1",
        {"<=50K": 24720, ">50K": 7841},
        14,
        SEPARABLE,
    ),
    "csv/german.csv": ("--no-header --target -1 --positive 2", {"1": 700, "2": 300}, 20, "converged"),
    "csv/UCI_Credit_Card.csv": (
        f"--target default.payment.next.month --drop ID --categorical {CODES}",
        {"0": 23364, "1": 6636},
        23,
        SEPARABLE,
    ),
    "csv/pima-indians-diabetes.csv": (
        f"--no-header --target -1 --missing {ZEROS}",
        {"0": 500, "1": 268},
        8,
        "converged",
    ),
    "csv/breast-cancer-wisconsin.csv": (
        "--no-header --target -1 --missing '?' --positive 4",
        {"2": 458, "4": 241},
        9,
        "converged",
    ),
    "csv/spambase.csv": ("--no-header --target -1", {"0": 2788, "1": 1813}, 57, "converged"),
    "csv/titanic.csv": ("--target survived --drop alive", {"0": 549, "1": 342}, 13, SEPARABLE),
    "csv/penguins.csv": ("--target species", {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}, 6, SEPARABLE),
    "csv/iris.csv": (
        "--no-header --target -1",
        {"Iris-setosa": 50, "Iris-versicolor": 50, "Iris-virginica": 50},
        4,
        SEPARABLE,
    ),
    "csv/wine.csv": ("--no-header --target -1", {"1": 59, "2": 71, "3": 48}, 13, SEPARABLE),
    "csv/spector.csv": ('--delimiter space --quote "\'" --target GRADE', {"0": 21, "1": 11}, 3, "converged"),
    "csv/anes96.csv": (
        '--delimiter tab --quote "\'" --target PID --features age,educ,income,selfLR,popul,TVnews',
        {"0": 200, "1": 180, "2": 108, "3": 37, "4": 94, "5": 150, "6": 175},
        6,
        "converged",
    ),
    "csv/fair.csv": ("--target 'affairs > 0'", {"False": 4313, "True": 2053}, 8, "converged"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Models of the data sets, each trained when it is first asked for: (model, what was said)."""
    from .conftest import run

    folder, made = tmp_path_factory.mktemp("public"), {}

    def model_of(name):
        if name not in made:
            path = folder / f"{Path(name).stem}.json"
            outcome = run(f"train {DATA / name} {TRAININGS[name][0]} -o {path}")
            assert (outcome.code, outcome.stdout) == (0, b""), outcome.err
            made[name] = load(path), outcome.err, path
        return made[name]

    return model_of


def test_there_is_a_command_for_every_file():
    files = {str(path.relative_to(DATA)) for path in DATA.glob("*/*.csv")}
    assert files - set(TRAININGS) == {"hogwarts/dataset_test.csv", "csv/adult-test.csv"}


@pytest.mark.parametrize("name", TRAININGS)
def test_one_command_trains(name, trained):
    _, counts, n_columns, status = TRAININGS[name]
    model, said, _ = trained(name)
    record = model.record
    assert dict(zip(record.target.classes, record.training.class_counts, strict=True)) == counts
    assert record.training.rows == sum(counts.values())
    assert record.training.rows_without_target == 0
    assert len(record.columns) == n_columns, (record.columns, record.left_out)
    assert record.fit.status == status, record.fit.message
    assert ("warning: no finite optimum" in said) == (status == SEPARABLE)
    assert np.isfinite(model.coef).all()


# A level whose rows all have one label has no finite coefficient: (file, column, level, rows)
PURE_LEVELS = [
    ("csv/adult-train.csv", 3, " Preschool", 51),
    ("csv/UCI_Credit_Card.csv", "EDUCATION", 0, 14),
    ("csv/titanic.csv", "embarked", None, 2),
]


@pytest.mark.parametrize(("name", "column", "level", "rows"), PURE_LEVELS)
def test_where_no_optimum_exists_the_data_say_so_too(name, column, level, rows, trained):
    model, said, _ = trained(name)
    options = {"header": None} if name.startswith("csv/adult") else {}
    table = read(name, **options)
    target = model.record.target.columns[0]
    labels = table.iloc[:, -1] if target.startswith("column_") else table[target]
    pure = labels[table[column].isna() if level is None else table[column] == level]
    assert len(pure) == rows
    assert pure.nunique() == 1
    assert "some rows can be told apart without error" in said


def peer_of(name, table, target):
    """statsmodels on what pandas reads: gaps filled by means, categories as 0/1 columns."""
    sm = pytest.importorskip("statsmodels.api")
    design = sm.add_constant(table.astype(float).to_numpy())
    if target.nunique() == 2:
        return sm.Logit(target.to_numpy(), design).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    return sm.MNLogit(target, design).fit(disp=0, method="newton", tol=1e-14, maxiter=100)


def read(name, **options):
    return pd.read_csv(DATA / name, **options)


def spector():
    table = read("csv/spector.csv", sep=r"\s+", quotechar="'")
    return table[["GPA", "TUCE", "PSI"]], table["GRADE"]


def fair():
    table = read("csv/fair.csv")
    return table.drop(columns="affairs"), (table["affairs"] > 0).astype(int)


def anes96():
    table = read("csv/anes96.csv", sep="\t", quotechar="'")
    return table[["popul", "TVnews", "selfLR", "age", "educ", "income"]], table["PID"]


def pima():
    table = read("csv/pima-indians-diabetes.csv", header=None)
    columns = table.iloc[:, :8].astype(float)
    columns.iloc[:, 1:6] = columns.iloc[:, 1:6].replace(0.0, np.nan)
    return columns.fillna(columns.mean()), table[8]


def german():
    """0/1 columns in text order, without the most frequent level."""
    table = read("csv/german.csv", header=None)
    parts = []
    for name in table.columns[:-1]:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            parts.append(column)
        else:
            counts = column.value_counts()
            reference = min(counts[counts == counts.max()].index)
            parts.append(pd.get_dummies(column).drop(columns=reference))
    return pd.concat(parts, axis=1), (table[20] == 2).astype(int)


PEERS = {
    "csv/spector.csv": spector,
    "csv/fair.csv": fair,
    "csv/anes96.csv": anes96,
    "csv/pima-indians-diabetes.csv": pima,
    "csv/german.csv": german,
}


@pytest.mark.parametrize("name", PEERS)
def test_coefficients_are_those_of_statsmodels(name, trained):
    model, _, _ = trained(name)
    table, target = PEERS[name]()
    peer = peer_of(name, table, target)
    found = np.column_stack([model.intercept, model.coef])
    expected = np.asarray(peer.params).T.reshape(-1, found.shape[1])
    if len(found) > 1:
        found = found[1:] - found[0]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    assert model.record.fit.mean_loss[0] == pytest.approx(-peer.llf / len(target), rel=1e-12)


def test_spector_gives_the_published_table(trained):
    """Greene, Econometric Analysis, example of Spector and Mazzeo (1980): constant -13.02, GPA 2.83, ..."""
    model, _, _ = trained("csv/spector.csv")
    assert model.terms == ("GPA", "TUCE", "PSI")
    np.testing.assert_allclose(model.intercept, [-13.0213], atol=5e-5)
    np.testing.assert_allclose(model.coef, [[2.8261, 0.09516, 2.3787]], atol=5e-5)


@pytest.mark.parametrize(
    ("alpha", "loss", "auc", "bound"), [(1e-4, 0.31943692, 0.90438746, 1e-7), (0.0, None, 0.9043, 1e-4)]
)
def test_adult_is_judged_on_its_test_rows_whose_labels_end_in_a_dot(
    trained, command, alpha, loss, auc, bound
):
    """scikit-learn 1.9 on the same terms, standardised: newton-cholesky with C=1/(alpha n), and with C=1e6.

    Without a penalty there is no finite optimum, and the loss on other rows is that of where a fit happens to stop.
    """
    _, _, path = trained("csv/adult-train.csv")
    if alpha:
        path = "adult.json"
        options = TRAININGS["csv/adult-train.csv"][0]
        outcome = command(f"train {DATA / 'csv/adult-train.csv'} {options} --alpha {alpha} -o {path}")
        assert outcome.code == 0, outcome.err
    outcome = command(f"evaluate {path} {DATA / 'csv/adult-test.csv'} --map-label 'x.=x' --json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.stdout)
    assert found["n_rows"] == 16281
    assert [row["total"] for row in found["per_class"]] == [12435, 3846]
    assert found["accuracy"]["correct"] == pytest.approx(13881, abs=0 if alpha else 5)
    assert loss is None or found["log_loss"] == pytest.approx(loss, abs=bound)
    assert found["auc"] == pytest.approx(auc, abs=bound)
    without = command(f"evaluate {path} {DATA / 'csv/adult-test.csv'}")
    assert without.code == 2
    assert re.search(r"adult-test\.csv:1:15: label '<=50K\.' .* --map-label '<=50K\.=<=50K'", without.err)


def test_hogwarts_writes_the_file_that_the_school_asks_for(trained, command, tmp_path):
    _, _, path = trained("hogwarts/dataset_train.csv")
    outcome = command(f"predict {path} {DATA / 'hogwarts/dataset_test.csv'} -o houses.csv")
    assert (outcome.code, outcome.stdout) == (0, b""), outcome.err
    content = (tmp_path / "houses.csv").read_bytes()
    lines = content.split(b"\n")
    assert lines[0] == b"Index,Hogwarts House"
    assert lines[-1] == b""
    assert [line.split(b",")[0] for line in lines[1:-1]] == [b"%d" % i for i in range(400)]
    houses = {line.split(b",")[1].decode() for line in lines[1:-1]}
    assert houses == {"Gryffindor", "Hufflepuff", "Ravenclaw", "Slytherin"}
    assert b"\r" not in content
